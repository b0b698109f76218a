/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall/hypercall.h"

#include "hypercall/abi.h"

struct vcpu *hypercall_target(const struct vcpu *v, uint64_t apic_id)
{
    return apic_id < v->vm->vcpu_count ? v->vm->vcpus[apic_id] : NULL; /* APIC IDs count from 0 */
}

static call_handler *find(const struct vcpu *v, uint64_t number)
{
    call_handler *own = skerry_call(number);

    return own ? own : kvm_call(v->vm, number);
}

enum next hypercall_dispatch(struct vcpu *v, bool user, bool wide)
{
    const uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;
    struct guest_regs *r = &v->regs;
    struct call call = {{r->rbx & mask, r->rcx & mask, r->rdx & mask, r->rsi & mask}, NEXT_SKIP_AND_RESUME};
    call_handler *handler;
    int64_t result;

    if (user)
        result = SKERRY_EPERM;
    else if ((handler = find(v, r->rax & mask)))
        result = handler(v, &call);
    else
        result = SKERRY_ENOSYS;
    r->rax = (uint64_t)result & mask;
    return call.next;
}
