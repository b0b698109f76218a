/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/state.h"
#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "dev/firmware.h"
#include "hypercall/kvm.h"
#include "vcpu/context.h"
#include "vcpu/cpuid.h"
#include "vcpu/guards.h"

#define MISC_ENABLE_MWAIT BIT(18)
#define MISC_ENABLE       UINT64_C(0x1801) /* fast strings; no BTS, no PEBS */

void vcpu_state_reset(struct vcpu *v)
{
    struct vcpu_state *x = state_of(v);

    ASSERT(x && (uintptr_t)x % _Alignof(struct vcpu_state) == 0);
    memset(x, 0, sizeof(*x));
    vcpu_context_reset(x);
    x->context.msrs[CPU_GUARD] = guards_word(v);
    kvm_reset(v);
    x->tsc.multiplier = v->vm->tsc_multiplier;
    x->xcr0_allowed = vcpu_xcr0_allowed();
    x->cr4_allowed = vcpu_cr4_allowed();
    x->xcr0 = 1;
    x->mtrr_def_type = FIRMWARE_MTRR_DEF_TYPE;
    x->misc_enable = MISC_ENABLE | (vcpu_halts_by_itself(v) ? MISC_ENABLE_MWAIT : 0);
}

const struct start_state vcpu_waits_for_sipi = {.mode = 16};

COLD void vcpu_reset_general(struct vcpu *v, const struct start_state *start)
{
    uint64_t host_rsp = v->regs.host_rsp; /* ours, also in the middle of a run */

    memset(&v->regs, 0, sizeof(v->regs));
    v->regs.host_rsp = host_rsp;
    if (start == &vcpu_waits_for_sipi)
        v->regs.rdx = cpuid(1, 0).eax; /* "Processor state after reset": EDX tells the model */
    v->regs.rax = start->rax;
    v->regs.rbx = start->rbx;
    v->regs.rsi = start->rsi;
}
