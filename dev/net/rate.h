/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * So many units a second, from several CPUs without a lock: one word says up to when what was let through has
 * used up the rate, and may be a burst ahead of now (the generic cell rate algorithm, ITU-T I.371).
 */
#pragma once

#include "arch/x86/types.h"

#define NET_RATE_MOST UINT64_C(1000000000000) /* units a second */

struct net_rate {
    uint64_t cost;  /* ticks of one unit, in 2^-20; 0: there is no limit (atomic) */
    uint64_t used;  /* the tick up to which it is used (atomic) */
    uint64_t burst; /* ticks (atomic) */
};

/* per_second: 0 is no limit, above NET_RATE_MOST as that; hz: ticks a second. From any CPU, at any time. */
void net_rate_set(struct net_rate *r, uint64_t per_second, uint64_t hz);

bool net_rate_take(struct net_rate *r, uint32_t units, uint64_t now);

static inline bool net_rate_allows(struct net_rate *r, uint32_t units, uint64_t now)
{
    return likely(!__atomic_load_n(&r->cost, __ATOMIC_RELAXED)) || net_rate_take(r, units, now);
}
