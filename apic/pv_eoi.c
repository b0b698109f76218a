/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EOI without an exit where the processor does not do it: a word that the guest shares with us (KVM's
 * MSR_KVM_PV_EOI). With its bit 0 set the guest may clear that bit in place of writing to the EOI register.
 * It is offered at an entry when the EOI would have nothing to tell us: one edge-triggered interrupt on top
 * and none waiting. It is taken back at the next exit, before anybody looks at the registers.
 */
#include "apic/vlapic_state.h"

#define OFFERED 1u

void vlapic_pv_eoi_register(struct vcpu *v, uint32_t *word)
{
    settle_eoi(v);
    v->pv.eoi = word;
}

COLD void vlapic_settle_eoi(struct vcpu *v)
{
    v->due &= ~DUE_EOI;
    if (__atomic_fetch_and(v->pv.eoi, ~OFFERED, __ATOMIC_RELAXED) & OFFERED)
        return;
    v->stats->counts[COUNT_PV_EOI]++;
    vlapic_end_of_interrupt(v);
}

void vlapic_pv_eoi_offer(struct vcpu *v)
{
    struct vlapic *a = v->lapic;
    int top = highest_vector(a, REG_ISR);

    if (top < 0 || test_vector(a, REG_TMR, (unsigned)top) || highest_vector(a, REG_IRR) >= 0)
        return;
    __atomic_fetch_or(v->pv.eoi, OFFERED, __ATOMIC_RELAXED);
    v->due |= DUE_EOI;
}
