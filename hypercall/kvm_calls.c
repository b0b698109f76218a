/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's hypercalls (Linux: Documentation/virt/kvm/x86/hypercalls.rst). */
#include "apic/ipi.h"
#include "arch/x86/lapic.h"
#include "core/backend.h"
#include "hypercall/hypercall.h"
#include "hypercall/kvm_abi.h"

#define ICR_SEND_ALLOWED (0xffu | 7u << 8 | ICR_ASSERT)

/* An interrupt may have come: it is looked for at the next entry anyway. */
static int64_t poll_irq(struct vcpu *v, struct call *call UNUSED)
{
    v->kicked = true;
    return 0;
}

/* args: flags, of which none is known; APIC ID. Ends its HLT, even one with interrupts off. */
static int64_t kick(struct vcpu *v, struct call *call)
{
    struct vcpu *target = hypercall_target(v, call->args[1]);

    if (!target)
        return KVM_EINVAL;
    v->stats->counts[COUNT_PV_KICK]++;
    __atomic_store_n(&target->pv.unhalted, true, __ATOMIC_SEQ_CST);
    vcpu_kick(target);
    return 0;
}

/* args: set of APIC IDs in two words, the ID of its bit 0, ICR without destination. Returns how many took it.
 */
static int64_t send_ipi(struct vcpu *v, struct call *call)
{
    uint32_t icr = (uint32_t)call->args[3], mode = icr >> 8 & 7;
    unsigned taken;

    if ((call->args[3] & ~(uint64_t)ICR_SEND_ALLOWED) || (mode != FIXED && mode != NMI))
        return KVM_EINVAL;
    taken = vlapic_send_to_set(v, call->args, (uint32_t)call->args[2], icr);
    v->stats->counts[COUNT_PV_IPI] += taken;
    return taken;
}

/* args: APIC ID of somebody that may be waiting for a CPU, and has what the caller waits for. */
static int64_t yield(struct vcpu *v, struct call *call)
{
    struct vcpu *target = hypercall_target(v, call->args[0]);

    if (!target)
        return KVM_EINVAL;
    if (sched_yield_to(v, target)) {
        v->stats->counts[COUNT_PV_YIELD]++;
        call->next = NEXT_GIVE_WAY;
    }
    return 0;
}

static const struct {
    uint32_t number, feature; /* the bit that offers it */
    call_handler *handler;
} calls[] = {
    {KVM_CALL_VAPIC_POLL_IRQ, UINT32_MAX, poll_irq},
    {KVM_CALL_KICK_CPU, KVM_PV_UNHALT, kick},
    {KVM_CALL_SEND_IPI, KVM_PV_SEND_IPI, send_ipi},
    {KVM_CALL_SCHED_YIELD, KVM_PV_SCHED_YIELD, yield},
};

call_handler *kvm_call(const struct vm *vm, uint64_t number)
{
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        if (calls[i].number == number)
            return vm->kvm_features & calls[i].feature ? calls[i].handler : NULL;
    }
    return NULL;
}
