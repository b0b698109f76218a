/* SPDX-License-Identifier: BSD-2-Clause */
/* Which interrupt the console's serial port has, by what firmware says of it. */
#include "tests/unit/unit.h"

#include "arch/x86/isa_line.h"

#include <string.h>

#define COM1 0x3f8
#define COM2 0x2f8

static struct acpi_info acpi;

static int set_up(void **state)
{
    (void)state;
    memset(&acpi, 0, sizeof(acpi));
    return 0;
}

static void expect_line(uint16_t port, uint32_t gsi, bool level, bool low)
{
    const struct acpi_register base = {.space = ACPI_PORT, .address = port};
    struct interrupt_line line;

    assert_true(serial_line(&acpi, &base, &line));
    assert_int_equal(line.gsi, gsi);
    assert_int_equal(line.level, level);
    assert_int_equal(line.low, low);
}

static void without_tables(void **state)
{
    (void)state;
    expect_line(COM1, 4, false, false);
    expect_line(COM2, 3, false, false);
}

static void overrides(void **state)
{
    (void)state;
    acpi.madt.overrides[0] = (struct acpi_override){9, 9, 0xf};
    acpi.madt.overrides[1] = (struct acpi_override){4, 20, 0xf};
    acpi.madt.override_count = 2;
    expect_line(COM1, 20, true, true);
    acpi.madt.overrides[1].flags = 5; /* edge-triggered, active high */
    expect_line(COM1, 20, false, false);
    expect_line(COM2, 3, false, false);
}

/* Servers name COM1 with both kinds, and an input that is the ISA interrupt's. */
static void spcr_of_a_server(void **state)
{
    (void)state;
    acpi.spcr = (struct acpi_spcr){.present = true,
                                   .base = {.space = ACPI_PORT, .address = COM1},
                                   .has_irq = true,
                                   .irq = 4,
                                   .has_gsi = true,
                                   .gsi = 4};
    expect_line(COM1, 4, false, false);
    acpi.spcr.has_irq = false;
    expect_line(COM1, 4, false, false);
    acpi.madt.overrides[0] = (struct acpi_override){4, 22, 0xd};
    acpi.madt.override_count = 1;
    expect_line(COM1, 22, true, false);
}

/* Hyper-V's: both kinds, interrupt 4, input 0. */
static void spcr_without_an_input(void **state)
{
    (void)state;
    acpi.spcr = (struct acpi_spcr){.present = true,
                                   .base = {.space = ACPI_PORT, .address = COM1},
                                   .has_irq = true,
                                   .irq = 4,
                                   .has_gsi = true,
                                   .gsi = 0};
    expect_line(COM1, 4, false, false);
    acpi.spcr.irq = 0;
    expect_line(COM1, 4, false, false);
}

static void spcr_beyond_isa(void **state)
{
    (void)state;
    acpi.spcr = (struct acpi_spcr){.present = true,
                                   .base = {.space = ACPI_PORT, .address = COM1},
                                   .has_irq = true,
                                   .irq = 4,
                                   .has_gsi = true,
                                   .gsi = 34};
    expect_line(COM1, 34, true, true);
    expect_line(COM2, 3, false, false);
    acpi.spcr.gsi = 16;
    expect_line(COM1, 16, true, true);
    acpi.spcr.gsi = 15;
    acpi.spcr.has_irq = false;
    expect_line(COM1, 15, false, false);
}

/* In memory, or on PCI: by SPCR alone. */
static void elsewhere(void **state)
{
    struct acpi_register base = {.space = ACPI_MEMORY, .address = 0xfedc9000};
    struct interrupt_line line;

    (void)state;
    assert_false(serial_line(&acpi, &base, &line));
    acpi.spcr = (struct acpi_spcr){.present = true, .base = base, .has_gsi = true, .gsi = 20};
    assert_true(serial_line(&acpi, &base, &line));
    assert_true(line.gsi == 20 && line.level && line.low);
    base.space = ACPI_PORT; /* the number of another thing */
    assert_false(serial_line(&acpi, &base, &line));
    acpi.spcr.base.space = ACPI_PORT;
    acpi.spcr.has_gsi = false;
    assert_false(serial_line(&acpi, &base, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_tables, set_up),
        cmocka_unit_test_setup(overrides, set_up),
        cmocka_unit_test_setup(spcr_of_a_server, set_up),
        cmocka_unit_test_setup(spcr_without_an_input, set_up),
        cmocka_unit_test_setup(spcr_beyond_isa, set_up),
        cmocka_unit_test_setup(elsewhere, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
