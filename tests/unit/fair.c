/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduling policy call by call: the heap, virtual time, sleepers and their credit, yields, moves
 * between queues. How it does over time is tests/unit/sched_sim.c's.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_panic.h"

#include "sched/fair.c"

#define SLICE    1000
#define ENTITIES 64

static struct fair_queue queue, other;
static struct fair_entity entity[FAIR_MAX + 2];
static uint64_t now;

static uint32_t random_below(uint32_t below)
{
    static uint32_t state = 1;

    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

static int set_up(void **state)
{
    (void)state;
    now = 1000000;
    fair_queue_init(&queue);
    fair_queue_init(&other);
    for (unsigned i = 0; i < ARRAY_SIZE(entity); i++)
        fair_entity_init(&entity[i], FAIR_DEFAULT_WEIGHT, SLICE);
    return 0;
}

/* --- what always holds --- */

static uint64_t heap_surplus(const struct fair_queue *q)
{
    uint64_t surplus = 0;

    for (unsigned i = 0; i < q->count; i++)
        surplus += q->heap[i].entity->weight * (q->heap[i].entity->vruntime - clock_of(q));
    return surplus;
}

static void check(const struct fair_queue *q)
{
    uint64_t load = q->running ? q->running->weight : 0, surplus = heap_surplus(q);

    if (q->running) {
        assert_int_equal(q->running->state, FAIR_RUNNING);
        surplus += q->running->weight * (q->running->vruntime - clock_of(q));
    }
    for (unsigned i = 0; i < q->count; i++) {
        struct fair_entity *e = q->heap[i].entity;

        assert_false(i && before(q->heap[i].due, q->heap[(i - 1) / 2].due));
        assert_ptr_equal(e->queue, q);
        assert_int_equal(e->state, FAIR_WAITING);
        assert_true(lead(q, e->vruntime) >= -2 * (int64_t)e->credit);
        assert_true(lead(q, e->vruntime) <= 2 * (int64_t)e->credit + (int64_t)virtual_time(e, 2 * SLICE));
        load += e->weight;
    }
    assert_true(load == q->load);
    assert_true(surplus == q->surplus);
    assert_true(q->gap >= 0);
}

static void run_for(struct fair_queue *q, uint64_t ticks)
{
    now += ticks;
    fair_slice(q, now);
    check(q);
}

static struct fair_entity *next(struct fair_queue *q, enum fair_stop why)
{
    struct fair_entity *e = fair_next(q, why, now);

    check(q);
    assert_ptr_equal(e, q->running);
    assert_true(!e || fair_slice(q, now) > 0);
    return e;
}

static bool add(struct fair_queue *q, unsigned i)
{
    bool kick = fair_add(q, &entity[i], now);

    check(q);
    return kick;
}

/* Those who start together, in any order. */
static void add_hogs(struct fair_queue *q, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        add(q, from + i);
    next(q, FAIR_PREEMPTED);
}

/* Turn after turn, for so many of them, as long as fair_slice() allows. */
static void turns(struct fair_queue *q, unsigned count)
{
    while (count--) {
        struct fair_entity *e = q->running;

        run_for(q, fair_slice(q, now));
        assert_int_equal(fair_slice(q, now), 0);
        assert_ptr_not_equal(next(q, FAIR_PREEMPTED), e);
    }
}

/* --- heap --- */

static void heap_sorts(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        unsigned count = 1 + random_below(FAIR_MAX);
        uint64_t last = 0;

        for (unsigned i = 0; i < count; i++)
            push(&queue, &entity[i], random_below(1 + round));
        while (queue.count > count / 2)
            take(&queue, random_below(queue.count));
        for (unsigned i = 1; i < queue.count; i++)
            assert_false(before(queue.heap[i].due, queue.heap[(i - 1) / 2].due));
        while (queue.count) {
            uint64_t due = queue.heap[0].due;

            assert_true(due >= last);
            last = due;
            take(&queue, 0);
        }
    }
}

static bool allow_some(struct fair_entity *e, void *context)
{
    return (e - entity) % 3 != *(int *)context;
}

static void random_call(unsigned i)
{
    struct fair_entity *e = &entity[i];
    struct fair_queue *q = random_below(2) ? &queue : &other;
    int not = (int)random_below(3);

    switch (random_below(8)) {
    case 0:
    case 1:
        if (e->state == FAIR_ASLEEP && e->queue && e->queue != q)
            fair_remove(e->queue, e, now);
        if (e->state == FAIR_ASLEEP)
            fair_add(q, e, now);
        return;
    case 2: fair_favour(q, e, now); return;
    case 3:
        if (e->queue && e->state != FAIR_RUNNING)
            fair_remove(e->queue, e, now);
        return;
    case 4:
        e = fair_steal(q, allow_some, &not, now);
        if (e)
            fair_add(q == &queue ? &other : &queue, e, now);
        return;
    default: next(q, random_below(3));
    }
}

static void holds_after_anything(void **state)
{
    (void)state;
    queue.clock = UINT64_MAX - 1000000;
    for (unsigned i = 0; i < ENTITIES; i++)
        fair_entity_init(&entity[i], 1 + random_below(random_below(2) ? 10000 : 100),
                         1 + random_below(SLICE));
    for (unsigned step = 0; step < 200000; step++) {
        fair_clock before_it = queue.clock;

        random_call(random_below(ENTITIES));
        assert_true(queue.clock >= before_it);
        now += random_below(SLICE / 4);
        for (unsigned i = 0; i < 2; i++) {
            struct fair_queue *q = i ? &queue : &other;

            if (fair_slice(q, now) == 0)
                next(q, FAIR_PREEMPTED);
            check(q);
        }
    }
}

/* --- virtual time --- */

static void ranges(void **state)
{
    struct fair_entity e;

    (void)state;
    fair_entity_init(&e, 0, 0);
    assert_int_equal(e.weight, FAIR_MIN_WEIGHT);
    assert_int_equal(e.slice, 1);
    fair_entity_init(&e, UINT32_MAX, UINT64_MAX);
    assert_int_equal(e.weight, FAIR_MAX_WEIGHT);
    assert_true(e.slice == FAIR_MAX_SLICE);
}

/* As exact as a part in 2000 for a hundred ticks of the heaviest, and never early by the way back. */
static void virtual_time_and_back(void **state)
{
    struct fair_entity e;

    (void)state;
    for (unsigned weight = 1; weight <= FAIR_MAX_WEIGHT; weight++) {
        fair_entity_init(&e, weight, SLICE);
        for (uint64_t ticks = 100; ticks < FAIR_MAX_SLICE; ticks *= 7) {
            uint64_t v = virtual_time(&e, ticks), back = ticks_until(&e, v);

            assert_true(v <= (ticks << UNIT_SHIFT) / weight);
            assert_true(v >= (ticks << UNIT_SHIFT) / weight * 1999 / 2000);
            assert_true(virtual_time(&e, back) >= v);
            assert_true(back <= ticks + 1);
        }
    }
}

static void shares_by_weight(void **state)
{
    static const unsigned weights[] = {1, 10, 100, 400, 10000};
    uint64_t began = now;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        fair_entity_init(&entity[i], weights[i], SLICE);
    add_hogs(&queue, 0, 5);
    turns(&queue, 200000);
    for (unsigned i = 0; i < 5; i++) {
        int64_t fair = (int64_t)((now - began) * weights[i] / 10511);

        assert_in_range(entity[i].ran - fair + 5 * SLICE, 0, 10 * SLICE);
        if (&entity[i] != queue.running)
            assert_in_range(entity[i].ran + entity[i].waited + 10000 * SLICE, now - began,
                            now - began + 10000 * SLICE);
    }
}

/* The same turns wherever the clock begins. */
static void wrap(void **state)
{
    static const fair_clock clocks[] = {0, UINT64_MAX, (fair_clock)INT64_MAX,
                                        ((fair_clock)5 << 64) - SLICE * 1000};
    unsigned order[500];

    (void)state;
    for (unsigned c = 0; c < ARRAY_SIZE(clocks); c++) {
        set_up(NULL);
        queue.clock = clocks[c];
        for (unsigned i = 0; i < 7; i++)
            fair_entity_init(&entity[i], 1 + 13 * i * i, SLICE);
        add_hogs(&queue, 0, 7);
        for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
            turns(&queue, 1);
            if (c)
                assert_int_equal(order[i], queue.running - entity);
            order[i] = (unsigned)(queue.running - entity);
        }
    }
}

/* Nobody waits longer than for two slices of each of the others, those with the same due time included. */
static void nobody_starves(void **state)
{
    (void)state;
    add_hogs(&queue, 0, ENTITIES);
    for (unsigned turn = 0; turn < 50 * ENTITIES; turn++) {
        turns(&queue, 1);
        for (unsigned i = 0; i < ENTITIES; i++)
            if (entity[i].state == FAIR_WAITING)
                assert_in_range(now - entity[i].since, 0, 2 * (ENTITIES - 1) * SLICE);
    }
}

/* A CPU that was away for hours: what one ran beyond OWED_MAX is forgiven, and nobody else is thrown. */
static void hours_in_one_turn(void **state)
{
    struct fair_entity *e;

    (void)state;
    fair_entity_init(&entity[0], 1, SLICE);
    add_hogs(&queue, 0, 2);
    e = queue.running;
    now += UINT64_C(1) << 50;
    assert_int_equal(fair_slice(&queue, now), 0);
    assert_true(e->ran == UINT64_C(1) << 50);
    assert_true(lead(&queue, e->vruntime) == (int64_t)virtual_time(e, OWED_MAX));
    assert_ptr_not_equal(fair_next(&queue, FAIR_PREEMPTED, now), e);
    assert_true(fair_slice(&queue, now) > SLICE);
}

/* Clocks of CPUs may differ a little. */
static void time_does_not_run_back(void **state)
{
    (void)state;
    add_hogs(&queue, 0, 2);
    now += 500;
    assert_int_equal(fair_slice(&queue, now), 500);
    assert_int_equal(fair_slice(&queue, now - 400), 500);
    assert_int_equal(fair_slice(&queue, now - 1000000), 500);
    assert_int_equal(fair_slice(&queue, now + 100), 400);
}

/* --- when to look --- */

static void kicks(void **state)
{
    (void)state;
    assert_true(fair_slice(&queue, now) == FAIR_NO_LIMIT);
    assert_true(add(&queue, 0)); /* idle */
    assert_int_equal(fair_slice(&queue, now), 0);
    next(&queue, FAIR_PREEMPTED);
    assert_true(fair_slice(&queue, now) == FAIR_NO_LIMIT);
    run_for(&queue, 300);
    assert_true(add(&queue, 1)); /* no timer was needed until now */
    assert_int_equal(fair_slice(&queue, now), 700);
    assert_false(add(&queue, 2)); /* comes behind the other one */
    assert_int_equal(fair_slice(&queue, now), 700);
    run_for(&queue, 700);
    assert_int_equal(fair_slice(&queue, now), 0);
    assert_false(add(&queue, 3)); /* knows already */
}

static void turn_of_a_heavy_one(void **state)
{
    (void)state;
    fair_entity_init(&entity[0], 1000, SLICE);
    add(&queue, 0);
    add(&queue, 1);
    next(&queue, FAIR_PREEMPTED);
    if (queue.running == &entity[0])
        turns(&queue, 1);
    turns(&queue, 1);
    assert_ptr_equal(queue.running, &entity[0]);
    assert_in_range(fair_slice(&queue, now), 9 * SLICE - 10, 10 * SLICE + 10);
    run_for(&queue, 3 * SLICE);
    assert_ptr_equal(next(&queue, FAIR_PREEMPTED), &entity[0]);
}

/* --- sleepers --- */

static void sleep_now(struct fair_queue *q, struct fair_entity *e)
{
    while (q->running != e)
        turns(q, 1);
    next(q, FAIR_BLOCKED);
    assert_int_equal(e->state, FAIR_ASLEEP);
}

static void credit_is_bounded(void **state)
{
    (void)state;
    add_hogs(&queue, 0, 3);
    sleep_now(&queue, &entity[0]);
    turns(&queue, 1000);
    run_for(&queue, 500);
    assert_true(add(&queue, 0));
    assert_true(lead(&queue, entity[0].vruntime) == -(int64_t)entity[0].credit);
    assert_int_equal(fair_slice(&queue, now), 0);
    assert_ptr_equal(next(&queue, FAIR_PREEMPTED), &entity[0]);
    /* Its credit is a slice, and its turn is one. */
    run_for(&queue, fair_slice(&queue, now));
    assert_in_range(lead(&queue, entity[0].vruntime) + 1000, 0, 1000 + (SLICE << UNIT_SHIFT) / 100);
    assert_ptr_not_equal(next(&queue, FAIR_PREEMPTED), &entity[0]);
}

static void short_sleep_earns_nothing(void **state)
{
    uint64_t vruntime;

    (void)state;
    add_hogs(&queue, 0, 2);
    sleep_now(&queue, &entity[0]);
    turns(&queue, 0);
    add(&queue, 0);
    sleep_now(&queue, &entity[0]);
    vruntime = entity[0].vruntime;
    assert_false(before(vruntime, clock_of(&queue)));
    add(&queue, 0);
    assert_true(entity[0].vruntime == vruntime);
}

/* The clock passes 2^64 while one sleeps: it has its credit, not a debt of 2^64. */
static void sleeps_for_ages(void **state)
{
    (void)state;
    for (unsigned bits = 40; bits < 120; bits++) {
        set_up(NULL);
        add_hogs(&queue, 0, 2);
        sleep_now(&queue, &entity[0]);
        entity[0].slept_at = queue.clock;
        queue.clock += (fair_clock)1 << bits;
        entity[1].vruntime += (uint64_t)((fair_clock)1 << bits);
        add(&queue, 0);
        assert_true(lead(&queue, entity[0].vruntime) == -(int64_t)entity[0].credit);
    }
}

/* Two that wake together: each has an eighth of a slice before the other may displace it. */
static void urgent_ones_take_turns(void **state)
{
    struct fair_entity *first;

    (void)state;
    add_hogs(&queue, 0, 3);
    sleep_now(&queue, &entity[0]);
    sleep_now(&queue, &entity[1]);
    run_for(&queue, 100 * SLICE);
    assert_true(add(&queue, 0));
    first = next(&queue, FAIR_PREEMPTED);
    assert_ptr_equal(first, &entity[0]);
    run_for(&queue, 10);
    add(&queue, 1);
    assert_int_equal(fair_slice(&queue, now), SLICE / 8 - 10);
    run_for(&queue, SLICE / 8 - 10);
    assert_ptr_equal(next(&queue, FAIR_PREEMPTED), &entity[1]);
    /* The displaced one still comes before the one that never slept. */
    assert_ptr_equal(next(&queue, FAIR_BLOCKED), &entity[0]);
    assert_ptr_equal(next(&queue, FAIR_BLOCKED), &entity[2]);
}

static void sleep_on_idle_cpu(void **state)
{
    (void)state;
    add_hogs(&queue, 0, 1);
    run_for(&queue, 300);
    assert_null(next(&queue, FAIR_BLOCKED));
    now += 100000;
    assert_null(next(&queue, FAIR_BLOCKED));
    assert_true(add(&queue, 0));
    assert_ptr_equal(next(&queue, FAIR_BLOCKED), &entity[0]);
    assert_int_equal(entity[0].ran, 300);
    assert_int_equal(entity[0].waited, 0);
}

/* --- yields --- */

static void yield_goes_behind(void **state)
{
    struct fair_entity *e;

    (void)state;
    add_hogs(&queue, 0, 5);
    turns(&queue, 12);
    e = queue.running;
    run_for(&queue, 10);
    assert_ptr_not_equal(next(&queue, FAIR_YIELDED), e);
    while (queue.running != e)
        turns(&queue, 1);
    /* The two who are left of this round, and none of the next but for those who are due as it is. */
    assert_in_range(now - 1000000, 12010 + 2 * SLICE, 12010 + 5 * SLICE);
}

static void yield_alone(void **state)
{
    (void)state;
    add_hogs(&queue, 0, 1);
    assert_ptr_equal(next(&queue, FAIR_YIELDED), &entity[0]);
    assert_ptr_equal(next(&queue, FAIR_YIELDED), &entity[0]);
}

/* Even one that is far ahead goes first; and what a spinner left to others is not theirs to pay back. */
static void yield_to_a_light_one(void **state)
{
    (void)state;
    fair_entity_init(&entity[0], 10000, SLICE);
    fair_entity_init(&entity[1], 1, SLICE);
    add_hogs(&queue, 0, 2);
    while (queue.running != &entity[0])
        turns(&queue, 1);
    for (unsigned i = 0; i < 100; i++) {
        run_for(&queue, 10);
        assert_ptr_equal(next(&queue, FAIR_YIELDED), &entity[1]);
        turns(&queue, 1);
        assert_ptr_equal(queue.running, &entity[0]);
        assert_true(lead(&queue, entity[1].vruntime) <= 2 * (int64_t)entity[1].credit + 100000);
    }
}

static void favoured_runs_next(void **state)
{
    struct fair_entity *named;

    (void)state;
    add_hogs(&queue, 0, 8);
    named = queue.running;
    turns(&queue, 1);
    assert_false(fair_favour(&other, named, now));
    assert_false(fair_favour(&queue, queue.running, now));
    assert_true(fair_favour(&queue, named, now));
    check(&queue);
    assert_int_equal(fair_slice(&queue, now), 0);
    assert_ptr_equal(next(&queue, FAIR_YIELDED), named);
    assert_int_equal(fair_slice(&queue, now), SLICE);
}

/* However often it is named it gets two slices more than its share, once. */
static void favour_is_no_theft(void **state)
{
    uint64_t began = now;

    (void)state;
    add_hogs(&queue, 0, 4);
    for (unsigned i = 0; i < 4000; i++) {
        fair_favour(&queue, &entity[0], now);
        if (fair_slice(&queue, now) == 0)
            next(&queue, FAIR_PREEMPTED);
        run_for(&queue, MIN(fair_slice(&queue, now), SLICE / 3));
    }
    assert_in_range(entity[0].ran, (now - began) / 4, (now - began) / 4 + 3 * SLICE);
}

/* --- from queue to queue --- */

static void lead_moves_along(void **state)
{
    int64_t ahead;

    (void)state;
    other.clock = (fair_clock)77 << 60;
    add_hogs(&queue, 0, 4);
    add_hogs(&other, 10, 4);
    turns(&queue, 2);
    for (unsigned i = 0; i < 4; i++) {
        if (entity[i].state == FAIR_RUNNING)
            continue;
        ahead = lead(&queue, entity[i].vruntime);
        fair_remove(&queue, &entity[i], now);
        check(&queue);
        assert_null(entity[i].queue);
        add(&other, i);
        assert_true(lead(&other, entity[i].vruntime) == ahead);
    }
}

/* A sleeper that moves has earned its credit where it slept. */
static void sleeper_moves(void **state)
{
    (void)state;
    other.clock = (fair_clock)77 << 60;
    add_hogs(&queue, 0, 2);
    sleep_now(&queue, &entity[0]);
    run_for(&queue, 100 * SLICE);
    fair_remove(&queue, &entity[0], now);
    add_hogs(&other, 10, 2);
    turns(&other, 100);
    add(&other, 0);
    assert_true(lead(&other, entity[0].vruntime) == -(int64_t)entity[0].credit);
}

static bool allow_listed(struct fair_entity *e, void *context)
{
    return *(uint64_t *)context >> (e - entity) & 1;
}

static void steals_the_first_allowed(void **state)
{
    uint64_t allowed = 0;
    struct fair_entity *running;

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        fair_entity_init(&entity[i], 100 + 7 * i, SLICE);
    add_hogs(&queue, 0, 32);
    turns(&queue, 100);
    running = queue.running;
    assert_null(fair_steal(&queue, allow_listed, &allowed, now));
    for (unsigned round = 0; round < 500; round++) {
        const struct fair_slot *first = NULL;
        struct fair_entity *stolen, *expected;

        allowed = (uint64_t)random_below(1 << 16) << 16 | random_below(1 << 16);
        for (unsigned i = 0; i < queue.count; i++)
            if (allow_listed(queue.heap[i].entity, &allowed) &&
                (!first || before(queue.heap[i].due, first->due)))
                first = &queue.heap[i];
        expected = first ? first->entity : NULL;
        stolen = fair_steal(&queue, allow_listed, &allowed, now);
        check(&queue);
        assert_ptr_not_equal(stolen, running);
        assert_ptr_equal(stolen, expected);
        if (!stolen)
            continue;
        assert_null(stolen->queue);
        add(&queue, (unsigned)(stolen - entity));
    }
}

/* --- misuse is our own mistake, and found --- */

static void misuse(void **state)
{
    (void)state;
    add_hogs(&queue, 0, 2);
    assert_panics(fair_add(&queue, &entity[0], now));
    assert_panics(fair_add(&other, &entity[1], now));
    assert_panics(fair_remove(&queue, queue.running, now));
    assert_panics(fair_remove(&other, &entity[0], now));
    sleep_now(&queue, queue.running);
    assert_panics(fair_add(&other, &entity[queue.running == &entity[0] ? 1 : 0], now));
}

static void full(void **state)
{
    (void)state;
    add_hogs(&queue, 0, FAIR_MAX + 1);
    assert_int_equal(queue.count, FAIR_MAX);
    turns(&queue, 2 * FAIR_MAX);
    assert_panics(fair_add(&queue, &entity[FAIR_MAX + 1], now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(heap_sorts, set_up),
        cmocka_unit_test_setup(holds_after_anything, set_up),
        cmocka_unit_test_setup(ranges, set_up),
        cmocka_unit_test_setup(virtual_time_and_back, set_up),
        cmocka_unit_test_setup(shares_by_weight, set_up),
        cmocka_unit_test_setup(wrap, set_up),
        cmocka_unit_test_setup(nobody_starves, set_up),
        cmocka_unit_test_setup(hours_in_one_turn, set_up),
        cmocka_unit_test_setup(time_does_not_run_back, set_up),
        cmocka_unit_test_setup(kicks, set_up),
        cmocka_unit_test_setup(turn_of_a_heavy_one, set_up),
        cmocka_unit_test_setup(credit_is_bounded, set_up),
        cmocka_unit_test_setup(short_sleep_earns_nothing, set_up),
        cmocka_unit_test_setup(sleeps_for_ages, set_up),
        cmocka_unit_test_setup(urgent_ones_take_turns, set_up),
        cmocka_unit_test_setup(sleep_on_idle_cpu, set_up),
        cmocka_unit_test_setup(yield_goes_behind, set_up),
        cmocka_unit_test_setup(yield_alone, set_up),
        cmocka_unit_test_setup(yield_to_a_light_one, set_up),
        cmocka_unit_test_setup(favoured_runs_next, set_up),
        cmocka_unit_test_setup(favour_is_no_theft, set_up),
        cmocka_unit_test_setup(lead_moves_along, set_up),
        cmocka_unit_test_setup(sleeper_moves, set_up),
        cmocka_unit_test_setup(steals_the_first_allowed, set_up),
        cmocka_unit_test_setup(misuse, set_up),
        cmocka_unit_test_setup(full, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
