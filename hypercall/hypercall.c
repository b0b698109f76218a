/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall/hypercall.h"

#include "hypercall/abi.h"

struct vcpu *hypercall_target(const struct vcpu *v, uint64_t apic_id)
{
    return apic_id < v->vm->vcpu_count ? v->vm->vcpus[apic_id] : NULL; /* APIC IDs count from 0 */
}

static inline call_handler *find_call(const struct vcpu *v, uint64_t number)
{
    if (number - SKERRY_CALL_NOP < SKERRY_CALLS)
        return skerry_calls[number - SKERRY_CALL_NOP];
    return number < KVM_CALLS && (v->vm->kvm_features & kvm_calls[number].feature) ? kvm_calls[number].handler
                                                                                   : NULL;
}

enum next hypercall_dispatch(struct vcpu *v, bool user, bool wide)
{
    struct call call = {wide ? UINT64_MAX : UINT32_MAX, NEXT_SKIP_AND_RESUME};
    call_handler *handler = find_call(v, v->regs.rax & call.mask);
    int64_t result = SKERRY_ENOSYS;

    if (unlikely(user))
        result = SKERRY_EPERM;
    else if (likely(handler))
        result = handler(v, &call);
    v->regs.rax = (uint64_t)result & call.mask;
    return call.next;
}
