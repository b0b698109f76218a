/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers that a guest chooses. Ahead of the comparison that bounds one, a processor can pick with it what
 * lies behind a table, and what is picked tells about itself when it picks something in turn (Intel, "Bounds
 * check bypass"). docs/security.md, "Numbers from guests", says where this stands, and where it need not.
 */
#pragma once

#include "arch/x86/types.h"

/* i below n; else 0. By arithmetic, that nothing goes ahead of. */
static inline uint64_t index_nospec(uint64_t i, uint64_t n)
{
    uint64_t mask = 0; /* as Eva knows no instruction */

    asm("cmp %2, %1\n\tsbb %0, %0" : "=r"(mask) : "r"(i), "rm"(n) : "cc");
    return i & mask;
}
