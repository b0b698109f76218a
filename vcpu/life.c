/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/life.h"

#include "apic/vlapic.h"
#include "arch/x86/percpu.h"
#include "core/base/panic.h"
#include "hypercall/kvm.h"
#include "vcpu/state.h"

bool vcpu_time_moves(struct vm *vm)
{
    ASSERT(!this_cpu()->active);
    kvm_clock_was_stopped(vm);
    return vm->tsc_started;
}

void vcpu_shift_time(struct vcpu *v, uint64_t ticks)
{
    struct vcpu_state *x = state_of(v);
    uint64_t by = guest_tsc_scale(&x->tsc, ticks);

    if (v->id == 0)
        v->vm->tsc_offset -= by;
    x->tsc.offset -= by;
    backend.set_tsc_offset(v, x->tsc.offset);
    vlapic_shift_time(v, &x->tsc, ticks);
}

void vcpu_forget_vm(struct vm *vm)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct vcpu *last = cpus[i]->context_of;

        ASSERT(!cpus[i]->active || cpus[i]->active->vm != vm);
        if (last && last->vm == vm)
            __atomic_compare_exchange_n(&cpus[i]->context_of, &last, NULL, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED);
    }
}

bool vcpu_block(struct vcpu *v, uint64_t *wake_at)
{
    *wake_at = vlapic_expires(v);
    return vlapic_block(v);
}
