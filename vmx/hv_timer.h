/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's timer on the VMX preemption timer. */
#pragma once

#include "vmx/state.h"

bool vmx_hv_timer_usable(void); /* the CPU has one without known errata */
bool vmx_hv_timer_wanted(const struct vm_config *config);
void vmx_hv_timer_reset(const struct vmx_vcpu *x); /* of a new VMCS, whose controls are written */
void vmx_hv_timer_follow(struct vcpu *v);          /* takes the deadline over from the local APIC */
void vmx_hv_timer_load(const struct vcpu *v);      /* before each entry with a deadline */

/* How it counts, once vmx_caps is known: vmx/fastpath.asm loads it, too. */
void vmx_hv_timer_init(void);
extern struct hv_timer_rate {
    uint32_t shift; /* a count is so many bits of TSC ticks; at most 31, */
    uint32_t round; /* and so many ticks are added, so that it never ends early */
} vmx_hv_timer_rate;
/* What stands for a deadline until it has passed, at most FASTPATH_AHEAD ticks from now; and the counts to
 * it. */
uint32_t vmx_hv_timer_low(uint64_t deadline, uint64_t now);
uint32_t vmx_hv_timer_count(uint32_t low, uint32_t now);
