/* SPDX-License-Identifier: BSD-2-Clause */
/* core/vm/budget.h: seconds, grace, what is told and what is counted. */
#include "tests/unit/unit.h"

#include "core/vm/budget.h"

#define SECOND 1000

static struct budget b;

static void start(uint32_t limit, uint64_t from)
{
    b = (struct budget){0};
    budget_start(&b, limit, SECOND, from);
}

static void grace(void **state)
{
    (void)state;
    start(0, 5000);
    for (uint64_t now = 0; now < 5000; now += 7)
        assert_int_equal(budget_spend(&b, now), BUDGET_KEPT);
    assert_int_equal(b.over, 0);
    assert_int_equal(budget_seconds(&b, 4999), 0);
    assert_int_equal(budget_spend(&b, 5000), BUDGET_BROKEN);
}

static void none_at_all(void **state)
{
    (void)state;
    start(0, 0);
    assert_int_equal(budget_spend(&b, 10), BUDGET_BROKEN);
    assert_int_equal(budget_spend(&b, 11), BUDGET_OVER);
    assert_int_equal(budget_spend(&b, 999), BUDGET_OVER);
    assert_int_equal(budget_spend(&b, 1000), BUDGET_BROKEN);
    assert_int_equal(b.over, 4);
    assert_int_equal(b.broken, 2);
    assert_int_equal(b.seconds, 1);
}

static void some(void **state)
{
    (void)state;
    start(3, 100);
    for (unsigned second = 0; second < 10; second++) {
        uint64_t from = 100 + second * SECOND;

        assert_int_equal(budget_spend(&b, from), BUDGET_KEPT);
        assert_int_equal(budget_spend(&b, from + 1), BUDGET_KEPT);
        assert_int_equal(budget_spend(&b, from + 999), BUDGET_KEPT);
    }
    assert_int_equal(b.over, 0);
    assert_int_equal(budget_spend(&b, 100 + 9 * SECOND + 999), BUDGET_BROKEN);
    assert_int_equal(budget_spend(&b, 100 + 9 * SECOND + 999), BUDGET_OVER);
    assert_int_equal(budget_spend(&b, 100 + 10 * SECOND), BUDGET_KEPT);
    assert_int_equal(b.seconds, 10);
}

/* Seconds without an exit pass, too; they end where they would have ended. */
static void long_silence(void **state)
{
    (void)state;
    start(1, 0);
    assert_int_equal(budget_spend(&b, 500), BUDGET_KEPT);
    assert_int_equal(budget_spend(&b, 1000500), BUDGET_KEPT);
    assert_int_equal(budget_seconds(&b, 1000500), 1000);
    assert_int_equal(budget_seconds(&b, 1003999), 1003);
    assert_int_equal(b.window, 1000000);
    assert_int_equal(b.seconds, 1000);
    assert_int_equal(budget_spend(&b, 1000999), BUDGET_BROKEN);
    assert_int_equal(budget_spend(&b, 1001000), BUDGET_KEPT);
}

static void pause_is_no_time(void **state)
{
    (void)state;
    start(1, 0);
    assert_int_equal(budget_spend(&b, 400), BUDGET_KEPT);
    budget_shift(&b, 5000);
    assert_int_equal(budget_spend(&b, 5500), BUDGET_BROKEN);
    assert_int_equal(budget_spend(&b, 6000), BUDGET_KEPT);
    assert_int_equal(b.seconds, 1);
}

/* A new life has its own grace; counts go on. */
static void next_life(void **state)
{
    (void)state;
    start(0, 0);
    assert_int_equal(budget_spend(&b, 1), BUDGET_BROKEN);
    budget_start(&b, 0, SECOND, 10000);
    assert_int_equal(budget_spend(&b, 9999), BUDGET_KEPT);
    assert_int_equal(budget_spend(&b, 10000), BUDGET_BROKEN);
    assert_int_equal(b.over, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grace),        cmocka_unit_test(none_at_all),      cmocka_unit_test(some),
        cmocka_unit_test(long_silence), cmocka_unit_test(pause_is_no_time), cmocka_unit_test(next_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
