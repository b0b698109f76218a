/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs next on a CPU: weighted fair sharing among the entities (vCPUs) of one queue. Policy only: no
 * locks, no allocation and no clock. The caller holds the queue's lock around every call and passes the time
 * in TSC ticks; a time before the last one counts as the last one.
 *
 *     asleep --fair_add--> waiting --fair_next--> running --fair_next(FAIR_BLOCKED)--> asleep
 *                             ^                      |
 *                             +---- fair_next(FAIR_PREEMPTED, FAIR_YIELDED)
 *
 * Time that an entity ran, divided by its weight, is its virtual runtime; the smallest runs next, for a
 * slice. An entity that wakes with less of it than the mean of all displaces the running one at once.
 * Sleeping earns a slice at most. In detail: fair.c.
 */
#pragma once

#include "arch/x86/types.h"

#define FAIR_MAX            240 /* that can wait in one queue, which then fits in a page beside its lock */
#define FAIR_MIN_WEIGHT     1
#define FAIR_MAX_WEIGHT     10000
#define FAIR_DEFAULT_WEIGHT 100
#define FAIR_MAX_SLICE      (UINT64_C(1) << 34) /* ticks */

/* fair_slice() of an entity that none waits for. */
#define FAIR_NO_LIMIT UINT64_MAX

/* Virtual time. Wide enough to never wrap; its low half is what is compared. */
typedef unsigned __int128 fair_clock;

enum fair_state { FAIR_ASLEEP, FAIR_WAITING, FAIR_RUNNING };

/* Why the running entity stops. */
enum fair_stop {
    FAIR_PREEMPTED, /* not of its own: goes on until fair_slice() is 0, or when it is its turn again */
    FAIR_YIELDED,   /* has nothing useful to do now: another one first */
    FAIR_BLOCKED,   /* sleeps until fair_add() */
};

/* Part of a vCPU. The fields are fair.c's; state, weight, here_since, ran and waited may be read. */
struct fair_entity {
    struct fair_queue *queue; /* that it runs, waits or went to sleep in; NULL: none yet, or taken out */
    enum fair_state state;
    uint32_t weight;
    bool cut;            /* its last turn was ended by one that woke */
    uint64_t slice;      /* ticks */
    uint64_t credit;     /* a slice in virtual time */
    uint64_t rate;       /* virtual time per tick, as a fraction of 2^32 */
    uint64_t vruntime;   /* running or waiting */
    int64_t lead;        /* asleep: its vruntime less the clock, both as it fell asleep */
    fair_clock slept_at; /* asleep: the clock then */
    uint64_t since;      /* when its state began */
    uint64_t here_since; /* when it came to this queue */
    uint64_t ran;        /* ticks in all, up to the last call that concerned it */
    uint64_t waited;     /* ticks in all between being able to run and running */
};

/* The key stands beside the pointer, so that a search touches nothing but this array. */
struct fair_slot {
    uint64_t due;
    struct fair_entity *entity;
};

/* One per CPU that schedules. count, load and running may be read. */
struct fair_queue {
    fair_clock clock;
    int64_t gap;                 /* how far the hindmost is ahead of the clock */
    struct fair_entity *running; /* NULL: idle */
    bool urgent;                 /* running was due before the clock ... */
    uint64_t urgency;            /* ... and so much before its virtual runtime */
    uint64_t surplus;            /* sum of weight times lead over the clock, waiting and running */
    uint64_t now;                /* latest time it was told; up to then running has been charged */
    uint64_t load;               /* sum of the weights, waiting and running */
    unsigned count;              /* of entities that wait */
    struct fair_slot heap[FAIR_MAX];
};

_Static_assert(sizeof(struct fair_queue) <= PAGE_SIZE - 128, "a queue and its lock fit in a page");

void fair_queue_init(struct fair_queue *q);

/* An entity that sleeps and belongs nowhere. weight and slice are forced into their ranges. */
void fair_entity_init(struct fair_entity *e, unsigned weight, uint64_t slice_ticks);

/*
 * A sleeping entity can run: for the first time, woken, or from another queue, whose fair_remove() or
 * fair_steal() gave it away. One that sleeps in another queue must be removed there first. true: the queue's
 * CPU must look at fair_slice() again, as it is idle, has nobody to wait for yet, or should change over at
 * once; kick it.
 */
bool fair_add(struct fair_queue *q, struct fair_entity *e, uint64_t now);

/*
 * How many ticks the running entity may run on if nothing happens; FAIR_NO_LIMIT when nobody waits. 0:
 * somebody should run in its place now, and fair_next(FAIR_PREEMPTED) will choose another one. Never 0 right
 * after fair_next().
 */
uint64_t fair_slice(struct fair_queue *q, uint64_t now);

/* The same right behind fair_next(), at its time. */
uint64_t fair_turn(const struct fair_queue *q);

/*
 * The running entity, if any, stops for this reason, and the one that is returned runs now; NULL: idle. It is
 * the same one when FAIR_PREEMPTED comes before fair_slice() is 0, or when nobody waits for one that yields.
 * An entity that does not run any more is at once anybody's to steal or wake: put its state away first, or
 * make them wait.
 */
struct fair_entity *fair_next(struct fair_queue *q, enum fair_stop why, uint64_t now);

/*
 * Directed yield: a waiting entity runs before all others that wait, unless it is more than two slices ahead
 * of its share. It pays for what it runs as always. true: kick the queue's CPU. false too when it does not
 * wait here.
 */
bool fair_favour(struct fair_queue *q, struct fair_entity *e, uint64_t now);

/* Takes out an entity that waits or sleeps in this queue. It keeps its lead or lag for the next queue. */
void fair_remove(struct fair_queue *q, struct fair_entity *e, uint64_t now);

/* Takes out the one that should run soonest among those that are allowed to go; NULL: none. It is asleep
 * then. */
struct fair_entity *fair_steal(struct fair_queue *from, bool (*allowed)(struct fair_entity *e, void *context),
                               void *context, uint64_t now);
