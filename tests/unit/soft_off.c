/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching off by registers that are ports of an array, and firmware that takes its time. */
#include "tests/unit/unit.h"

#define inw   real_inw
#define outb  real_outb
#define outw  real_outw
#define outl  real_outl
#define rdtsc real_rdtsc
#include "arch/x86/cpu.h"
#undef inw
#undef outb
#undef outw
#undef outl
#undef rdtsc

#include <string.h>

#include "core/base/machine.h"

#define HZ     1000u
#define SMI    0xb2
#define PM1A   0x404
#define PM1B   0x504
#define STATUS 0x400
#define GPE    0x420
#define CONFIG 0xcf8
#define FADT_S5                         \
    {                                   \
        .present = true, .a = 5, .b = 6 \
    }

struct machine machine = {.tsc_hz = HZ};

static struct {
    uint16_t port;
    uint32_t value;
    unsigned bytes;
} writes[64];

static unsigned count;
static uint64_t tsc, sci_from; /* SCI_EN is set then, once the SMI was raised */
static bool raised;
static uint16_t others; /* bits of PM1 control that are not ours */
static uint8_t memory[16];

static uint64_t rdtsc(void)
{
    return tsc++;
}

static uint16_t inw(uint16_t port)
{
    assert_true(port == PM1A || port == PM1B);
    return others | (raised && tsc >= sci_from);
}

static void note_write(uint16_t port, uint32_t value, unsigned bytes)
{
    assert_true(count < ARRAY_SIZE(writes));
    writes[count].port = port;
    writes[count].value = value;
    writes[count++].bytes = bytes;
    raised |= port == SMI;
}

static void outb(uint16_t port, uint8_t value)
{
    note_write(port, value, 1);
}

static void outw(uint16_t port, uint16_t value)
{
    note_write(port, value, 2);
}

static void outl(uint16_t port, uint32_t value)
{
    note_write(port, value, 4);
}

void *machine_map_device(hpa_t at, uint64_t size, uint64_t flags)
{
    (void)flags;
    assert_in_range(at.value + size, 1, sizeof(memory));
    return memory + at.value;
}

#include "arch/x86/pci_config.c"
#include "boot/host/soft_off.c"

static struct acpi_fadt fadt;
static const struct acpi_s5 s5 = {.present = true, .a = 5, .b = 6};

static int set_up(void **state)
{
    (void)state;
    count = 0;
    tsc = 1;
    raised = false;
    sci_from = 2 * HZ;
    others = 0x0206 | SLP_TYP;
    memset(memory, 0xee, sizeof(memory));
    fadt = (struct acpi_fadt){
        .present = true,
        .pm1a_control = {ACPI_PORT, 32, PM1A}, /* wider than it is */
        .pm1b_control = {ACPI_PORT, 16, PM1B},
        .pm1a_status = {ACPI_PORT, 32, STATUS},
        .gpe = {{GPE, 8}, {0, 0}},
        .smi_command = SMI,
        .acpi_enable = 0xa0,
    };
    return 0;
}

static void expect(unsigned i, uint16_t port, uint32_t value, unsigned bytes)
{
    assert_true(i < count);
    assert_int_equal(writes[i].port, port);
    assert_int_equal(writes[i].value, value);
    assert_int_equal(writes[i].bytes, bytes);
}

/* ACPI mode is waited for, wake events are off, other bits stay, the type goes first, 16 bits at a time. */
static void order_of_writes(void **state)
{
    (void)state;
    soft_off(&fadt, &s5);
    expect(0, SMI, 0xa0, 1);
    expect(1, STATUS, 0x8000, 2);
    for (unsigned i = 0; i < 4; i++)
        expect(2 + i, (uint16_t)(GPE + 4 + i), 0, 1);
    for (unsigned i = 0; i < TRIES; i++) {
        expect(6 + 4 * i, PM1A, 0x0203 | 5 << 10, 2);
        expect(7 + 4 * i, PM1B, 0x0203 | 6 << 10, 2);
        expect(8 + 4 * i, PM1A, 0x2203 | 5 << 10, 2);
        expect(9 + 4 * i, PM1B, 0x2203 | 6 << 10, 2);
    }
    assert_int_equal(count, 6 + 4 * TRIES);
    assert_true(tsc > sci_from + TRIES * HZ);
}

static void firmware_that_never_answers(void **state)
{
    (void)state;
    sci_from = UINT64_MAX;
    soft_off(&fadt, &s5);
    assert_in_range(tsc, 6 * HZ, 7 * HZ);
    expect(count - 2, PM1A, 0x2202 | 5 << 10, 2);
}

static void already_in_acpi_mode(void **state)
{
    (void)state;
    others |= SCI_EN;
    soft_off(&fadt, &s5);
    expect(0, STATUS, 0x8000, 2);
}

static void single_block_and_no_events(void **state)
{
    (void)state;
    fadt.pm1b_control.address = fadt.pm1a_status.address = fadt.smi_command = 0;
    fadt.gpe[0].port = 0;
    soft_off(&fadt, &s5);
    assert_int_equal(count, 2 * TRIES);
    expect(0, PM1A, 0x0202 | 5 << 10, 2);
}

static void in_memory(void **state)
{
    (void)state;
    fadt = (struct acpi_fadt){.present = true, .pm1a_control = {ACPI_MEMORY, 32, 4}};
    soft_off(&fadt, &s5);
    assert_int_equal(count, 0);
    assert_int_equal(memory[3], 0xee);
    assert_int_equal(memory[4] | memory[5] << 8, (0xeeee & ~0x3c04) | 0x2000 | 5 << 10);
    assert_int_equal(memory[6], 0xee);
}

static void hardware_reduced(void **state)
{
    (void)state;
    fadt.hw_reduced = true;
    fadt.sleep_control = (struct acpi_register){ACPI_PORT, 8, 0x600, 0};
    soft_off(&fadt, &s5);
    assert_int_equal(count, TRIES);
    expect(0, 0x600, 5 << 2 | 0x20, 1);
}

static void without_tables(void **state)
{
    static const struct acpi_s5 none;

    (void)state;
    soft_off(&fadt, &none);
    fadt.present = false;
    soft_off(&fadt, &s5);
    assert_int_equal(count, 0);
}

static void reset_register(void **state)
{
    (void)state;
    soft_reset(&fadt);
    assert_int_equal(count, 0);
    fadt.reset_value = 6;
    fadt.reset = (struct acpi_register){ACPI_PCI, 8, UINT64_C(0x1f000300ad), 0};
    soft_reset(&fadt);
    expect(0, CONFIG, 0x8000fbac, 4);
    expect(1, 0xcfd, 6, 1);
    fadt.reset = (struct acpi_register){ACPI_PORT, 32, 0xcf9, 0};
    soft_reset(&fadt);
    expect(2, 0xcf9, 6, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(order_of_writes, set_up),
        cmocka_unit_test_setup(firmware_that_never_answers, set_up),
        cmocka_unit_test_setup(already_in_acpi_mode, set_up),
        cmocka_unit_test_setup(single_block_and_no_events, set_up),
        cmocka_unit_test_setup(in_memory, set_up),
        cmocka_unit_test_setup(hardware_reduced, set_up),
        cmocka_unit_test_setup(without_tables, set_up),
        cmocka_unit_test_setup(reset_register, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
