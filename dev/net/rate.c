/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/rate.h"

#include "core/base/panic.h"

#define COST_SHIFT 20
#define BURSTS     100 /* in a second */
#define MOST_TRIES 16
#define MOST_HZ    BIT(43)

void net_rate_set(struct net_rate *r, uint64_t per_second, uint64_t hz)
{
    uint64_t cost = 0;

    ASSERT(hz > 0 && hz < MOST_HZ);
    if (per_second)
        cost = MAX((hz << COST_SHIFT) / MIN(per_second, NET_RATE_MOST), 1);
    __atomic_store_n(&r->burst, hz / BURSTS, __ATOMIC_RELAXED);
    __atomic_store_n(&r->used, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&r->cost, cost, __ATOMIC_RELEASE);
}

/* CPUs that take at once come one after the other; whoever is late so often is above the rate. */
bool net_rate_take(struct net_rate *r, uint32_t units, uint64_t now)
{
    uint64_t cost = __atomic_load_n(&r->cost, __ATOMIC_ACQUIRE);
    uint64_t burst = __atomic_load_n(&r->burst, __ATOMIC_RELAXED);
    uint64_t used = __atomic_load_n(&r->used, __ATOMIC_RELAXED);
    uint64_t ticks = (uint64_t)((unsigned __int128)units * cost >> COST_SHIFT);

    for (unsigned i = 0; i < MOST_TRIES && used <= now + burst; i++) {
        if (__atomic_compare_exchange_n(&r->used, &used, MAX(used, now) + ticks, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}
