/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code that never returns, such as the loop of a CPU, on a stack of its own: it goes on where it was each
 * time that fiber_switch() leads there. The address sanitizer is told of each change.
 */
#pragma once

#include <stddef.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(hidden, stack, size)  ((void)0)
#define __sanitizer_finish_switch_fiber(hidden, stack, size) ((void)(stack))
#define __asan_unpoison_memory_region(at, size)              ((void)0)
#endif

#define FIBER_STACK (128 * 1024)

struct fiber {
    ucontext_t context;
    const void *stack;
    size_t size;
    void *hidden; /* the sanitizer's */
};

static inline void fiber_switch(struct fiber *from, struct fiber *to)
{
    __sanitizer_start_switch_fiber(&from->hidden, to->stack, to->size);
    swapcontext(&from->context, &to->context);
    __sanitizer_finish_switch_fiber(from->hidden, NULL, NULL);
}

/* What the code of a fiber calls first; from: who has switched to it. */
static inline void fiber_enter(struct fiber *from)
{
    __sanitizer_finish_switch_fiber(NULL, &from->stack, &from->size);
}

/* Whatever ran on this stack before is forgotten. */
static inline void fiber_create(struct fiber *f, void (*code)(void), void *stack)
{
    __asan_unpoison_memory_region(stack, FIBER_STACK);
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = stack;
    f->context.uc_stack.ss_size = FIBER_STACK;
    f->context.uc_link = NULL;
    f->stack = stack;
    f->size = FIBER_STACK;
    f->hidden = NULL;
    makecontext(&f->context, code, 0);
}
