/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events on their way into a guest of AMD's: what is put into EVENTINJ against the manual's rules, which
 * svm/check.c has; what waits for a window; and NMIs, of which the second comes behind the IRET of the first.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_panic.h"

#include "svm/check.c"
#include "svm/event.c"

#include <string.h>

struct svm_caps svm_caps = {.asids = 16};
static struct vm_config config = {.name = "x"};
static struct vm vm = {.config = &config};
static struct vcpu_statistics stats;
static struct vmcb vmcb;
static struct svm_vcpu x;
static struct vcpu vcpu = {.vm = &vm, .stats = &stats, .backend = &x};
static int pending;
static unsigned tpr, complaints;
static uint64_t host_timer;
struct machine machine = {.tsc_hz = 2000000000};

void log_error(const char *fmt UNUSED, ...)
{
    complaints++;
}

unsigned cpu_physical_bits(void)
{
    return 40;
}

void sched_look_around(void)
{
}

void trace_note(enum trace_kind kind UNUSED, unsigned reason UNUSED, uint32_t who UNUSED)
{
}

uint64_t svm_get(const struct vcpu *v UNUSED, enum guest_register which)
{
    assert_int_equal(which, GUEST_DEBUGCTL);
    return vmcb.debugctl;
}

void svm_set(struct vcpu *v UNUSED, enum guest_register which, uint64_t value)
{
    assert_int_equal(which, GUEST_DEBUGCTL);
    vmcb.debugctl = value;
}

int vlapic_pending(const struct vcpu *v UNUSED)
{
    return pending >> 4 > (int)tpr ? pending : -1;
}

int vlapic_requested(const struct vcpu *v UNUSED)
{
    return pending;
}

void vlapic_accept(struct vcpu *v UNUSED, unsigned vector)
{
    assert_int_equal(vector, pending);
    pending = -1;
}

void vlapic_pv_eoi_offer(struct vcpu *v UNUSED)
{
}

unsigned vlapic_tpr_class(const struct vcpu *v UNUSED)
{
    return tpr;
}

void lapic_timer_set(enum timer_user user, uint64_t tsc)
{
    assert_int_equal(user, TIMER_GUEST);
    host_timer = tsc;
}

/* The guest's own deadline. */
void vlapic_use_hv_timer(struct vcpu *v UNUSED, bool on)
{
    assert_false(on);
    host_timer = 1;
}

static int set_up(void **state UNUSED)
{
    memset(&vmcb, 0, sizeof(vmcb));
    memset(&x, 0, sizeof(x));
    x.vmcb = &vmcb;
    vmcb.misc2 = MISC2_VMRUN;
    vmcb.asid = 1;
    vmcb.efer = EFER_SVME;
    vmcb.cr0 = CR0_PE;
    vmcb.rflags = RFLAGS_FIXED | RFLAGS_IF;
    vmcb.clean = CLEAN_ALL;
    pending = -1;
    tpr = complaints = 0;
    vcpu.due = 0;
    return 0;
}

/* The entry takes it: that is what the rules say, and then it is gone. */
static uint64_t entered(void)
{
    uint64_t event = vmcb.inject;

    assert_int_equal(svm_explain_failed_entry(&vcpu), 0);
    vmcb.inject = 0;
    return event;
}

static bool has_window(void)
{
    bool on = vmcb.misc1 & MISC1_VINTR;

    assert_int_equal(on, (vmcb.interrupts & WINDOW) == WINDOW);
    return on;
}

/* All vectors, with and without IF and a shadow. */
static void interrupts(void **state)
{
    for (int vector = 16; vector < 256; vector++) {
        for (unsigned how = 0; how < 4; how++) {
            bool open = (how & 1) && !(how & 2);

            set_up(state);
            vmcb.rflags = RFLAGS_FIXED | (how & 1 ? RFLAGS_IF : 0);
            vmcb.shadow = how & 2 ? VMCB_SHADOW : 0;
            pending = vector;
            svm_deliver(&vcpu);
            assert_int_equal(has_window(), !open);
            assert_int_equal(!!(vcpu.due & DUE_IRQ), !open); /* looked at with each exit, too */
            assert_int_equal(entered(), open ? EVENT_VALID | (uint64_t)vector : 0);
        }
    }
}

/* Where VMRUN loses the shadow the window would open behind STI and before HLT: the host's timer looks. */
static void lost_shadow(void **state UNUSED)
{
    svm_caps.loses_shadow = true;
    pending = 0x30;
    vmcb.shadow = VMCB_SHADOW;
    host_timer = 0;
    svm_deliver(&vcpu);
    assert_int_equal(entered(), 0);
    assert_false(has_window());
    assert_true(vcpu.due & DUE_IRQ);
    assert_true(host_timer > 1);
    vmcb.shadow = 0;
    vmcb.rflags &= ~RFLAGS_IF; /* a window that is none of the shadow's opens as ever */
    svm_deliver(&vcpu);
    assert_int_equal(host_timer, 1);
    assert_true(has_window());
    vmcb.rflags |= RFLAGS_IF;
    svm_deliver(&vcpu);
    assert_int_equal(entered(), EVENT_VALID | 0x30);
    assert_false(has_window());
    svm_caps.loses_shadow = false;
}

/* Held back by the priority that the guest may change in CR8 without an exit: then it exits. */
static void priorities(void **state UNUSED)
{
    pending = 0x51;
    tpr = 5;
    svm_deliver(&vcpu);
    assert_int_equal(vmcb.interrupts & VINTR_TPR, 5);
    assert_true(vmcb.cr_writes & INTERCEPT_CR8);
    assert_false(has_window());
    assert_false(vmcb.clean & CLEAN_INTERCEPTS);
    tpr = 4;
    svm_deliver(&vcpu);
    assert_int_equal(entered(), EVENT_VALID | 0x51);
    assert_false(vmcb.cr_writes & INTERCEPT_CR8);
    assert_int_equal(vmcb.interrupts & VINTR_TPR, 4);
}

/* An exception goes first; what it pushes has RF set where it is a fault; real mode knows no error codes. */
static void exceptions(void **state)
{
    for (unsigned vector = 0; vector < 32; vector++) {
        for (unsigned real = 0; real < 2; real++) {
            bool fault = !(NO_FAULTS >> vector & 1);

            if (vector == VECTOR_NMI)
                continue;
            set_up(state);
            vmcb.cr0 = real ? 0 : CR0_PE;
            pending = 0x30;
            x.state.event = (uint32_t)(EVENT_VALID | EVENT_ERROR_CODE | EVENT_EXCEPTION << 8) | vector;
            x.state.event_error = 0xabc;
            svm_deliver(&vcpu);
            assert_int_equal(x.state.event, 0);
            assert_int_equal(!!(vmcb.rflags & RFLAGS_RF), fault);
            assert_true(has_window()); /* for the interrupt, which waits */
            assert_int_equal(entered(), EVENT_VALID | EVENT_EXCEPTION << 8 | vector |
                                            (real ? 0 : EVENT_ERROR_CODE | UINT64_C(0xabc) << 32));
        }
    }
}

/* Behind an exit in the middle of it the same is delivered again, but for what software has raised itself. */
static void again(void **state)
{
    static const struct {
        uint64_t info;
        bool again;
    } cases[] = {
        {EVENT_VALID | 0x41, true},
        {EVENT_VALID | EVENT_NMI << 8 | 2, true},
        {EVENT_VALID | EVENT_ERROR_CODE | EVENT_EXCEPTION << 8 | 14 | UINT64_C(5) << 32, true},
        {EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_BP, false},
        {EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_OF, false},
        {EVENT_VALID | EVENT_SOFTWARE_INTERRUPT << 8 | 0x80, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        set_up(state);
        vmcb.exit_event = cases[i].info;
        svm_reinject(&vcpu);
        assert_int_equal(vmcb.exit_event, 0);
        assert_int_equal(!!(vcpu.due & DUE_EVENT), cases[i].again);
        svm_deliver(&vcpu);
        assert_int_equal(entered(), cases[i].again ? cases[i].info : 0);
        assert_false(vmcb.rflags & RFLAGS_RF);
    }
}

/* The first is handled until its IRET has been executed, over which the guest is stepped. */
static void nmis(void **state UNUSED)
{
    x.state.nmis = 2;
    vmcb.shadow = VMCB_SHADOW;
    svm_deliver(&vcpu);
    assert_int_equal(entered(), 0);
    assert_true(has_window());
    vmcb.shadow = 0;
    svm_deliver(&vcpu);
    assert_int_equal(entered(), EVENT_VALID | EVENT_NMI << 8 | VECTOR_NMI);
    assert_true(vmcb.misc1 & MISC1_IRET);
    svm_deliver(&vcpu);
    assert_int_equal(entered(), 0);
    assert_false(has_window());
    assert_int_equal(svm_handle_iret(&vcpu), NEXT_RESUME);
    assert_true((vmcb.rflags & RFLAGS_TF) && !(vmcb.misc1 & MISC1_IRET));
    svm_deliver(&vcpu);
    assert_int_equal(entered(), 0);
    assert_true(svm_iret_is_over(&vcpu));
    assert_true(vcpu.due & DUE_EVENT);
    svm_deliver(&vcpu);
    assert_int_equal(entered(), EVENT_VALID | EVENT_NMI << 8 | VECTOR_NMI);
    assert_int_equal(x.state.nmis, 0);
    assert_false(svm_iret_is_over(&vcpu)); /* a #DB of the guest's own */
    vmcb.rflags |= RFLAGS_TF;              /* it steps over its IRET itself: the exception is both's */
    svm_handle_iret(&vcpu);
    assert_false(svm_iret_is_over(&vcpu));
    assert_false(x.nmi_in_service);
}

/* Each rule is named, and no other. */
static void rules(void **state)
{
    for (unsigned i = 0; i < 7; i++) {
        set_up(state);
        switch (i) {
        case 0: vmcb.asid = 16; break;
        case 1: vmcb.misc2 = 0; break;
        case 2: vmcb.efer = 0; break;
        case 3: vmcb.cr0 |= CR0_NW; break;
        case 4: vmcb.msr_map = BIT(40); break;
        case 5: vmcb.dr7 = BIT(32); break;
        default: vmcb.inject = EVENT_VALID | EVENT_EXCEPTION << 8 | 32; break;
        }
        assert_int_equal(svm_explain_failed_entry(&vcpu), 1);
    }
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(interrupts), TEST(lost_shadow), TEST(priorities),
                                       TEST(exceptions), TEST(again),       TEST(nmis),
                                       TEST(rules)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
