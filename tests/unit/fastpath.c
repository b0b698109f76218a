/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way through an exit against the long one: random exits of a vCPU in random states. Either the
 * short way gives the exit up, and has changed nothing; or registers, VMCS, local APIC, mailboxes, timer and
 * counts are what the functions of the long way make of them. vmx/fastpath.asm is executed as it is, on the
 * processor of tests/unit/fastpath.asm.
 */
#include "tests/unit/unit.h"

#define let_interrupts_in real_let_interrupts_in
#include "tests/unit/fake_cpu.h"
#undef let_interrupts_in
#include "tests/unit/fake_vmcs.h"

static inline void let_interrupts_in(void)
{
}

#include "core/base/trace.h"
#include "hypercall/abi.h"
#include "vcpu/cpuid.h"
#include "vmx/caps.h"
#include "vmx/entry.h"
#include "vmx/guest.c"
#include "vmx/hv_timer.c"

#include "tests/unit/fake_apics.h"

#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS 20000

uint64_t fastpath_exit(struct vcpu *v, const void *exit_point, uint64_t after[16]);
uint64_t fake_now;
uint32_t fake_written_msr[3];
struct low_leaf vcpu_low_leaves[CPUID_LOW_LEAVES];
struct vmx_caps vmx_caps;
struct host_lapic host_lapic;

static uint32_t host_registers[0x400 / 4];
static struct vmx_vcpu backend_state;
static trace_ring ring ALIGNED(sizeof(trace_ring));

bool config_is_off(const struct vm_config *c, const char *name)
{
    (void)c;
    return !name;
}

bool machine_option_off(const char *name)
{
    return !name;
}

/* Everything that either way may change. */
struct world {
    struct vlapic apics[CPUS];
    struct vcpu vcpus[CPUS];
    struct vcpu_statistics statistics[CPUS];
    struct cpu cpu;
    uint64_t vmcs[ARRAY_SIZE(fake_vmcs)];
    uint32_t to, icr; /* of the IPI that was sent, 0: none */
};

static void take(struct world *w)
{
    memcpy(w->apics, apics, sizeof(apics));
    memcpy(w->vcpus, vcpus, sizeof(vcpus));
    memcpy(w->statistics, statistics, sizeof(statistics));
    memcpy(&w->cpu, &physical[0], sizeof(w->cpu));
    memcpy(w->vmcs, fake_vmcs, sizeof(fake_vmcs));
}

static void put_back(const struct world *w)
{
    memcpy(apics, w->apics, sizeof(apics));
    memcpy(vcpus, w->vcpus, sizeof(vcpus));
    memcpy(statistics, w->statistics, sizeof(statistics));
    memcpy(&physical[0], &w->cpu, sizeof(w->cpu));
    memcpy(fake_vmcs, w->vmcs, sizeof(fake_vmcs));
}

/* --- random --- */

static uint64_t seed = 88172645463325252u;

static uint64_t any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

static bool rarely(unsigned one_in)
{
    return any() % one_in == 0;
}

/* Near zero, near the ends of 31 and 32 bits, or anywhere. */
static uint64_t distance(void)
{
    static const uint64_t around[] = {0, UINT64_C(1) << 30, UINT64_C(1) << 31, UINT64_C(1) << 32, 100000};

    return rarely(8) ? any() : around[any() % ARRAY_SIZE(around)] + any() % 8 - (rarely(2) ? 4 : 0);
}

static void random_apic(unsigned n)
{
    uint32_t vector = (uint32_t)(any() & 0xff);

    if (!rarely(4))
        to_x2apic(n);
    if (x2apic_mode(&apics[n]))
        write_msr(n, IA32_X2APIC_BASE + LAPIC_SVR / 16, rarely(6) ? 0xff : ENABLED);
    else
        write_reg(n, LAPIC_SVR, rarely(6) ? 0xff : ENABLED);
    apics[n].hv_timer = true;
    apics[n].lvt_timer = vector | (rarely(6) ? LVT_MASKED : 0) | (rarely(6) ? 0 : LVT_DEADLINE);
    apics[n].tsc = (struct guest_tsc){rarely(8) ? UINT64_C(1) << 47 : 0, rarely(4) ? any() : distance()};
    apics[n].expires = rarely(3) ? 0 : fake_tsc + distance();
    apics[n].deadline = apics[n].expires ? guest_tsc_at(&apics[n].tsc, apics[n].expires) : 0;
    vlapic_fastpath_follow(&apics[n]);
    for (unsigned i = 0; i < 3; i++)
        set_vector(&apics[n], rarely(2) ? REG_IRR : REG_TMR, 16 + (unsigned)(any() % 240));
    if (n ==
        0) /* it runs, and its mailbox is empty: what is in it comes by the notification that is on its way */
        return;
    if (rarely(3))
        vlapic_schedule_out(&vcpus[n]);
    if (rarely(3))
        pid_post(&apics[n].pid, 16 + (unsigned)(any() % 240), &(uint64_t){0});
    if (rarely(3))
        pid_direct(&apics[n].pid, rarely(2) ? VECTOR_WAKEUP : VECTOR_KICK,
                   pid_encode_destination((uint32_t)(any() % CPUS), physical_x2apic));
}

static void random_vmcs(const struct vcpu *v)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fake_vmcs); i++)
        fake_vmcs[i] = 0;
    vmcs_write(vmcs_guest_rip, any());
    vmcs_write(vmcs_exit_instruction_length, 1 + any() % 15);
    vmcs_write(vmcs_guest_rflags, rarely(8) ? any() : any() & ~(uint64_t)(RFLAGS_TF | RFLAGS_RF));
    vmcs_write(vmcs_guest_interruptibility, rarely(6) ? any() % 16 : 0);
    vmcs_write(vmcs_guest_ss_rights, rarely(4) ? any() : any() & ~(uint64_t)0x60);
    vmcs_write(vmcs_guest_interrupt_status, (any() & 0xff00) | (uint64_t)MAX(vlapic_requested(v), 0));
    vmcs_write(vmcs_preemption_timer_value, v->fast.deadline ? 7 : UINT32_MAX);
}

static uint64_t random_icr(void)
{
    uint64_t icr = any() & 0xff;

    if (rarely(3))
        icr |= BIT(any() % 32);
    if (rarely(4))
        icr = (icr & 0xff) | ICR_TO_SELF;
    if (rarely(4))
        icr |= ICR_ASSERT;
    return icr | (rarely(6) ? any() : any() % (CPUS + 1) + (rarely(6) ? PID_TABLE_SIZE : 0)) << 32;
}

/* An exit of vCPU 0, and what it is about. */
static uint64_t random_exit(struct vcpu *v)
{
    static const uint32_t reasons[] = {EXIT_CPUID, EXIT_VMCALL, EXIT_WRMSR, EXIT_WRMSR,
                                       EXIT_PREEMPTION_TIMER};
    uint64_t reason = rarely(10) ? any() % 160 | (any() & BIT(31)) : reasons[any() % ARRAY_SIZE(reasons)];
    uint64_t value = rarely(2)   ? random_icr()
                     : rarely(6) ? 0
                                 : guest_tsc_at(&v->lapic->tsc, fake_tsc) + distance();

    for (unsigned i = 0; i < 16; i++)
        v->regs.by_number[i] = any();
    if (reason == EXIT_CPUID)
        v->regs.rax = rarely(4) ? any() : any() % 40 | (any() & ~UINT64_C(0xffffffff));
    else if (reason == EXIT_VMCALL && !rarely(4))
        v->regs.rax = SKERRY_CALL_NOP | (rarely(4) ? any() << 32 : 0);
    if (reason == EXIT_WRMSR) {
        v->regs.rax = (uint32_t)value | (any() & ~UINT64_C(0xffffffff));
        v->regs.rdx = value >> 32 | (any() & ~UINT64_C(0xffffffff));
        v->regs.rcx = (rarely(8)   ? any()
                       : rarely(2) ? IA32_TSC_DEADLINE
                                   : IA32_X2APIC_BASE + LAPIC_ICR / 16) &
                      UINT32_MAX;
    }
    vmcs_write(vmcs_exit_reason, reason);
    return reason;
}

static void random_world(struct world *w)
{
    set_up(NULL);
    physical_x2apic = host_lapic.x2apic = rarely(2);
    host_lapic.registers = host_registers;
    fake_tsc = rarely(4) ? any() : UINT64_C(1) << 40 | (any() & UINT32_MAX);
    vmx_caps.misc = any() % 8;
    vmx_hv_timer_init();
    for (unsigned i = 0; i < CPUS; i++) {
        physical[i].ndst = pid_encode_destination(i, physical_x2apic);
        vlapic_use_posted(&vcpus[i], true);
        random_apic(i);
    }
    vlapic_unblock(&vcpus[0]); /* it runs */
    memset(&backend_state, 0, sizeof(backend_state));
    backend_state.pin = rarely(8) ? 0 : PIN_PREEMPTION_TIMER;
    vcpus[0].backend = &backend_state;
    vcpus[0].trace_who = TRACE_WHO(3, 0);
    vcpus[0].fast.hv_timer = backend_state.pin != 0;
    vcpus[0].fast.delivers = !rarely(6);
    vcpus[0].fast.calls = !rarely(6);
    physical[0].next_event = rarely(2) ? 0 : fake_tsc + distance();
    physical[0].trace = &ring[any() % TRACE_EVENTS];
    if (backend_state.pin)
        vmx_hv_timer_follow(&vcpus[0]);
    fake_tsc += rarely(3) ? distance() : 0; /* so long ago */
    vcpus[0].pending = rarely(10) ? BIT(any() % 64) : 0;
    random_vmcs(&vcpus[0]);
    take(w);
}

/* --- the long way --- */

static void deliver(struct vcpu *v)
{
    if (v->asked & ASKED_MAIL) {
        vcpu_take(v, ASKED_MAIL);
        vlapic_collect(v);
    }
    v->due &= ~DUE_IRQ;
    if (vlapic_take_requested(v))
        vmcs_write(vmcs_guest_interrupt_status,
                   (vmcs_read(vmcs_guest_interrupt_status) & 0xff00) | (uint64_t)MAX(vlapic_requested(v), 0));
}

/* False: the guest is not to go on right away, or it faults; the short way must not have decided that. */
static bool write_msr_long(struct vcpu *v)
{
    uint64_t value = (uint32_t)v->regs.rax | v->regs.rdx << 32;

    v->stats->exits[KIND_WRMSR]++;
    if ((uint32_t)v->regs.rcx == IA32_TSC_DEADLINE) {
        vlapic_write_deadline(v, value);
        vmx_hv_timer_follow(v);
        return !v->pending;
    }
    if ((uint32_t)v->regs.rcx != IA32_X2APIC_BASE + LAPIC_ICR / 16 ||
        !vlapic_write_x2apic(v, (uint32_t)v->regs.rcx, value))
        return false;
    deliver(v);
    return true;
}

static bool cpuid_long(struct vcpu *v)
{
    const struct low_leaf *l = &vcpu_low_leaves[v->regs.rax % CPUID_LOW_LEAVES];

    v->stats->exits[KIND_CPUID]++;
    v->regs.rax = l->answer.eax;
    v->regs.rbx = l->answer.ebx;
    v->regs.rcx = l->answer.ecx;
    v->regs.rdx = l->answer.edx;
    return true;
}

static bool call_long(struct vcpu *v)
{
    v->stats->exits[KIND_CALL]++;
    v->regs.rax = 0;
    return !vmx_cpl() && v->fast.calls;
}

static bool timer_long(struct vcpu *v)
{
    uint64_t event = this_cpu()->next_event;

    v->stats->exits[KIND_TIMER]++;
    if (event && fake_tsc >= event)
        return false;
    if (!vlapic_timer_expire(v))
        return false;
    deliver(v);
    vmx_hv_timer_follow(v);
    return true;
}

static bool go_long(struct vcpu *v, uint64_t reason)
{
    bool ok;

    switch (reason) {
    case EXIT_CPUID: ok = cpuid_long(v); break;
    case EXIT_VMCALL: ok = call_long(v); break;
    case EXIT_WRMSR: ok = write_msr_long(v); break;
    case EXIT_PREEMPTION_TIMER: ok = timer_long(v); break;
    default: return false;
    }
    if (reason != EXIT_PREEMPTION_TIMER)
        vmx_skip_instruction();
    if (v->fast.deadline)
        vmx_hv_timer_load(v);
    return ok;
}

/* --- comparing --- */

/* What only the short way uses, or only the long one. */
static void forget_notes(struct world *w)
{
    for (unsigned i = 0; i < CPUS; i++) {
        w->apics[i].requested = false;
        w->apics[i].vcpu = NULL;
        w->vcpus[i].fast.place = w->vcpus[i].fast.started = 0;
        w->vcpus[i].regs.host_rsp = 0;
        w->statistics[i].counts[COUNT_ROOT_TICKS] = 0;
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(w->vmcs); i++)
        w->vmcs[i] &= fake_vmcs_width(i);
    w->cpu.trace = NULL;
}

static void check_same(struct world *a, struct world *b)
{
    forget_notes(a);
    forget_notes(b);
    assert_memory_equal(a->vcpus[0].regs.by_number, b->vcpus[0].regs.by_number, 128);
    assert_memory_equal(a->vmcs, b->vmcs, sizeof(a->vmcs));
    assert_memory_equal(&a->vcpus[0].fast, &b->vcpus[0].fast, sizeof(a->vcpus[0].fast));
    assert_int_equal(a->vcpus[0].pending, b->vcpus[0].pending);
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(a->vcpus[i].asked, b->vcpus[i].asked);
        assert_memory_equal(&a->apics[i], &b->apics[i], sizeof(a->apics[i]));
        assert_memory_equal(&a->statistics[i], &b->statistics[i], sizeof(a->statistics[i]));
    }
    assert_int_equal(a->to, b->to);
    assert_int_equal(a->icr, b->icr);
}

static void note_hardware_ipi(struct world *w)
{
    if (physical_x2apic) {
        w->to = fake_written_msr[1];
        w->icr = fake_written_msr[0];
        assert_true(!w->icr || fake_written_msr[2] == IA32_X2APIC_BASE + LAPIC_ICR / 16);
    } else {
        w->to = host_registers[LAPIC_ICR_HIGH / 4] >> 24;
        w->icr = host_registers[LAPIC_ICR / 4];
    }
}

static void check_event(const struct trace_event *e, const struct world *before, uint64_t reason)
{
    static const uint8_t kinds[] = {[EXIT_CPUID] = KIND_CPUID,
                                    [EXIT_VMCALL] = KIND_CALL,
                                    [EXIT_WRMSR] = KIND_WRMSR,
                                    [EXIT_PREEMPTION_TIMER] = KIND_TIMER};
    const struct guest_regs *regs = &before->vcpus[0].regs;

    assert_int_equal(e->tsc, fake_tsc);
    assert_int_equal(e->who, TRACE_WHO(3, 0) | (uint32_t)kinds[reason] << 8);
    assert_true(e->kind == TRACE_EXIT && e->reason == kinds[reason] && e->vm == 3);
    assert_int_equal(e->argument[0], (uint32_t)regs->rcx);
    assert_int_equal(e->argument[1], (uint32_t)regs->rdx);
    assert_int_equal(e->extra, (uint32_t)regs->rax);
}

static unsigned short_ways;

static void one_exit(bool traced)
{
    static struct world before, after, expected;
    static trace_ring old;
    uint64_t reason, told, found[16] = {0};
    struct vcpu *v = &vcpus[0];
    const struct trace_event *event;

    random_world(&before);
    reason = random_exit(v);
    take(&before);
    before.to = before.icr = 0;
    memset(host_registers, 0, sizeof(host_registers));
    memset(fake_written_msr, 0, sizeof(fake_written_msr));
    memcpy(old, ring, sizeof(ring));
    event = physical[0].trace;
    fake_now = fake_tsc;
    told = fastpath_exit(v, traced ? vmx_fastpath_traced : vmx_fastpath, found);
    found[4] = before.vcpus[0].regs.by_number[4];
    take(&after);
    note_hardware_ipi(&after);
    if (told != UINT64_MAX) { /* given up: as if nothing had been */
        assert_int_equal(told, reason);
        for (unsigned i = 3; i < 16; i++)
            assert_int_equal(found[i], before.vcpus[0].regs.by_number[i]);
        after.vcpus[0].regs.r15 = before.vcpus[0].regs.r15;
        assert_ptr_equal(physical[0].trace, event);
        assert_memory_equal(old, ring, sizeof(ring));
        check_same(&before, &after);
        return;
    }
    short_ways++;
    assert_int_equal(before.vcpus[0].pending, 0);
    if (traced) {
        check_event(event, &before, reason);
        assert_int_equal(event->rip, before.vmcs[FIELD_guest_rip]);
        assert_ptr_equal(physical[0].trace, event + 1 == &ring[TRACE_EVENTS] ? &ring[0] : event + 1);
    } else {
        assert_memory_equal(old, ring, sizeof(ring));
    }
    memcpy(after.vcpus[0].regs.by_number, found, sizeof(found));
    put_back(&before);
    ipi_to = ipi_icr = 0;
    assert_true(go_long(v, reason));
    take(&expected);
    expected.to = ipi_to;
    expected.icr = ipi_icr;
    check_same(&expected, &after);
}

static void both_ways(bool traced)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, &physical[0]);
    for (unsigned leaf = 0; leaf < CPUID_LOW_LEAVES; leaf++)
        vcpu_low_leaves[leaf] =
            (struct low_leaf){{leaf, leaf * 3, leaf * 5, leaf * 7}, leaf % 5 ? leaf : ~leaf};
    short_ways = 0;
    for (unsigned i = 0; i < ROUNDS; i++)
        one_exit(traced);
    assert_in_range(short_ways, ROUNDS / 8, ROUNDS - ROUNDS / 8);
}

static void either_way_does_the_same(void **state)
{
    (void)state;
    both_ways(false);
}

static void so_it_does_traced(void **state)
{
    (void)state;
    both_ways(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_way_does_the_same),
        cmocka_unit_test(so_it_does_traced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
