/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/life.h"

#include "vcpu/life.h"

void vmx_shift_time(struct vm *vm, uint64_t ticks)
{
    if (!vcpu_time_moves(vm))
        return;
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vmx_vcpu *x = vmx_of(vm->vcpus[i]);

        ASSERT(!x->active_on);
        vmx_vmptrld(x);
        vcpu_shift_time(vm->vcpus[i], ticks);
        vmx_vmclear(x);
    }
}
