/* SPDX-License-Identifier: BSD-2-Clause */
/* The end: something is wrong in the hypervisor itself. A guest never reaches this. */
#pragma once

#include "arch/x86/types.h"

struct trap_frame;

/* Says why with a backtrace, stops the other CPUs, halts. Only the first CPU to panic talks. */
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* What else a panic shows behind its backtrace, without a lock. */
void panic_set_last_words(void (*show)(void));

/* For exceptions and NMIs of root mode (arch/x86/trap.h). */
void panic_trap(const struct trap_frame *frame);

#define ASSERT(condition)                                                         \
    do {                                                                          \
        if (!(condition))                                                         \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition); \
    } while (0)
