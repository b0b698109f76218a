/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCALL: the call number in RAX, arguments in RBX, RCX, RDX, RSI, the result in RAX (hypercall/abi.h). */
#pragma once

#include "core/vm.h"

/* user: the caller's CPL is not 0. */
void hypercall_dispatch(struct vcpu *v, bool user);
