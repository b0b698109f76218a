/* SPDX-License-Identifier: BSD-2-Clause */
/* What is delivered to the guest at the next VM entry. */
#pragma once

#include "vcpu/event.h"
#include "vmx/state.h"
#include "vmx/vmcs.h"

COLD void vmx_reinject_event(struct vcpu *v, uint32_t info);
void vmx_deliver(struct vcpu *v);                       /* chooses what to inject */
enum next vmx_timer_expired(struct vcpu *v);            /* the preemption timer says so */
void vmx_write_proc_controls(const struct vmx_vcpu *x); /* proc, and the windows */

/* What the exit has interrupted the delivery of, if anything, is delivered again. */
static inline void vmx_reinject(struct vcpu *v)
{
    uint32_t info = (uint32_t)vmcs_read(vmcs_idt_vectoring_info);

    if (unlikely(info & EVENT_VALID))
        vmx_reinject_event(v, info);
}
