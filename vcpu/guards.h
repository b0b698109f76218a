/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done so that a processor does not give one VM's data to another: guards, chosen for each VM when it
 * is built (vm->guards), by what the processor needs and what the configuration says. And what of it a guest
 * may use for itself.
 */
#pragma once

#include "core/vm/vm.h"

/* The first three are the number of the pair of stubs that a vCPU enters and exits by (vmx/entry.asm). */
#define GUARD_L1D         0x01u /* the L1 data cache is flushed before an entry */
#define GUARD_BUFFERS     0x02u /* the buffers are emptied before an entry */
#define GUARD_IBRS        0x04u /* IA32_SPEC_CTRL is switched at each entry and exit */
#define GUARD_STUBS       8
#define GUARD_SMALL_PAGES 0x08u /* RAM is mapped by pages of 4 KiB */
#define GUARD_BARRIER     0x10u /* predictions of other VMs are dropped when it gets a CPU */

/* At the start: what this processor needs and has. */
void guards_init(void);
unsigned guards_of_stubs(void); /* that this processor can execute, needed or not */
unsigned guards_for(const struct vm_config *c);

/* The page at the start: a row for each, and a line for a VM. */
void guards_explain(void);
void guards_explain_vm(const struct vm_config *c);

/* Of IA32_SPEC_CTRL, what Skerry keeps set on each CPU, guests or not. */
uint64_t guards_host_spec_ctrl(void);
/* What a vCPU that gets a CPU wants to find in it: vcpu/context.c. */
uint64_t guards_word(const struct vcpu *v);
/* The CPU takes such a word over from the one of who was there before. */
void guards_switch(uint64_t before, uint64_t now);

/* For CPUID leaf 7 EDX, of a VM: bits that it must not have. */
uint32_t guards_hidden_features(const struct vm *vm);
/* MSRs that such a guest has without an exit. */
bool guards_open_spec_ctrl(const struct vm *vm);
bool guards_open_pred_cmd(const struct vm *vm);
bool guards_open_flush_cmd(const struct vm *vm);

/* The others: as in vcpu/msr.c. */
bool guards_read_spec_ctrl(struct vcpu *v, uint32_t msr, uint64_t *value);
bool guards_write_spec_ctrl(struct vcpu *v, uint32_t msr, uint64_t value);
bool guards_read_capabilities(struct vcpu *v, uint32_t msr, uint64_t *value);
