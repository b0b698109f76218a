/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot option "selftest": entries that must fail, one rule after the other. Each must come back as
 * VMEXIT_INVALID with the host's registers and the guest's as they were, and the broken rule must be named.
 */
#include "svm/selftest.h"

#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "core/base/log.h"
#include "svm/asid.h"
#include "svm/check.h"
#include "svm/entry.h"
#include "svm/msr.h"
#include "vcpu/event.h"

#define GUEST_PATTERN UINT64_C(0x6775657374000000) /* "guest" in every register of the guest */

static uint8_t kept[sizeof(struct vmcb)]; /* the VMCB as it is right */

static void fill_registers(struct vcpu *v)
{
    for (unsigned i = 0; i < ARRAY_SIZE(v->regs.by_number); i++)
        v->regs.by_number[i] = GUEST_PATTERN + i;
}

static bool registers_kept(const struct vcpu *v)
{
    for (unsigned i = 0; i < ARRAY_SIZE(v->regs.by_number); i++) {
        if (v->regs.by_number[i] != GUEST_PATTERN + i)
            return false;
    }
    return true;
}

/* With known callee-saved values around the stub; panics when one is lost. */
static void enter_once(struct vcpu *v)
{
    register uint64_t rbx __asm__("rbx") = 0x11, r12 __asm__("r12") = 0x12, r15 __asm__("r15") = 0x15;

    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r15));
    svm_enter(v, svm_of(v)->vmcb_at, svm_cpu()->host_state);
    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r15));
    ASSERT(rbx == 0x11 && r12 == 0x12 && r15 == 0x15);
}

static void must_fail(struct vcpu *v, const char *name)
{
    const struct vmcb *b = vmcb_of(v);
    bool failed,
        named = svm_explain_failed_entry(v); /* before: a host may write registers back all the same */

    enter_once(v);
    failed = (uint32_t)b->exit_code == SVM_EXIT_INVALID;
    if (!failed || !named || !registers_kept(v))
        panic("selftest: %s: wrong outcome", name);
    log_info("selftest: %s: ok", name);
}

static void break_asid(struct vmcb *b)
{
    b->asid = 0;
}

static void break_interception(struct vmcb *b)
{
    b->misc2 &= ~(uint32_t)MISC2_VMRUN;
}

static void break_efer(struct vmcb *b)
{
    b->efer &= ~EFER_SVME;
}

static void break_cr0(struct vmcb *b)
{
    b->cr0 |= CR0_NW;
}

static void break_dr7(struct vmcb *b)
{
    b->dr7 |= BIT(32);
}

static void break_event(struct vmcb *b)
{
    b->inject = EVENT_VALID | EVENT_EXCEPTION << 8 | 32;
}

static const struct {
    const char *name;
    void (*apply)(struct vmcb *b);
} faults[] = {
    {"ASID 0", break_asid},      {"VMRUN not intercepted", break_interception},
    {"EFER.SVME 0", break_efer}, {"CR0.NW without CD", break_cr0},
    {"DR7 bit 32", break_dr7},   {"an exception of vector 32", break_event},
};

/* One rule after the other. */
static void test_faults(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);

    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
        memcpy(kept, b, sizeof(*b));
        faults[i].apply(b);
        must_fail(v, faults[i].name);
        memcpy(b, kept, sizeof(*b));
    }
}

void svm_self_test(struct vcpu *v)
{
    struct guest_regs saved = v->regs;

    ASSERT(!this_cpu()->active);
    svm_new_asid(v);
    fill_registers(v);
    test_faults(v);
    v->regs = saved;
    svm_of(v)->last_cpu = NULL;
    log_info("selftest: all passed");
}
