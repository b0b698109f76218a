/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A move must not leave the queue that it goes to with more than the other one had. One that only swaps the
 * two loads is worth it all the same: where three share two CPUs, one after the other has a CPU alone. So
 * that each has its turn, the vCPU that has been longest in its queue leaves it first.
 */
#include "sched/balance.h"
struct choice {
    struct fair_entity *best;
    uint64_t gap, off; /* between the loads, before and after */
};

static void consider_entity(struct choice *c, struct fair_entity *e)
{
    uint64_t off = c->gap > 2 * (uint64_t)e->weight ? c->gap - 2 * (uint64_t)e->weight
                                                    : 2 * (uint64_t)e->weight - c->gap;

    if (off > c->gap || (c->best && off > c->off))
        return;
    if (c->best && off == c->off && (int64_t)(e->here_since - c->best->here_since) >= 0)
        return;
    c->best = e;
    c->off = off;
}

struct fair_entity *balance_pick(const struct fair_queue *from, uint64_t load,
                                 bool (*allowed)(struct fair_entity *e, void *context), void *context,
                                 bool *soon)
{
    struct choice c = {.gap = from->load - load};

    *soon = false;
    if (!from->running || from->load <= load)
        return NULL;
    for (unsigned at = 0; at < from->count; at++) {
        if (allowed(from->heap[at].entity, context))
            consider_entity(&c, from->heap[at].entity);
    }
    if (allowed(from->running, context))
        consider_entity(&c, from->running);
    *soon = c.best == from->running && c.best;
    return *soon ? NULL : c.best;
}
