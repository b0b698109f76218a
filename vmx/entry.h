/* SPDX-License-Identifier: BSD-2-Clause */
/* The one way into a guest and back (entry.asm). */
#pragma once

#include "vmx/state.h"

enum vmx_entry { VMX_EXITED, VMX_FAIL_INVALID, VMX_FAIL_VALID };
enum vmx_entry vmx_enter(struct vcpu *v, bool launched, vmx_on_exit *exited);
extern char vmx_exit_point[]; /* HOST_RIP */
