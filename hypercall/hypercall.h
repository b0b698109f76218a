/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCALL: the call number in RAX, arguments in RBX, RCX, RDX, RSI, the result in RAX (hypercall/abi.h). */
#pragma once

#include "core/vm.h"

/* user: the caller's CPL is not 0. wide: 64-bit code; otherwise only the low halves of registers count. */
void hypercall_dispatch(struct vcpu *v, bool user, bool wide);
