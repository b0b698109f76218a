/* SPDX-License-Identifier: BSD-2-Clause */
/* Which serial port is the console, by what the user and the firmware say and what answers. */
#include "tests/unit/unit.h"

#include <string.h>

#include "boot/host/console_choice.c"

#define COM3  0x3e8
#define CARD  0xc000
#define MMIO  UINT64_C(0xfedc9000)
#define RAM   UINT64_C(0x100000)
#define BOARD (4u << 11) /* 00:04.0 */

struct machine machine;
static const char *option;
static uint16_t ports[4]; /* with a 16550 */
static uint64_t memory_at;
static unsigned memory_width;
static uint64_t mapped;
static struct uart_place last; /* that was set up */
static uint32_t space[64];     /* configuration space of BOARD */
static bool pci, screen;
static unsigned errors;
static uint32_t baud;

const char *machine_option_value(const char *name)
{
    assert_string_equal(name, "console");
    return option;
}

void *machine_map_device(hpa_t at, uint64_t size, uint64_t flags)
{
    assert_true(size >= UART_REGISTERS && flags == MAP_DEVICE);
    mapped = at.value;
    return (void *)at.value;
}

unsigned cpu_physical_bits(void)
{
    return 40;
}

bool console_setup(const struct uart_place *place)
{
    bool found =
        !place->port && memory_at && (uint64_t)place->registers == memory_at && place->width == memory_width;

    for (unsigned i = 0; i < ARRAY_SIZE(ports) && place->port; i++)
        found = found || ports[i] == place->port;
    if (found)
        last = *place;
    return found;
}

bool console_leave_port(void)
{
    return screen;
}

void console_flush(void)
{
}

void uart16550_set_rate(uint32_t rate)
{
    baud = rate;
}

bool pci_present(void)
{
    return pci;
}

uint32_t pci_read(uint32_t function, unsigned reg)
{
    return function == BOARD ? space[reg / 4] : PCI_NOBODY;
}

void pci_write(uint32_t function, unsigned reg, uint32_t value)
{
    assert_int_equal(function, BOARD);
    space[reg / 4] = value;
}

void log_error(const char *fmt, ...)
{
    (void)fmt;
    errors++;
}

void assertion_failed(unsigned line, const char *condition);

static int set_up(void **state)
{
    (void)state;
    machine = (struct machine){.boot = {.memory_count = 2}};
    machine.boot.memory[0] = (struct boot_memory){RAM, 64 * MIB, MEMORY_USABLE};
    machine.boot.memory[1] = (struct boot_memory){MMIO, PAGE_SIZE, MEMORY_RESERVED};
    memset(space, 0, sizeof(space));
    space[0] = 0x00021b36;
    space[PCI_COMMAND / 4] = 0x02900000;
    space[PCI_CLASS / 4] = 0x07000201;
    space[PCI_BAR0 / 4] = CARD | 1;
    memset(ports, 0, sizeof(ports));
    ports[0] = COM1;
    memory_at = mapped = 0;
    pci = true;
    screen = pci_changed = false;
    errors = baud = 0;
    option = NULL;
    last = (struct uart_place){0};
    return 0;
}

static void choose(const char *value)
{
    option = value;
    console_start();
    console_choose();
}

static void assert_port(uint16_t port)
{
    assert_int_equal(last.port, port);
    assert_int_equal(machine.serial.space, ACPI_PORT);
    assert_int_equal(machine.serial.address, port);
}

static void without_anybody_com1(void **state)
{
    (void)state;
    choose(NULL);
    assert_port(COM1);
    assert_false(last.keep_rate);
    set_up(NULL);
    ports[0] = 0;
    choose(NULL);
    assert_int_equal(machine.serial.address, 0);
    assert_int_equal(errors, 0);
}

static void spcr_names_a_port(void **state)
{
    (void)state;
    ports[1] = COM2;
    machine.acpi.spcr =
        (struct acpi_spcr){.present = true, .base = {.space = ACPI_PORT, .address = COM2}, .baud = 9600};
    choose(NULL);
    assert_port(COM2);
    assert_int_equal(baud, 9600);
    set_up(NULL); /* it does not answer: neither its rate nor its place */
    machine.acpi.spcr =
        (struct acpi_spcr){.present = true, .base = {.space = ACPI_PORT, .address = COM2}, .baud = 9600};
    choose(NULL);
    assert_port(COM1);
    assert_int_equal(baud, 0);
}

static void spcr_names_memory(void **state)
{
    static const struct {
        uint8_t type, width, access, stride, by;
    } rows[] = {{0x12, 32, 4, 4, 4}, {0x12, 32, 1, 4, 1}, {0x12, 8, 4, 4, 4}, {0x12, 8, 0, 1, 1},
                {0, 32, 0, 4, 4},    {1, 16, 2, 2, 2},    {0x12, 0, 8, 4, 4}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        set_up(NULL);
        memory_at = MMIO;
        memory_width = rows[i].by;
        machine.acpi.spcr = (struct acpi_spcr){.present = true,
                                               .uart = rows[i].type,
                                               .base = {ACPI_MEMORY, rows[i].width, MMIO, rows[i].access}};
        choose(NULL);
        assert_int_equal(last.port, 0);
        assert_int_equal(last.stride, rows[i].stride);
        assert_true(last.keep_rate);
        assert_int_equal(machine.serial.address, MMIO);
        assert_int_equal(machine.serial.space, ACPI_MEMORY);
    }
    set_up(NULL);
    memory_at = MMIO;
    memory_width = 4;
    machine.acpi.spcr =
        (struct acpi_spcr){.present = true, .uart = 3 /* an ARM's */, .base = {ACPI_MEMORY, 32, MMIO, 4}};
    choose(NULL);
    assert_port(COM1);
    assert_int_equal(mapped, 0);
}

static void option_goes_before_spcr(void **state)
{
    (void)state;
    ports[1] = COM2;
    machine.acpi.spcr = (struct acpi_spcr){.present = true, .base = {.space = ACPI_PORT, .address = COM2}};
    choose("com1 explain");
    assert_port(COM1);
    choose("com2");
    assert_port(COM2);
    assert_int_equal(errors, 0);
}

static void option_names_memory(void **state)
{
    static const char *const forms[] = {"mmio 0xfedc9000", "mmio fedc9000 explain", "mmio:0xfedc9000"};

    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(forms); i++) {
        set_up(NULL);
        memory_at = MMIO;
        memory_width = i % 2 ? 4 : 1; /* found out */
        choose(forms[i / 2]);
        assert_int_equal(machine.serial.address, MMIO);
        assert_int_equal(last.stride, memory_width);
        assert_int_equal(errors, 0);
    }
}

static void option_names_a_card(void **state)
{
    static const char *const forms[] = {"pci 00:04.0", "pci:00:04.0 explain", "pci 0:4.0"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        set_up(NULL);
        ports[1] = CARD;
        choose(forms[i]);
        assert_port(CARD);
        assert_true(last.keep_rate);
        assert_int_equal(space[PCI_COMMAND / 4], COMMAND_PORTS); /* nothing is written to the status */
        console_choice_put_back();
        assert_int_equal(space[PCI_COMMAND / 4], 0);
        assert_int_equal(errors, 0);
    }
}

static void card_in_memory(void **state)
{
    (void)state;
    memory_at = MMIO + 0x800000000;
    memory_width = 1;
    space[PCI_BAR0 / 4] = (uint32_t)MMIO | BAR_64 | 8;
    space[PCI_BAR0 / 4 + 1] = 8;
    space[PCI_COMMAND / 4] = COMMAND_MEM;
    choose("pci 00:04.0");
    assert_int_equal(machine.serial.address, memory_at);
    console_choice_put_back();
    assert_int_equal(space[PCI_COMMAND / 4], COMMAND_MEM);
}

static void screen_alone(void **state)
{
    (void)state;
    screen = true;
    machine.acpi.spcr = (struct acpi_spcr){.present = true, .base = {.space = ACPI_PORT, .address = COM1}};
    choose("screen");
    assert_int_equal(machine.serial.address, 0);
    assert_int_equal(errors, 0);
}

/* One line, and what SPCR says, or COM1. Nothing is looked for in memory. */
static void what_is_not_there_is_said(void **state)
{
    static const char *const wrong[] = {"",
                                        "com3",
                                        "com22",
                                        "com2",
                                        "mmio",
                                        "mmio x",
                                        "mmio 0x100000",
                                        "mmio 0x40ffffc",
                                        "mmio fffffffffffffff8",
                                        "mmio 10000000000",
                                        "mmio 0",
                                        "pci",
                                        "pci 00:04",
                                        "pci 00:05.0",
                                        "pci 100:04.0",
                                        "pci 00:20.0",
                                        "pci 00:04.8",
                                        "pci 00:04.0",
                                        "screen",
                                        "pci 00:04.0"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        set_up(NULL);
        ports[1] = COM3;
        machine.acpi.spcr =
            (struct acpi_spcr){.present = true, .base = {.space = ACPI_PORT, .address = COM3}};
        if (i == ARRAY_SIZE(wrong) - 1) {
            ports[2] = CARD;
            space[PCI_CLASS / 4] = 0x02000001; /* a network card */
        }
        choose(wrong[i]);
        assert_int_equal(errors, 1);
        assert_port(COM3);
        assert_int_equal(mapped, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_anybody_com1, set_up),
        cmocka_unit_test_setup(spcr_names_a_port, set_up),
        cmocka_unit_test_setup(spcr_names_memory, set_up),
        cmocka_unit_test_setup(option_goes_before_spcr, set_up),
        cmocka_unit_test_setup(option_names_memory, set_up),
        cmocka_unit_test_setup(option_names_a_card, set_up),
        cmocka_unit_test_setup(card_in_memory, set_up),
        cmocka_unit_test_setup(screen_alone, set_up),
        cmocka_unit_test_setup(what_is_not_there_is_said, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
