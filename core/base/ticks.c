/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/ticks.h"

#include "core/base/panic.h"

#define EXACT 2u /* as far as 10^9 * 2^32 can be shifted in 64 bits */

_Static_assert(NANOSECONDS <= UINT64_MAX >> (32 + EXACT), "so far");

/* A rate between 10^9 and 2 * 10^9 gives mul its highest bit: that is what shift brings it to. */
struct tick_scale tick_scale(uint64_t hz)
{
    struct tick_scale s = {0, 0};
    unsigned down = 0, up = 0, exact;

    ASSERT(hz > 0 && hz <= BIT(62)); /* else there is no end to the loops */
    while (hz >> down > 2 * NANOSECONDS)
        down++;
    while (hz << up <= NANOSECONDS)
        up++;
    exact = MIN(down, EXACT);
    s.mul = (uint32_t)((NANOSECONDS << (32 + exact)) / (hz << up) << (down - exact));
    s.shift = (int8_t)((int)up - (int)down);
    return s;
}
