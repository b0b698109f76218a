/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticks of a counter into nanoseconds, by a multiplication and two shifts. */
#pragma once

#include "arch/x86/types.h"

#define NANOSECONDS UINT64_C(1000000000) /* a second */

/* As pvclock has it: ns = (ticks << shift) * mul / 2^32, with a right shift where shift is negative. */
struct tick_scale {
    uint32_t mul; /* with bit 31 set: as exact as it gets */
    int8_t shift;
};

/* hz: 1 to 2^62. */
struct tick_scale tick_scale(uint64_t hz);

static inline uint64_t ticks_to_ns(struct tick_scale s, uint64_t ticks)
{
    ticks = s.shift < 0 ? ticks >> -s.shift : ticks << s.shift;
    return (uint64_t)((unsigned __int128)ticks * s.mul >> 32);
}
