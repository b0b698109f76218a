/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall/hypercall.h"

#include "arch/x86/speculation.h"
#include "hypercall/abi.h"

struct vcpu *hypercall_target(const struct vcpu *v, uint64_t apic_id)
{
    unsigned count = v->vm->vcpu_count;

    return apic_id < count ? v->vm->vcpus[index_nospec(apic_id, count)] : NULL; /* APIC IDs count from 0 */
}

/* Rows that are not used have number 0, which is none of Skerry's. */
static int64_t make_call(struct vcpu *v, struct call *call, uint64_t number)
{
    const struct call_row *own = &skerry_calls[number % CALL_ROWS], *kvm = &kvm_calls[number % CALL_ROWS];

    if (likely(own->number == number))
        return own->handler(v, call);
    if (kvm->number == number && (v->vm->kvm_features & kvm->feature))
        return kvm->handler(v, call);
    return SKERRY_ENOSYS;
}

enum next hypercall_dispatch(struct vcpu *v, bool user, bool wide)
{
    struct call call = {wide ? UINT64_MAX : UINT32_MAX, NEXT_SKIP_AND_RESUME};
    int64_t result = likely(!user) ? make_call(v, &call, v->regs.rax & call.mask) : SKERRY_EPERM;

    v->regs.rax = (uint64_t)result & call.mask;
    return call.next;
}
