/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's timer on the VMX preemption timer. */
#pragma once

#include "vmx/state.h"

bool vmx_hv_timer_usable(void); /* the CPU has one without known errata */
bool vmx_hv_timer_wanted(const struct vm_config *config);
void vmx_hv_timer_reset(const struct vmx_vcpu *x); /* of a new VMCS, whose controls are written */
void vmx_hv_timer_follow(struct vcpu *v);          /* takes the deadline over from the local APIC */
uint32_t vmx_hv_timer_count(uint64_t deadline, uint64_t now, unsigned shift);
void vmx_hv_timer_load(const struct vmx_vcpu *x); /* before each entry with a deadline */
