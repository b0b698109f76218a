/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest finds as firmware would leave it: data areas, CMOS, the keyboard controller, flags of the
 * clock. */
#include "tests/unit/unit.h"

#include "core/base/ticks.h"
#include "core/vm/guest.h"
#include "dev/firmware.h"
#include "dev/keyboard.h"
#include "dev/rtc.h"
#include "tests/unit/fake_guest.h"

#include <string.h>

static uint64_t at(const struct vm *vm, uint64_t address, unsigned n)
{
    uint64_t value = 0;

    assert_true(guest_read(vm, gpa(address), &value, n));
    return value;
}

static void data_areas(void **state)
{
    struct vm *vm = fake_guest(2 * MIB);

    (void)state;
    assert_true(firmware_write(vm));
    assert_int_equal(at(vm, 0x400, 2), 0x3f8);
    assert_int_equal(at(vm, 0x40e, 2), 0x9fc0);
    assert_int_equal(at(vm, 0x410, 2), 0x0202);
    assert_int_equal(at(vm, 0x413, 2), 639);
    assert_int_equal(at(vm, 0x9fc00, 1), 1);
    assert_int_equal(at(vm, 0xffff0, 8), 0xebf4ee06b00cf9ba); /* a reset, then HLT */
    fake_guest_free(vm);
}

static unsigned handler(const struct vm *vm, unsigned vector)
{
    assert_int_equal(at(vm, vector * 4 + 2, 2), 0xf000);
    return 0xf0000 + (unsigned)at(vm, vector * 4, 2);
}

/* Hardware's and unused vectors return, services say that they are none. */
static void interrupt_vectors(void **state)
{
    struct vm *vm = fake_guest(2 * MIB);

    (void)state;
    assert_true(firmware_write(vm));
    for (unsigned i = 0; i < 256; i++)
        assert_in_range(handler(vm, i), 0xfff53, 0xfffef);
    assert_int_equal(at(vm, handler(vm, 0x08), 1), 0xcf);
    assert_int_equal(at(vm, handler(vm, 0xff), 1), 0xcf);
    assert_int_equal(at(vm, handler(vm, 0x10), 6), 0x0002caf986b4);
    assert_int_equal(at(vm, handler(vm, 0x1a), 6), 0x0002caf986b4);
    assert_int_equal(at(vm, handler(vm, 0x1b), 1), 0xcf);
    assert_int_equal(at(vm, handler(vm, 0x11) + 5, 5), 0xcf1f0410a1);
    assert_int_equal(at(vm, handler(vm, 0x12) + 5, 5), 0xcf1f0413a1);
    fake_guest_free(vm);
}

static void expect_cmos(uint64_t memory, unsigned extended, unsigned above_16m, unsigned above_4g)
{
    uint8_t cmos[FIRMWARE_CMOS_SIZE] = {0};
    unsigned sum = 0;

    firmware_fill_cmos(cmos, memory);
    assert_int_equal(load_le(cmos + 0x15, 2), 639);
    assert_int_equal(load_le(cmos + 0x17, 2), extended);
    assert_int_equal(load_le(cmos + 0x30, 2), extended);
    assert_int_equal(load_le(cmos + 0x34, 2), above_16m);
    assert_int_equal(load_le(cmos + 0x5b, 3), above_4g);
    for (unsigned i = 0x10; i < 0x2e; i++)
        sum += cmos[i];
    assert_int_equal(cmos[0x2e] << 8 | cmos[0x2f], sum);
}

static void memory_in_cmos(void **state)
{
    (void)state;
    expect_cmos(2 * MIB, 1024, 0, 0);
    expect_cmos(16 * MIB, 15360, 0, 0);
    expect_cmos(64 * MIB, 64512, 768, 0);
    expect_cmos(128 * MIB, 65535, 1792, 0);
    expect_cmos(3 * GIB, 65535, 48896, 0);
    expect_cmos(5 * GIB, 65535, 48896, 32768);
}

/* --- keyboard controller --- */

/* The loops that come before a reset pulse everywhere end at once. */
static void reset_pulse(void **state)
{
    struct keyboard k;

    (void)state;
    keyboard_reset(&k);
    assert_int_equal(keyboard_read(&k, 0x64) & 3, 0);
    assert_false(keyboard_write(&k, 0x64, 0xff));
    assert_false(keyboard_write(&k, 0x64, 0xae));
    assert_true(keyboard_write(&k, 0x64, 0xfe));
    assert_true(keyboard_write(&k, 0x64, 0xf0));
    assert_false(keyboard_write(&k, 0x64, 0xd1));
    assert_false(keyboard_write(&k, 0x60, 0xdf)); /* address line 20 */
    assert_false(keyboard_write(&k, 0x60, 0x00)); /* for a keyboard */
    assert_false(keyboard_write(&k, 0x64, 0xd1));
    assert_true(keyboard_write(&k, 0x60, 0xfe));
}

static uint8_t ask(struct keyboard *k, uint8_t command)
{
    uint8_t answer;

    assert_false(keyboard_write(k, 0x64, command));
    assert_int_equal(keyboard_read(k, 0x64) & 1, 1);
    answer = keyboard_read(k, 0x60);
    assert_int_equal(keyboard_read(k, 0x64) & 1, 0);
    return answer;
}

static void controller(void **state)
{
    struct keyboard k;

    (void)state;
    keyboard_reset(&k);
    assert_int_equal(ask(&k, 0xaa), 0x55);
    assert_int_equal(ask(&k, 0xab), 0);
    assert_int_equal(ask(&k, 0xd0) & 3, 3);
    keyboard_write(&k, 0x64, 0x60);
    assert_int_equal(keyboard_read(&k, 0x64) & 8, 8);
    keyboard_write(&k, 0x60, 0x45);
    assert_int_equal(ask(&k, 0x20), 0x45);
    keyboard_write(&k, 0x60, 0xf4); /* for a keyboard: nobody answers */
    assert_int_equal(keyboard_read(&k, 0x64) & 3, 0);
    assert_int_equal(ask(&k, 0x20), 0x45);
}

/* --- flags of the clock --- */

#define START UINT64_C(1700000000) /* 22:13:20 */

static struct rtc rtc;

static uint8_t get(uint8_t index, uint64_t seconds, double part)
{
    struct rtc_time t = {seconds, (uint32_t)(part * NANOSECONDS)};

    rtc_write(&rtc, 0, index, t);
    return rtc_read(&rtc, 1, t);
}

static void set(uint8_t index, uint8_t value, uint64_t seconds)
{
    rtc_write(&rtc, 0, index, (struct rtc_time){seconds, 0});
    rtc_write(&rtc, 1, value, (struct rtc_time){seconds, 0});
}

static int new_clock(void **state)
{
    (void)state;
    rtc_reset(&rtc, (struct rtc_time){START, 0});
    set(0x01, 0x77, START); /* no alarm: no second is that */
    return 0;
}

static void update_in_progress(void **state)
{
    (void)state;
    assert_int_equal(get(0x0a, START, 0.9977), 0x26);
    assert_int_equal(get(0x0a, START, 0.9978), 0xa6);
    assert_int_equal(get(0x0a, START, 0.9999999), 0xa6);
    assert_int_equal(get(0x0a, START + 1, 0), 0x26);
    set(0x0b, 0x82, START); /* no updates while SET is */
    assert_int_equal(get(0x0a, START, 0.999), 0x26);
    assert_int_equal(get(0x0c, START + 5, 0) & 0x10, 0);
}

static void update_ended(void **state)
{
    (void)state;
    set(0x0a, 0x20, START); /* no periodic events */
    assert_int_equal(get(0x0c, START, 0.9), 0x00);
    assert_int_equal(get(0x0c, START + 1, 0.1), 0x10);
    assert_int_equal(get(0x0c, START + 1, 0.9), 0x00);
    set(0x0b, 0x12, START + 1);
    assert_int_equal(get(0x0c, START + 3, 0), 0x90); /* and it would ask for an interrupt */
}

static void periodic_flag(void **state)
{
    (void)state;
    assert_int_equal(get(0x0c, START, 0.0001), 0x00); /* 1024 Hz: 976 us */
    assert_int_equal(get(0x0c, START, 0.00097), 0x00);
    assert_int_equal(get(0x0c, START, 0.00098), 0x40);
    assert_int_equal(get(0x0c, START, 0.00100), 0x00);
    set(0x0b, 0x42, START);
    assert_int_equal(get(0x0c, START, 0.002), 0xc0);
    set(0x0a, 0x2f, START); /* 2 Hz */
    assert_int_equal(get(0x0c, START, 0.49), 0x00);
    assert_int_equal(get(0x0c, START, 0.51), 0xc0);
    assert_int_equal(get(0x0c, START, 0.99), 0x00);
    set(0x0a, 0x21, START); /* as 256 Hz */
    get(0x0c, START, 0.0001);
    assert_int_equal(get(0x0c, START, 0.0038), 0x00);
    assert_int_equal(get(0x0c, START, 0.0040), 0xc0);
}

/* From 22:13:20 on: whether there was an alarm until then. */
static bool alarm_until(uint8_t hour, uint8_t minute, uint8_t second, uint64_t seconds)
{
    new_clock(NULL);
    set(0x05, hour, START);
    set(0x03, minute, START);
    set(0x01, second, START);
    return get(0x0c, START + seconds, 0) & 0x20;
}

static void alarm_flag(void **state)
{
    (void)state;
    assert_true(alarm_until(0xff, 0xff, 0xff, 1));
    assert_false(alarm_until(0xff, 0xff, 0xff, 0));
    assert_false(alarm_until(0x22, 0x13, 0x25, 4));
    assert_true(alarm_until(0x22, 0x13, 0x25, 5));
    assert_true(alarm_until(0x22, 0x13, 0x25, 1000));
    assert_false(alarm_until(0x22, 0x13, 0x20, 86399)); /* that second is over */
    assert_true(alarm_until(0x22, 0x13, 0x20, 86400));
    assert_false(alarm_until(0xff, 0x10, 0xc0, 57 * 60 - 21));
    assert_true(alarm_until(0xff, 0x10, 0xc0, 57 * 60 - 20));
    assert_false(alarm_until(0x21, 0xff, 0x00, 22 * 3600));
    assert_true(alarm_until(0x21, 0xff, 0x00, 23 * 3600));
    assert_false(alarm_until(0x30, 0xff, 0xff, 1000000)); /* no such hour, minute, second */
    assert_false(alarm_until(0xff, 0x60, 0xff, 1000000));
    assert_false(alarm_until(0xff, 0xff, 0x60, 1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_areas),
        cmocka_unit_test(interrupt_vectors),
        cmocka_unit_test(memory_in_cmos),
        cmocka_unit_test(reset_pulse),
        cmocka_unit_test(controller),
        cmocka_unit_test_setup(update_in_progress, new_clock),
        cmocka_unit_test_setup(update_ended, new_clock),
        cmocka_unit_test_setup(periodic_flag, new_clock),
        cmocka_unit_test_setup(alarm_flag, new_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
