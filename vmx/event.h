/* SPDX-License-Identifier: BSD-2-Clause */
/* What is delivered to the guest at the next VM entry. */
#pragma once

#include "vcpu/event.h"
#include "vmx/qualification.h"
#include "vmx/state.h"
#include "vmx/vmcs.h"

COLD void vmx_reinject_event(struct vcpu *v, uint32_t info);
void vmx_deliver(struct vcpu *v);                       /* chooses what to inject */
enum next vmx_timer_expired(struct vcpu *v);            /* the preemption timer says so */
void vmx_write_proc_controls(const struct vmx_vcpu *x); /* proc, and the windows */

/* q: of an exit that has NMI_UNBLOCKED. Before what was interrupted is delivered again. */
static inline void vmx_block_nmi_again(uint64_t q)
{
    if (unlikely(q & NMI_UNBLOCKED) && !(vmcs_read(vmcs_idt_vectoring_info) & EVENT_VALID))
        vmcs_write(vmcs_guest_interruptibility, vmcs_read(vmcs_guest_interruptibility) | BLOCKING_NMI);
}

/* What the exit has interrupted the delivery of, if anything, is delivered again. */
static inline void vmx_reinject(struct vcpu *v)
{
    uint32_t info = (uint32_t)vmcs_read(vmcs_idt_vectoring_info);

    if (unlikely(info & EVENT_VALID))
        vmx_reinject_event(v, info);
}
