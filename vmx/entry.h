/* SPDX-License-Identifier: BSD-2-Clause */
/* The one way into a guest and back (entry.asm). */
#pragma once

#include "vcpu/guards.h"
#include "vmx/state.h"

/* Without guards; so are those of the others. */
vmx_stub vmx_enter;
extern char vmx_exit_point[]; /* HOST_RIP */
/* HOST_RIP, too, with those: what is common and simple is served there (fastpath.asm), the rest goes to
 * vmx_exit_point. */
extern const char vmx_fastpath[], vmx_fastpath_traced[];

extern const struct vmx_stubs {
    vmx_stub *enter;
    const char *exit_point;
} vmx_stubs[GUARD_STUBS]; /* by guards */

static inline const struct vmx_stubs *vmx_stubs_of(const struct vcpu *v)
{
    return &vmx_stubs[v->vm->guards & (GUARD_STUBS - 1)];
}
