/* SPDX-License-Identifier: BSD-2-Clause */
/* The contents of a VMCS. */
#pragma once

#include "vmx/state.h"

bool vmx_vcpu_create(struct vcpu *v);
void vmx_vcpu_reset(struct vcpu *v, const struct start_state *start); /* NULL: it waits for SIPI */
void vmx_vcpu_init(struct vcpu *v);                                   /* INIT, of the vCPU that runs here */
void vmx_vcpu_startup(struct vcpu *v, unsigned vector); /* SIPI: where the current VMCS starts in real mode */
void vmx_load_host_state(const struct vcpu *v);         /* into the current VMCS, for this CPU */
