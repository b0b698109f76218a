/* SPDX-License-Identifier: BSD-2-Clause */
/* dev/pit.c: the 8254 by its data sheet, at times that the test chooses; port 61h; the ACPI timer. */
#include "tests/unit/unit.h"

#include "core/base/ticks.h"
#include "dev/pit.h"

#include <string.h>

static struct pit pit;
static uint64_t now; /* ns */

static int set_up(void **state)
{
    (void)state;
    now = 123456789 * NANOSECONDS + 87654321;
    pit_reset(&pit);
    return 0;
}

/* Ahead to the middle of the tick that is so many ticks of the 8254 further. */
static void pass(uint64_t ticks)
{
    static uint64_t tick;
    uint64_t third = (uint64_t)((unsigned __int128)now * PM_TIMER_HZ / NANOSECONDS);

    tick = third / 3 + ticks;
    now = (uint64_t)(((unsigned __int128)(tick * 3 + 1) * NANOSECONDS + PM_TIMER_HZ / 2) / PM_TIMER_HZ);
}

static uint8_t in(unsigned port)
{
    return pit_read(&pit, port == 0x61 ? port : port - 0x40, now);
}

static void out(unsigned port, uint8_t value)
{
    pit_write(&pit, port == 0x61 ? port : port - 0x40, value, now);
}

static unsigned word(unsigned port)
{
    unsigned low = in(port);

    return low | (unsigned)in(port) << 8;
}

static bool output2(void)
{
    return in(0x61) & 0x20;
}

static void set2(uint8_t control, unsigned count)
{
    out(0x43, control);
    out(0x42, (uint8_t)count);
    out(0x42, (uint8_t)(count >> 8));
}

/* What nearly all systems do to learn the rate of their TSC. */
static void calibration(void **state)
{
    (void)state;
    pass(0);
    out(0x61, (uint8_t)((in(0x61) & ~2) | 1));
    set2(0xb0, 59659); /* 50 ms */
    assert_false(output2());
    pass(59658);
    assert_false(output2());
    pass(1);
    assert_true(output2());
    pass(100000);
    assert_true(output2());
    set2(0xb0, 0xffff);
    assert_false(output2());
    pass(0x1234);
    assert_int_equal(word(0x42), 0xffff - 0x1234);
}

/* In modes 0 and 4 the count stands while the gate is low, in 2 and 3 it begins anew when the gate rises. */
static void gate_holds(void **state)
{
    (void)state;
    pass(0);
    out(0x61, 1);
    set2(0xb0, 1000);
    pass(300);
    out(0x61, 0);
    pass(5000);
    assert_int_equal(word(0x42), 700);
    assert_false(output2());
    out(0x61, 1);
    pass(699);
    assert_int_equal(word(0x42), 1);
    assert_false(output2());
    pass(1);
    assert_true(output2());
    set2(0xb4, 1000);
    pass(300);
    out(0x61, 0);
    assert_true(output2());
    pass(50);
    out(0x61, 1);
    pass(10);
    assert_int_equal(word(0x42), 990);
    out(0x61, 0);
    set2(0xb0, 500); /* written while the gate is low: it waits */
    pass(1000);
    assert_int_equal(word(0x42), 500);
    out(0x61, 1);
    pass(400);
    assert_int_equal(word(0x42), 100);
}

static void one_shot(void **state)
{
    (void)state;
    pass(0);
    set2(0xb2, 100);
    pass(1000);
    assert_true(output2()); /* no trigger yet */
    out(0x61, 1);
    pass(99);
    assert_false(output2());
    out(0x61, 0); /* the gate's end changes nothing */
    assert_false(output2());
    pass(1);
    assert_true(output2());
    out(0x61, 1);
    pass(50);
    out(0x61, 0);
    out(0x61, 1); /* triggered again before its end */
    pass(60);
    assert_false(output2());
    pass(40);
    assert_true(output2());
}

static void periodic(void **state)
{
    (void)state;
    pass(0);
    out(0x61, 1);
    set2(0xb4, 10);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(word(0x42), 10 - i % 10);
        assert_int_equal(output2(), i % 10 != 9);
        pass(1);
    }
    set2(0xb6, 10);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(word(0x42), 10 - 2 * i % 10);
        assert_int_equal(output2(), i % 10 < 5);
        pass(1);
    }
    set2(0xbe, 7); /* mode 7 is 3, odd: high for one tick longer */
    for (unsigned i = 0; i < 21; i++, pass(1))
        assert_int_equal(output2(), i % 7 < 4);
}

static void strobes(void **state)
{
    (void)state;
    pass(0);
    out(0x61, 1);
    set2(0xb8, 20);
    pass(19);
    assert_true(output2());
    pass(1);
    assert_false(output2());
    pass(1);
    assert_true(output2());
    set2(0xba, 20);
    pass(40);
    assert_true(output2());
    out(0x61, 0);
    out(0x61, 1);
    pass(20);
    assert_false(output2());
    pass(1);
    assert_true(output2());
}

/* A latched count stands until it has been read, as a whole and once. */
static void latches(void **state)
{
    (void)state;
    pass(0);
    out(0x61, 1);
    set2(0xb0, 0x5000);
    pass(0x123);
    out(0x43, 0x80);
    pass(0x111);
    out(0x43, 0x80); /* is ignored */
    assert_int_equal(in(0x42), 0xdd);
    assert_int_equal(in(0x42), 0x4e);
    assert_int_equal(word(0x42), 0x5000 - 0x234);
}

static void read_backs(void **state)
{
    (void)state;
    pass(0);
    out(0x61, 1);
    out(0x43, 0xb0);
    out(0x43, 0xe8); /* status of counter 2 */
    assert_int_equal(in(0x42), 0x70);
    out(0x42, 0x00);
    out(0x42, 0x20);
    pass(16);
    out(0x43, 0xc8); /* both: the status comes first */
    pass(100);
    assert_int_equal(in(0x42), 0x30);
    assert_int_equal(word(0x42), 0x2000 - 16);
    pass(0x2000);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0xb0);
    out(0x43, 0xee); /* all three */
    assert_int_equal(in(0x40) & 0x7f, 0x36);
    assert_int_equal(in(0x41) & 0x7f, 0x14);
    assert_int_equal(in(0x42), 0xb0);
    assert_int_equal(in(0x43), 0xff);
}

static void formats(void **state)
{
    (void)state;
    pass(0);
    out(0x61, 1);
    set2(0xb1, 0x1000); /* BCD */
    pass(1);
    assert_int_equal(word(0x42), 0x0999);
    pass(1000);
    assert_int_equal(word(0x42), 0x9999);
    out(0x43, 0x90); /* low byte only */
    out(0x42, 200);
    pass(50);
    assert_int_equal(in(0x42), 150);
    assert_int_equal(in(0x42), 150);
    out(0x43, 0xa0); /* high byte only */
    out(0x42, 2);
    pass(1);
    assert_int_equal(in(0x42), 1);
    set2(0xb4, 0); /* the most */
    pass(0xffff);
    assert_int_equal(word(0x42), 1);
    pass(1);
    assert_int_equal(word(0x42), 0);
}

/* As firmware leaves it: 18.2 times a second; and the refresh that some wait for. */
static void after_reset(void **state)
{
    unsigned turns = 0, first = word(0x40);
    uint8_t before = in(0x61);

    (void)state;
    pass(100);
    assert_int_equal((first - word(0x40)) & 0xfffe, 200);
    for (unsigned i = 0; i < 180; i++, pass(1)) {
        turns += (in(0x61) ^ before) >> 4 & 1;
        before = in(0x61);
    }
    assert_in_range(turns, 9, 11);
    out(0x61, 0x0e);
    assert_int_equal(in(0x61) & 0x0f, 0x0e);
}

static void acpi_timer(void **state)
{
    (void)state;
    assert_int_equal(pm_timer(0), 0);
    assert_int_equal(pm_timer(NANOSECONDS), PM_TIMER_HZ);
    assert_int_equal(pm_timer(NANOSECONDS / 2), PM_TIMER_HZ / 2);
    for (uint64_t t = 1; t < UINT64_MAX / 3; t *= 3)
        assert_int_equal(pm_timer(t), (uint32_t)((unsigned __int128)t * PM_TIMER_HZ / NANOSECONDS));
}

/* Any accesses, in any order. */
static void anything(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 2000000; i++) {
        random = random * 1664525 + 1013904223;
        if (random >> 31)
            out(random >> 30 & 1 ? 0x61 : 0x40 + (random >> 28 & 3), (uint8_t)(random >> 16));
        else
            in(random >> 29 & 1 ? 0x61 : 0x40 + (random >> 27 & 3));
        now += random >> 8 & 0xffff;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(calibration, set_up), cmocka_unit_test_setup(gate_holds, set_up),
        cmocka_unit_test_setup(one_shot, set_up),    cmocka_unit_test_setup(periodic, set_up),
        cmocka_unit_test_setup(strobes, set_up),     cmocka_unit_test_setup(latches, set_up),
        cmocka_unit_test_setup(read_backs, set_up),  cmocka_unit_test_setup(formats, set_up),
        cmocka_unit_test_setup(after_reset, set_up), cmocka_unit_test_setup(acpi_timer, set_up),
        cmocka_unit_test_setup(anything, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
