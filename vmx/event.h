/* SPDX-License-Identifier: BSD-2-Clause */
/* What is delivered to the guest at the next VM entry. */
#pragma once

#include "vmx/state.h"

void vmx_reinject(struct vcpu *v);                      /* what the exit interrupted */
void vmx_deliver(struct vcpu *v);                       /* chooses what to inject */
enum next vmx_timer_expired(struct vcpu *v);            /* the preemption timer says so */
void vmx_write_proc_controls(const struct vmx_vcpu *x); /* proc, and the windows */
