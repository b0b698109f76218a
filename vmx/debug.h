/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor's breakpoints (core/life/breakpoint.h). While a VM has some, they are in the debug registers of
 * its vCPUs (guest_context.dr, guest_dr7), `watched` is set, and the guest's own values are kept beside: MOV
 * DR exits and works on those (SDM volume 3, "Debug registers").
 */
#pragma once

#include "vmx/vmx.h"

void vmx_breakpoints_changed(struct vm *vm); /* it is at rest */
void vmx_debug_reset(struct vcpu *v);        /* its VMCS is new, and current */

/* The bits of the exception bitmap that the breakpoints ask for. */
uint64_t vmx_debug_exceptions(const struct vcpu *v);

enum next vmx_handle_mov_dr(struct vcpu *v);
enum next vmx_handle_int3(struct vcpu *v);
/* #DB of a vCPU that is watched. */
enum next vmx_watched_exception(struct vcpu *v);

/* What the guest sees in its debug registers. Its VMCS is current for a look only (examine.h). */
struct debug_registers vmx_guest_debug(const struct vcpu *v);

/* step.c: core/vm/backend.h */
const char *vmx_step(struct vcpu *v);
