/* SPDX-License-Identifier: BSD-2-Clause */
/* Bus masters of a machine whose configuration space is an array. */
#include "tests/unit/unit.h"

#define inl  real_inl
#define outl real_outl
#include "arch/x86/cpu.h"
#undef inl
#undef outl

#include <string.h>

#define FULL (1u << 24)

static uint32_t space[FULL / 4], address;
static bool absent; /* no configuration mechanism: reads float */
static bool keeps;  /* keep-bus-masters */
static unsigned said;

static uint32_t inl(uint16_t port)
{
    if (absent)
        return UINT32_MAX;
    return port == 0xcf8 ? address : space[(address & 0xffffff) / 4];
}

static void outl(uint16_t port, uint32_t value)
{
    if (port == 0xcf8)
        address = value;
    else if (!absent)
        space[(address & 0xffffff) / 4] = value;
}

bool machine_option(const char *word)
{
    assert_string_equal(word, "keep-bus-masters");
    return keeps;
}

void log_info(const char *fmt, ...)
{
    (void)fmt;
    said++;
}

void log_error(const char *fmt, ...)
{
    (void)fmt;
    said++;
}

#include "arch/x86/pci_config.c"
#include "boot/host/bus_masters.c"

static uint32_t *registers_of(unsigned bus, unsigned device, unsigned function)
{
    return &space[(bus << 16 | device << 11 | function << 8) / 4];
}

static void add(unsigned bus, unsigned device, unsigned function, uint32_t class, uint32_t command,
                uint32_t header)
{
    uint32_t *r = registers_of(bus, device, function);

    r[0] = 0x12348086;
    r[1] = command;
    r[2] = class << 8 | 1;
    r[3] = header;
}

static int set_up(void **state)
{
    (void)state;
    memset(space, 0xff, sizeof(space));
    absent = keeps = false;
    said = count = 0;
    add(0, 0, 0, 0x060000, 0x06, 0);             /* host bridge */
    add(0, 2, 0, 0x030000, 0x07, 0);             /* display */
    add(0, 3, 0, 0x0c0330, 0x02900406, 1 << 23); /* USB, with status bits; more functions: */
    add(0, 3, 5, 0x010601, 0x07, 0);
    add(0, 4, 0, 0x020000, 0x03, 0); /* a network card that is none */
    add(0, 4, 1, 0x020000, 0x07, 0); /* not there: the first one has no others */
    add(255, 31, 0, 0x020000, 0x06, 0);
    return 0;
}

static void endpoints_are_switched_off(void **state)
{
    (void)state;
    bus_masters_switch_off();
    assert_int_equal(registers_of(0, 0, 0)[1], 0x06);
    assert_int_equal(registers_of(0, 2, 0)[1], 0x07);
    assert_int_equal(registers_of(0, 3, 0)[1], 0x0402); /* nothing is written to the status */
    assert_int_equal(registers_of(0, 3, 5)[1], 0x03);
    assert_int_equal(registers_of(0, 4, 0)[1], 0x03);
    assert_int_equal(registers_of(0, 4, 1)[1], 0x07);
    assert_int_equal(registers_of(255, 31, 0)[1], 0x02);
    assert_int_equal(said, 3);
}

static void and_back_on(void **state)
{
    (void)state;
    bus_masters_switch_off();
    bus_masters_put_back();
    assert_int_equal(registers_of(0, 3, 0)[1], 0x0406);
    assert_int_equal(registers_of(0, 3, 5)[1], 0x07);
    assert_int_equal(registers_of(0, 4, 0)[1], 0x03);
    assert_int_equal(registers_of(255, 31, 0)[1], 0x06);
}

static void nothing_to_do(void **state)
{
    (void)state;
    keeps = true;
    bus_masters_switch_off();
    assert_int_equal(registers_of(0, 3, 5)[1], 0x07);
    keeps = false;
    absent = true;
    bus_masters_switch_off();
    assert_int_equal(said, 0);
}

static void more_than_can_be_kept(void **state)
{
    unsigned left = 0;

    (void)state;
    for (unsigned i = 0; i < MOST + 2; i++)
        add(1 + i / 32, i % 32, 0, 0x020000, 0x04, 0);
    bus_masters_switch_off();
    for (unsigned i = 0; i < MOST + 2; i++)
        left += registers_of(1 + i / 32, i % 32, 0)[1] & 4 ? 1 : 0;
    assert_int_equal(left, 4); /* two, and of those before two */
    assert_int_equal(said, MOST + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(endpoints_are_switched_off, set_up),
        cmocka_unit_test_setup(and_back_on, set_up),
        cmocka_unit_test_setup(nothing_to_do, set_up),
        cmocka_unit_test_setup(more_than_can_be_kept, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
