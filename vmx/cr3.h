/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MOV to CR3 where it exits (cr3-exits = on), and the values that a guest has registered, which load without
 * an exit (SDM volume 3, "CR3-target controls").
 */
#pragma once

#include "vmx/state.h"

/* The write that exited. */
enum next vmx_write_cr3(struct vcpu *v, uint64_t value);

/* How many values may be registered on each vCPU: what the processor takes, if the VM's CR3 loads exit. */
unsigned vmx_cr3_slots(const struct vm_config *config);
unsigned vmx_cr3_targets(const struct vm *vm);
/* Into the slot, or with NULL out of it; of the vCPU whose VMCS is current. */
void vmx_set_cr3_target(struct vcpu *v, unsigned slot, const uint64_t *value);
