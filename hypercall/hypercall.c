/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall/hypercall.h"

#include "core/backend.h"
#include "hypercall/abi.h"

static int64_t call(struct vcpu *v)
{
    const struct guest_regs *r = &v->regs;

    switch (r->rax) {
    case SKERRY_CALL_PROTECT:
        return backend.protect(v->vm, gpa(r->rbx), r->rcx) == CALL_DONE ? 0 : SKERRY_EINVAL;
    default: return SKERRY_ENOSYS;
    }
}

void hypercall_dispatch(struct vcpu *v, bool user)
{
    v->regs.rax = (uint64_t)(user ? SKERRY_EPERM : call(v));
}
