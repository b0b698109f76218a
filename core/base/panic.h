/* SPDX-License-Identifier: BSD-2-Clause */
/* The end: something is wrong in the hypervisor itself. A guest never reaches this. */
#pragma once

#include "arch/x86/types.h"

struct trap_frame;

/* Says why with a backtrace, stops the other CPUs, halts. Only the first CPU to panic talks. */
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* What else a panic shows behind its backtrace, without a lock. */
void panic_set_last_words(void (*show)(void));

/* For exceptions and NMIs of root mode (arch/x86/trap.h). NMIs are counted, and said with the next line of
 * the log; machine checks of other CPUs alone are passed over. */
void panic_trap(const struct trap_frame *frame);
uint32_t panic_take_nmis(void); /* how many since this was asked */

/* In the function that calls it. */
COLD NORETURN void assertion_failed(unsigned line, const char *condition);

/*
 * What the code behind it relies on, and what only a mistake of our own can break: never anything that comes
 * from a guest, a file or the firmware, which is refused instead.
 */
#define ASSERT(condition)                           \
    do {                                            \
        if (unlikely(!(condition)))                 \
            assertion_failed(__LINE__, #condition); \
    } while (0)
