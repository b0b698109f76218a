/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/life/breakpoint.h"

#include "core/base/panic.h"
#include "core/life/life.h"
#include "core/vm/backend.h"

/* Hands a change on to its vCPUs. */
static const char *apply_breakpoints(struct vm *vm, const struct breakpoints *wanted)
{
    bool held;
    const char *why = vm_hold(vm, &held);

    if (!why) {
        vm->breakpoints = *wanted;
        backend.breakpoints_changed(vm);
    }
    vm_let_go(vm, held);
    return why;
}

const char *vm_break_at_int3(struct vm *vm, bool on)
{
    struct breakpoints wanted = vm->breakpoints;

    wanted.int3 = on;
    return apply_breakpoints(vm, &wanted);
}

const char *vm_break_at(struct vm *vm, uint64_t linear)
{
    struct breakpoints wanted = vm->breakpoints;
    unsigned n = 0;

    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        if ((wanted.used & BIT(i)) && wanted.at[i] == linear)
            return "has this breakpoint already";
    }
    while (n < BREAKPOINTS && (wanted.used & BIT(n)))
        n++;
    if (n == BREAKPOINTS)
        return "has as many breakpoints as the processor: 'delete' one";
    wanted.at[n] = linear;
    wanted.used |= (unsigned)BIT(n);
    return apply_breakpoints(vm, &wanted);
}

const char *vm_break_delete(struct vm *vm, unsigned mask)
{
    struct breakpoints wanted = vm->breakpoints;

    ASSERT(mask < BIT(BREAKPOINTS));
    if (!(wanted.used & mask))
        return "has no such breakpoint";
    wanted.used &= ~mask;
    return apply_breakpoints(vm, &wanted);
}
