/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many exits a vCPU may have per second of its guest's life, and whether it keeps to that. Seconds follow
 * each other from the end of the time of grace on; a budget that is broken is told of once in each.
 */
#pragma once

#include "arch/x86/types.h"

struct budget {
    uint64_t second;       /* in ticks */
    uint64_t window;       /* where the current second began, or the first will */
    uint32_t limit, used;  /* exits in a second */
    uint64_t seconds;      /* that are over */
    uint64_t over, broken; /* exits over the budget, and in how many seconds there were some */
    uint64_t not_counted;  /* exits of the hypervisor's own making */
};

enum budget_verdict {
    BUDGET_KEPT,
    BUDGET_BROKEN, /* by this exit, the first over the budget of its second */
    BUDGET_OVER,   /* it was broken in this second already */
};

/* The guest begins a life; what was counted in earlier ones stays. */
static inline void budget_start(struct budget *b, uint32_t limit, uint64_t second, uint64_t from)
{
    b->limit = limit;
    b->second = second;
    b->window = from;
    b->used = 0;
}

/* One exit at this time. */
static inline enum budget_verdict budget_spend(struct budget *b, uint64_t now)
{
    if ((int64_t)(now - b->window) < 0)
        return BUDGET_KEPT;
    if (now - b->window >= b->second) {
        uint64_t gone = (now - b->window) / b->second;

        b->window += gone * b->second;
        b->seconds += gone;
        b->used = 0;
    }
    if (b->used < b->limit) {
        b->used++;
        return BUDGET_KEPT;
    }
    b->over++;
    if (b->used > b->limit)
        return BUDGET_OVER;
    b->used = b->limit + 1;
    b->broken++;
    return BUDGET_BROKEN;
}

/* Seconds that are over by now. */
static inline uint64_t budget_seconds(const struct budget *b, uint64_t now)
{
    return b->seconds + ((int64_t)(now - b->window) < 0 ? 0 : (now - b->window) / b->second);
}

/* So many ticks were not part of the guest's life. */
static inline void budget_shift(struct budget *b, uint64_t ticks)
{
    b->window += ticks;
}
