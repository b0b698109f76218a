/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates: any, at any time, with any number of units. */
#include "tests/prove/prove.h"

#include "dev/net/rate.c"

void main(void);

void main(void)
{
    static struct net_rate r;
    uint64_t hz = any64() % (MOST_HZ - 1) + 1;

    while (any_bool()) {
        if (any_bool())
            net_rate_set(&r, any64(), hz);
        net_rate_allows(&r, any32(), any64());
    }
}
