/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that the hypervisor itself does not use, and so belong to the guest for as long as it has the
 * CPU, across its exits: vector state, XCR0, system-call MSRs, CR2, debug registers. They are changed when
 * another vCPU comes.
 */
#pragma once

#include "vcpu/state.h"

void vcpu_context_enable(void); /* on each CPU, before any vCPU comes */
void vcpu_context_reset(struct vcpu_state *x);

/* The vCPU comes to this CPU, and goes. */
void vcpu_context_load(struct vcpu *v, struct cpu *cpu);
void vcpu_context_save(struct vcpu *v, struct cpu *cpu);

void vcpu_load_debug(struct vcpu *v);  /* it needs its debug registers, from here on */
void vcpu_reset_debug(struct vcpu *v); /* its DR0 to DR3 and DR6, while it has this CPU */
void vcpu_set_xcr0(uint64_t value);
void vcpu_follow_guard(struct vcpu *v); /* guards_word() has changed while it has this CPU */
bool vcpu_write_switched_msr(struct vcpu *v, uint32_t msr, uint64_t value); /* false: #GP */
