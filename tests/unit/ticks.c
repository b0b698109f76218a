/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticks to nanoseconds, as guests of kvmclock compute them, against 128-bit arithmetic. */
#include "tests/unit/unit.h"

#include "core/base/ticks.h"

static const uint64_t rates[] = {1,          1000,        999999999,        1000000000, 1000000001,
                                 1999999999, 2000000000,  2000000001,       2893200000, 4200000000,
                                 7999999999, 20000000000, UINT64_C(1) << 62};

static uint64_t exact(uint64_t ticks, uint64_t hz)
{
    return (uint64_t)((unsigned __int128)ticks * NANOSECONDS / hz);
}

static void uses_all_bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++)
        assert_true(tick_scale(rates[i]).mul >> 30); /* 2^-30 off at most */
}

/* A day is right to a tenth of a millisecond at any rate that a TSC has, and a second to the nanosecond or
 * two. */
static void is_exact(void **state)
{
    (void)state;
    for (uint64_t hz = 1000000; hz < 8000000000; hz += 999983) {
        struct tick_scale s = tick_scale(hz);
        uint64_t day = ticks_to_ns(s, hz * 86400);

        assert_in_range(ticks_to_ns(s, hz), NANOSECONDS - 2, NANOSECONDS);
        assert_in_range(day, 86400 * NANOSECONDS - 100000, 86400 * NANOSECONDS);
    }
}

static void never_goes_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        struct tick_scale s = tick_scale(rates[i]);
        uint64_t last = 0;

        for (uint64_t ticks = 0; ticks < 100000; ticks += 7) {
            uint64_t ns = ticks_to_ns(s, ticks);

            assert_true(ns >= last && ns <= exact(ticks, rates[i]));
            last = ns;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uses_all_bits),
        cmocka_unit_test(is_exact),
        cmocka_unit_test(never_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
