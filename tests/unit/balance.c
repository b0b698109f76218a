/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is picked to move between two queues. How it does over time is tests/unit/sched_sim.c's. */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "core/base/panic.h"
#include "sched/balance.h"

#define SLICE 1000

static struct fair_queue from, to;
static struct fair_entity entity[6];
static uint64_t now;
static unsigned forbidden; /* a bit each */

void panic(const char *fmt, ...)
{
    fail_msg("%s", fmt);
    abort();
}

static bool allowed(struct fair_entity *e, void *context)
{
    assert_ptr_equal(context, &to);
    return !(forbidden >> (e - entity) & 1);
}

/* The one who runs is the first; the others came one after the other. */
static void crowd(const unsigned *weights, unsigned count)
{
    now = 1000;
    forbidden = 0;
    fair_queue_init(&from);
    fair_queue_init(&to);
    for (unsigned i = 0; i < count; i++) {
        fair_entity_init(&entity[i], weights[i], SLICE);
        fair_add(&from, &entity[i], ++now);
        if (!i)
            fair_next(&from, FAIR_PREEMPTED, now);
    }
    assert_ptr_equal(from.running, &entity[0]);
}

static int picked(uint64_t load, bool *soon)
{
    const struct fair_entity *e = balance_pick(&from, load, allowed, &to, soon);

    assert_false(e && *soon);
    return e ? (int)(e - entity) : -1;
}

static void expect(uint64_t load, int who, bool again)
{
    bool soon;

    assert_int_equal(picked(load, &soon), who);
    assert_int_equal(soon, again);
}

static void halves_the_difference(void **state)
{
    (void)state;
    crowd((const unsigned[]){100, 300, 50, 100}, 4); /* 550 */
    expect(0, 1, false);                             /* 300: 250 and 300 */
    expect(350, -1, true);                           /* 100, and the one who runs came first */
    forbidden = 1;
    expect(350, 3, false);
    expect(450, 2, false); /* 50 */
}

static void swaps_but_never_more(void **state)
{
    (void)state;
    crowd((const unsigned[]){100, 100}, 2);
    forbidden = 1;
    expect(100, 1, false); /* 200 and 100 become 100 and 200 */
    expect(101, -1, false);
    expect(200, -1, false);
    expect(300, -1, false);
}

static void first_come_first_moved(void **state)
{
    (void)state;
    crowd((const unsigned[]){100, 100, 100, 100}, 4);
    expect(300, -1, true); /* it runs: soon */
    forbidden = 1;
    expect(300, 1, false);
    forbidden = 3;
    expect(300, 2, false);
    fair_remove(&from, &entity[2], now);
    fair_add(&from, &entity[2], ++now);
    expect(300, 3, false);
}

/* Sleeping is not leaving. */
static void sleepers_keep_their_place(void **state)
{
    (void)state;
    crowd((const unsigned[]){100, 100, 100}, 3);
    assert_ptr_not_equal(fair_next(&from, FAIR_BLOCKED, now), &entity[0]);
    fair_add(&from, &entity[0], now += 10);
    expect(200, 0, false);
}

static void only_who_may(void **state)
{
    (void)state;
    crowd((const unsigned[]){100, 100, 100}, 3);
    forbidden = 7;
    expect(0, -1, false);
    forbidden = 6;
    expect(200, -1, true);
}

static void nobody_from_an_idle_cpu(void **state)
{
    (void)state;
    fair_queue_init(&from);
    fair_queue_init(&to);
    expect(0, -1, false);
    fair_entity_init(&entity[0], 100, SLICE);
    fair_add(&from, &entity[0], now); /* the CPU has not yet looked */
    expect(0, -1, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_the_difference),  cmocka_unit_test(swaps_but_never_more),
        cmocka_unit_test(first_come_first_moved), cmocka_unit_test(sleepers_keep_their_place),
        cmocka_unit_test(only_who_may),           cmocka_unit_test(nobody_from_an_idle_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
