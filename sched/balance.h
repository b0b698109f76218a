/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which vCPU should move between the queues of two CPUs that have something to do: policy only, as
 * sched/fair.h. Now and then a CPU looks at the most loaded other queue and takes over one of the vCPUs that
 * wait there.
 */
#pragma once

#include "sched/fair.h"

/*
 * The vCPU that should move from a queue to one with this load, the caller's; NULL: nobody. Both queues are
 * locked. *soon: it runs just now, and the caller should look again after a part of its period. Whoever is
 * returned waits, for fair_remove() and fair_add().
 */
struct fair_entity *balance_pick(const struct fair_queue *from, uint64_t load,
                                 bool (*allowed)(struct fair_entity *e, void *context), void *context,
                                 bool *soon);
