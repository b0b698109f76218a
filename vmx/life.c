/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM that does not run: its clock stands still, or it goes for good. */
#include "vmx/life.h"

#include "apic/vlapic.h"
#include "arch/x86/percpu.h"
#include "core/base/panic.h"
#include "hypercall/kvm.h"

void vmx_shift_time(struct vm *vm, uint64_t ticks)
{
    ASSERT(!this_cpu()->active);
    kvm_clock_was_stopped(vm);
    if (!vm->tsc_started)
        return;
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];
        uint64_t by = guest_tsc_scale(&state_of(v)->tsc, ticks);

        if (i == 0)
            vm->tsc_offset -= by;
        ASSERT(!vmx_of(v)->active_on);
        vmx_vmptrld(vmx_of(v));
        state_of(v)->tsc.offset -= by;
        vmcs_write(vmcs_tsc_offset, state_of(v)->tsc.offset);
        vlapic_shift_time(v, &state_of(v)->tsc, ticks);
        vmx_vmclear(vmx_of(v));
    }
}

/* No pointer to one of its vCPUs stays behind. */
void vmx_vm_destroy(struct vm *vm)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct vcpu *last = cpus[i]->context_of;

        ASSERT(!cpus[i]->active || cpus[i]->active->vm != vm);
        if (last && last->vm == vm)
            __atomic_compare_exchange_n(&cpus[i]->context_of, &last, NULL, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED);
    }
}
