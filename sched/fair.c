/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Weighted fair sharing by virtual time: a binary heap of the entities that wait, by when they are due. That
 * is their virtual runtime, but for entities that wake, yield or are favoured.
 *
 * Two marks on the line of virtual time: the clock, which only entities that have slept are behind, and the
 * mean of all that run or wait, weighted, which is where each of them would be if time could be shared
 * without slices. An entity that wakes behind the mean has had less than its share: it is urgent, that is due
 * before the clock, and gives way to nobody but others like it.
 *
 * Virtual times are compared by the sign of their difference in 64 bits, so that they may wrap. That is sound
 * as long as all that take part lie within 2^63 of each other: nobody gets more than OWED_MAX ahead of the
 * clock, one that waits is behind it by two slices at most, and one that sleeps is kept as a distance from
 * the clock, which itself has 128 bits.
 */
#include "sched/fair.h"

#include "core/base/panic.h"

#define UNIT_SHIFT 19
#define RATE_SHIFT 32
#define OWED_SHIFT 36
#define OWED_MAX   (UINT64_C(1) << OWED_SHIFT) /* ticks ran too early; beyond that is forgiven */

/* Nobody begins a turn more than a slice ahead of the clock. */
_Static_assert(OWED_MAX << UNIT_SHIFT <= INT64_MAX / (FAIR_MAX + 1), "the sum does not overflow");
_Static_assert(OWED_MAX >= 2 * FAIR_MAX_SLICE, "one that stops in time is forgiven nothing");

/*
 * One that is urgent is left alone by others that are for so long. One that has been displaced is spared in
 * its next turn: a change costs time that is nobody's, and short naps would take most of it.
 */
#define PROTECTED(slice) ((slice) / 8)
#define SPARED(slice)    ((slice) / 16)

static bool before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return before(a, b) ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return before(a, b) ? b : a;
}

static uint64_t clock_of(const struct fair_queue *q)
{
    return (uint64_t)q->clock;
}

static uint64_t virtual_time(const struct fair_entity *e, uint64_t ticks)
{
    return (uint64_t)((fair_clock)MIN(ticks, OWED_MAX) * e->rate >> RATE_SHIFT);
}

/* Ticks until an entity that runs is at a virtual time, not too early. */
static uint64_t ticks_until(const struct fair_entity *e, uint64_t vruntime)
{
    if (!before(e->vruntime, vruntime))
        return 0;
    return (uint64_t)((fair_clock)(vruntime - e->vruntime) * e->weight >> UNIT_SHIFT) + 1;
}

/* --- the heap --- */

static void sift_up(struct fair_queue *q, size_t at, struct fair_slot slot)
{
    for (size_t parent; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (!before(slot.due, q->heap[parent].due))
            break;
        q->heap[at] = q->heap[parent];
    }
    q->heap[at] = slot;
}

static void push(struct fair_queue *q, struct fair_entity *e, uint64_t due)
{
    ASSERT(q->count < FAIR_MAX);
    sift_up(q, q->count++, (struct fair_slot){due, e});
}

/*
 * Fills the hole that a slot left among the first so many. It sinks to the bottom, where the slot that fills
 * it, the last one or of one that has just run, belongs: one comparison a level instead of two.
 */
static inline void fill(struct fair_queue *q, size_t at, size_t last, struct fair_slot slot)
{
    struct fair_slot *heap = q->heap;
    size_t next;

    while ((next = 2 * at + 2) < last) {
        next -= !before(heap[next].due, heap[next - 1].due);
        heap[at] = heap[next];
        at = next;
    }
    if (next == last) { /* one below it */
        heap[at] = heap[next - 1];
        at = next - 1;
    }
    sift_up(q, at, slot);
}

static NOINLINE struct fair_entity *take(struct fair_queue *q, unsigned at)
{
    struct fair_entity *taken = q->heap[at].entity;
    unsigned last = --q->count;

    fill(q, at, last, q->heap[last]);
    return taken;
}

static unsigned find(const struct fair_queue *q, const struct fair_entity *e)
{
    unsigned at = 0;

    while (at < q->count && q->heap[at].entity != e)
        at++;
    ASSERT(at < q->count);
    return at;
}

/* --- clock and mean: surplus is the sum of weight times lead, modulo 2^64, of all that run or wait --- */

static int64_t lead(const struct fair_queue *q, uint64_t vruntime)
{
    return (int64_t)(vruntime - clock_of(q));
}

static void set_clock(struct fair_queue *q, uint64_t to)
{
    uint64_t by = to - clock_of(q);

    q->clock += by;
    q->surplus -= q->load * by;
}

static void clock_at_least(struct fair_queue *q, uint64_t to)
{
    if (before(clock_of(q), to))
        set_clock(q, to);
}

static void set_vruntime(struct fair_queue *q, struct fair_entity *e, uint64_t to)
{
    q->surplus += e->weight * (to - e->vruntime);
    e->vruntime = to;
}

static void join(struct fair_queue *q, struct fair_entity *e)
{
    q->load += e->weight;
    q->surplus += e->weight * (e->vruntime - clock_of(q));
}

static void leave(struct fair_queue *q, struct fair_entity *e)
{
    q->load -= e->weight;
    q->surplus -= e->weight * (e->vruntime - clock_of(q));
}

static uint64_t mean(const struct fair_queue *q)
{
    return q->load ? clock_of(q) + (uint64_t)((int64_t)q->surplus / (int64_t)q->load) : clock_of(q);
}

/* The hindmost of the entities that run or wait, as far ahead of the clock as it is; INT64_MAX: there is
 * none. */
static int64_t hindmost_lead(const struct fair_queue *q)
{
    int64_t hindmost = q->running ? lead(q, q->running->vruntime) : INT64_MAX;

    return q->count ? MIN(hindmost, lead(q, q->heap[0].due)) : hindmost;
}

/* The clock goes where the hindmost goes, by the gap behind it. Not back for one that is urgent. */
static inline void follow_to(struct fair_queue *q, int64_t hindmost)
{
    if (hindmost > q->gap)
        set_clock(q, clock_of(q) + (uint64_t)(hindmost - q->gap));
    else
        q->gap = MAX(hindmost, 0);
}

static void follow(struct fair_queue *q)
{
    follow_to(q, hindmost_lead(q));
}

/*
 * An entity left the front. The clock does not jump to the next one: what that one owes, as it ran before its
 * time, it would owe no longer, and the one that left may be back at once.
 */
static void keep_clock(struct fair_queue *q)
{
    q->gap = INT64_MAX;
    follow(q);
}

static int64_t most_owed(const struct fair_entity *e)
{
    return (int64_t)(e->rate << (OWED_SHIFT - RATE_SHIFT));
}

/* At most a slice behind the clock: that is all that can be saved up. */
static int64_t bounded_lead(const struct fair_entity *e, int64_t ahead)
{
    return MAX(-(int64_t)e->credit, MIN(ahead, most_owed(e)));
}

/* An entity that runs, or would run, is now there. */
static void advance_to(struct fair_queue *q, struct fair_entity *e, uint64_t vruntime)
{
    set_vruntime(q, e, clock_of(q) + (uint64_t)bounded_lead(e, lead(q, vruntime)));
}

/* Charges the running entity for its time up to now. It is not behind the clock by more than its credit. */
static inline void charge(struct fair_queue *q, uint64_t now)
{
    uint64_t ticks = now - q->now;
    struct fair_entity *e = q->running;
    int64_t ahead;

    if (now <= q->now)
        return;
    q->now = now;
    if (!e)
        return;
    e->ran += ticks;
    ahead = MIN(lead(q, e->vruntime + virtual_time(e, ticks)), most_owed(e));
    set_vruntime(q, e, clock_of(q) + (uint64_t)ahead);
    follow_to(q, q->count ? MIN(ahead, lead(q, q->heap[0].due)) : ahead);
}

/* How far a sleeping entity is ahead by now: the clock went on, here, without it. */
static int64_t lead_now(const struct fair_queue *q, const struct fair_entity *e)
{
    fair_clock passed = e->queue ? q->clock - e->slept_at : 0;

    return bounded_lead(e, passed < (fair_clock)1 << 62 ? e->lead - (int64_t)passed : INT64_MIN);
}

/* --- states --- */

static void await_turn(struct fair_queue *q, struct fair_entity *e, uint64_t due)
{
    e->state = FAIR_WAITING;
    e->since = q->now;
    push(q, e, due);
}

static void fall_asleep(struct fair_queue *q, struct fair_entity *e)
{
    e->state = FAIR_ASLEEP;
    e->lead = lead(q, e->vruntime);
    e->slept_at = q->clock;
    leave(q, e);
}

/*
 * No entity runs that is more than a slice ahead of the clock, or it would have to wait for ever longer.
 * Where one that yielded comes next, all others have been served up to there; it catches up at most a slice.
 */
static inline void run(struct fair_queue *q, struct fair_entity *e, uint64_t due)
{
    bool yielded = before(e->vruntime, due);

    e->waited += q->now - e->since;
    e->state = FAIR_RUNNING;
    e->since = q->now;
    q->running = e;
    if (likely(due == e->vruntime && !before(due, clock_of(q)))) {
        q->urgent = false;
        q->urgency = 0;
        clock_at_least(q, due - e->credit);
        return;
    }
    q->urgent = before(due, clock_of(q));
    q->urgency = q->urgent && !yielded ? e->vruntime - due : 0;
    clock_at_least(q, yielded ? due : due - e->credit);
    advance_to(q, e, e->vruntime);
}

static NOINLINE void run_first(struct fair_queue *q)
{
    uint64_t due = q->heap[0].due;

    run(q, take(q, 0), due);
}

/*
 * The first one runs in the place of another one, which waits in its place. One that was urgent is so until
 * it has used that up, or its slice; it is not due before the first, or its slice would not be over.
 */
static inline void preempt(struct fair_queue *q, struct fair_entity *e)
{
    struct fair_slot first = q->heap[0];
    uint64_t due = e->vruntime - q->urgency;
    bool urgent = before(due, clock_of(q)) && q->now - e->since < e->slice;

    e->cut = q->now - e->since < e->slice;
    e->state = FAIR_WAITING;
    e->since = q->now;
    fill(q, 0, q->count, (struct fair_slot){urgent ? due : e->vruntime, e});
    run(q, first.entity, first.due);
}

/* Any other entity first, and then those that would be if it had run its whole slice. */
static NOINLINE void give_way(struct fair_queue *q, struct fair_entity *e)
{
    uint64_t ran = virtual_time(e, MIN(q->now - e->since, e->slice));

    advance_to(q, e, e->vruntime);
    await_turn(q, e, later(e->vruntime - ran, clock_of(q)) + e->credit);
}

void fair_queue_init(struct fair_queue *q)
{
    *q = (struct fair_queue){.gap = INT64_MAX};
}

void fair_entity_init(struct fair_entity *e, unsigned weight, uint64_t slice_ticks)
{
    *e = (struct fair_entity){
        .weight = MAX(FAIR_MIN_WEIGHT, MIN(weight, FAIR_MAX_WEIGHT)),
        .slice = MAX(1, MIN(slice_ticks, FAIR_MAX_SLICE)),
    };
    e->rate = (UINT64_C(1) << (UNIT_SHIFT + RATE_SHIFT)) / e->weight;
    e->credit = virtual_time(e, e->slice);
}

/*
 * While its turn lasts the running one gives way to urgent entities only. After that it goes on until it
 * is no longer the hindmost.
 */
static inline uint64_t slice_left(const struct fair_queue *q)
{
    const struct fair_entity *e = q->running;
    uint64_t due, ran, turn, limit;

    if (!e || !q->count)
        return q->count ? 0 : FAIR_NO_LIMIT;
    due = q->heap[0].due;
    ran = q->now - e->since;
    turn = MAX(e->slice - MIN(ran, e->slice), ticks_until(e, due));
    if (!before(due, clock_of(q)))
        return turn;
    limit = ticks_until(e, due + q->urgency + 1);
    if (q->urgent)
        limit = MAX(limit, PROTECTED(e->slice) - MIN(ran, PROTECTED(e->slice)));
    else if (e->cut)
        limit = MAX(limit, SPARED(e->slice) - MIN(ran, SPARED(e->slice)));
    return MIN(turn, limit);
}

NOINLINE uint64_t fair_slice(struct fair_queue *q, uint64_t now)
{
    charge(q, now);
    return slice_left(q);
}

INLINED uint64_t fair_turn(const struct fair_queue *q)
{
    return slice_left(q);
}

/* slice_left() of one that runs is 0, whatever else is urgent. */
static inline bool turn_is_over(const struct fair_queue *q, const struct fair_entity *e)
{
    return q->count && q->now - e->since >= e->slice && !before(e->vruntime, q->heap[0].due);
}

/* Behind the mean is urgent: as far before the clock as it is behind the mean. */
static uint64_t due_on_waking(const struct fair_queue *q, const struct fair_entity *e)
{
    uint64_t share = mean(q);

    if (!before(e->vruntime, share))
        return e->vruntime;
    return earlier(e->vruntime, clock_of(q) - (share - e->vruntime));
}

bool fair_add(struct fair_queue *q, struct fair_entity *e, uint64_t now)
{
    uint64_t slice = fair_slice(q, now), due;

    ASSERT(e->state == FAIR_ASLEEP && (!e->queue || e->queue == q));
    e->vruntime = clock_of(q) + (uint64_t)lead_now(q, e);
    if (e->queue != q)
        e->here_since = q->now;
    e->queue = q;
    due = due_on_waking(q, e);
    join(q, e);
    await_turn(q, e, due);
    follow(q);
    return !q->running || fair_slice(q, now) < slice;
}

INLINED struct fair_entity *fair_next(struct fair_queue *q, enum fair_stop why, uint64_t now)
{
    struct fair_entity *old = q->running;

    charge(q, now);
    if (old && why == FAIR_PREEMPTED) {
        if (!turn_is_over(q, old) && slice_left(q) > 0)
            return old;
        preempt(q, old);
        q->gap = MAX(MIN(lead(q, q->running->vruntime), lead(q, q->heap[0].due)), 0); /* keep_clock() */
        return q->running;
    }
    if (old && why == FAIR_YIELDED && !q->count)
        return old;
    q->running = NULL;
    if (old && why == FAIR_BLOCKED)
        fall_asleep(q, old);
    if (q->count)
        run_first(q);
    if (old && why == FAIR_YIELDED)
        give_way(q, old);
    keep_clock(q);
    return q->running;
}

bool fair_favour(struct fair_queue *q, struct fair_entity *e, uint64_t now)
{
    uint64_t slice = fair_slice(q, now);

    if (e->queue != q || e->state != FAIR_WAITING || before(clock_of(q) + 2 * e->credit, e->vruntime))
        return false;
    take(q, find(q, e));
    push(q, e, (q->count ? earlier(q->heap[0].due, clock_of(q)) : clock_of(q)) - 1);
    return !q->running || fair_slice(q, now) < slice;
}

/* Out of the heap and of the queue. */
static COLD struct fair_entity *detach(struct fair_queue *q, unsigned at)
{
    struct fair_entity *e = take(q, at);

    e->waited += q->now - e->since;
    fall_asleep(q, e);
    e->queue = NULL;
    keep_clock(q);
    return e;
}

COLD void fair_remove(struct fair_queue *q, struct fair_entity *e, uint64_t now)
{
    charge(q, now);
    ASSERT(e->queue == q && e->state != FAIR_RUNNING);
    if (e->state == FAIR_WAITING) {
        detach(q, find(q, e));
        return;
    }
    e->lead = lead_now(q, e);
    e->queue = NULL;
}

struct fair_entity *fair_steal(struct fair_queue *from, bool (*allowed)(struct fair_entity *e, void *context),
                               void *context, uint64_t now)
{
    unsigned best = FAIR_MAX;

    charge(from, now);
    for (unsigned at = 0; at < from->count; at++) {
        if (best != FAIR_MAX && !before(from->heap[at].due, from->heap[best].due))
            continue;
        if (allowed(from->heap[at].entity, context))
            best = at;
    }
    return best == FAIR_MAX ? NULL : detach(from, best);
}
