/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall/hypercall.h"

#include "hypercall/abi.h"

/* No call is offered yet; what answers is the rule for wrong ones, which guests probe with. */
void hypercall_dispatch(struct vcpu *v, bool user)
{
    v->regs.rax = (uint64_t)(user ? SKERRY_EPERM : SKERRY_ENOSYS);
}
