/* SPDX-License-Identifier: BSD-2-Clause */
/* How promptly the operator was obeyed: the worst of each kind, in one line. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_panic.h"

#include "core/base/latency.c"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct machine machine = {.tsc_hz = 100000000};
static char said[256];

void log_info(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(said, sizeof(said), fmt, args);
    va_end(args);
}

static int set_up(void **state)
{
    (void)state;
    memset(worst, 0, sizeof(worst));
    said[0] = 0;
    fake_tsc = 1000000;
    return 0;
}

static void nothing_to_say(void **state)
{
    (void)state;
    latency_report();
    assert_string_equal(said, "");
    assert_int_equal(worst_us(LATENCY_STOP), 0);
}

static void the_worst_of_each(void **state)
{
    (void)state;
    latency_note(LATENCY_STOP, fake_tsc - 100);
    latency_note(LATENCY_STOP, fake_tsc - 1001);
    latency_note(LATENCY_STOP, fake_tsc - 200);
    latency_note(LATENCY_KEY, fake_tsc - 1);
    assert_int_equal(worst_us(LATENCY_STOP), 11);
    latency_report();
    assert_string_equal(said, "obeyed at the latest after: keys 1 us, stop 11 us");
}

static void asserted(void **state)
{
    (void)state;
    assert_panics(latency_note(LATENCIES, 1));
    assert_panics(latency_note(LATENCY_KEY, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_to_say, set_up),
        cmocka_unit_test_setup(the_worst_of_each, set_up),
        cmocka_unit_test_setup(asserted, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
