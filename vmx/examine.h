/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A look at a vCPU from outside. Its VM is at rest (vm_hold()), so that its VMCS is clear, and this is the
 * boot CPU between two runs, which has none: what is read or written stands between the two calls.
 */
#pragma once

#include "vmx/state.h"

static inline void vmx_examine_begin(const struct vcpu *v)
{
    ASSERT(!vmx_of(v)->active_on && !this_cpu()->active);
    vmx_vmptrld(vmx_of(v));
}

static inline void vmx_examine_end(const struct vcpu *v)
{
    vmx_vmclear(vmx_of(v));
}

/* core/vm/backend.h: dump, dump_walk, read_linear and instruction_pointer. */
void vmx_dump(struct vcpu *v, enum dump what);
void vmx_dump_walk(struct vcpu *v, gpa_t at);
size_t vmx_read_linear(struct vcpu *v, uint64_t linear, void *to, size_t n);
uint64_t vmx_instruction_pointer(struct vcpu *v);

/* The monitor's breakpoints: all vCPUs get those of their VM; what the exception bitmap has for them. */
void vmx_breakpoints_changed(struct vm *vm);
uint64_t vmx_breakpoint_exceptions(const struct vm *vm);
