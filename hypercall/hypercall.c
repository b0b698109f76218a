/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall/hypercall.h"

#include "arch/x86/speculation.h"
#include "hypercall/abi.h"

struct vcpu *hypercall_target(const struct vcpu *v, uint64_t apic_id)
{
    unsigned count = v->vm->vcpu_count;

    return apic_id < count ? v->vm->vcpus[index_nospec(apic_id, count)] : NULL; /* APIC IDs count from 0 */
}

static inline call_handler *find_call(const struct vcpu *v, uint64_t number)
{
    const struct call_row *own = &skerry_calls[number % CALL_ROWS], *kvm = &kvm_calls[number % CALL_ROWS];

    if (likely(own->number == number))
        return own->handler;
    return kvm->number == number && (v->vm->kvm_features & kvm->feature) ? kvm->handler : NULL;
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
