/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's hypercalls (Linux: Documentation/virt/kvm/x86/hypercalls.rst). */
#include "apic/ipi.h"
#include "arch/x86/lapic.h"
#include "core/vm/backend.h"
#include "hypercall/hypercall.h"
#include "hypercall/kvm_abi.h"
#include "sched/sched.h"

#define ICR_SEND_ALLOWED (0xffu | 7u << 8 | ICR_ASSERT)

_Static_assert(KVM_CALL_SCHED_YIELD < CALL_ROWS, "the last call has a row");

/* An interrupt may have come: it is looked for at the next entry anyway. */
static int64_t poll_irq(struct vcpu *v, struct call *call UNUSED)
{
    v->due |= DUE_IRQ;
    return 0;
}

/* args: flags, of which none is known; APIC ID. Ends its HLT, even one with interrupts off. */
static int64_t kick(struct vcpu *v, struct call *call)
{
    struct vcpu *target = hypercall_target(v, call_argument(v, call, 1));

    if (!target)
        return KVM_EINVAL;
    v->stats->counts[COUNT_PV_KICK]++;
    vcpu_ask(target, ASKED_UNHALT);
    return 0;
}

/* args: set of APIC IDs in two words, the ID of its bit 0, ICR without destination. Returns how many took it.
 */
static int64_t send_ipi(struct vcpu *v, struct call *call)
{
    const uint64_t set[2] = {call_argument(v, call, 0), call_argument(v, call, 1)},
                   icr = call_argument(v, call, 3);
    unsigned taken, mode = icr >> 8 & 7;

    if ((icr & ~(uint64_t)ICR_SEND_ALLOWED) || (mode != FIXED && mode != NMI))
        return KVM_EINVAL;
    taken = vlapic_send_to_set(v, set, (uint32_t)call_argument(v, call, 2), (uint32_t)icr);
    v->stats->counts[COUNT_PV_IPI] += taken;
    return taken;
}

/* args: APIC ID of a vCPU that may be waiting for a CPU, and has what the caller waits for. */
static int64_t yield(struct vcpu *v, struct call *call)
{
    struct vcpu *target = hypercall_target(v, call_argument(v, call, 0));

    if (!target)
        return KVM_EINVAL;
    if (sched_yield_to(v, target)) {
        v->stats->counts[COUNT_PV_YIELD]++;
        call->next = NEXT_GIVE_WAY;
    }
    return 0;
}

#define CALL(number, handler, feature) [KVM_CALL_##number] = {handler, KVM_CALL_##number, feature}

const struct call_row kvm_calls[CALL_ROWS] = {
    CALL(VAPIC_POLL_IRQ, poll_irq, UINT32_MAX),
    CALL(KICK_CPU, kick, KVM_PV_UNHALT),
    CALL(SEND_IPI, send_ipi, KVM_PV_SEND_IPI),
    CALL(SCHED_YIELD, yield, KVM_PV_SCHED_YIELD),
};
