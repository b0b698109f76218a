/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/console_choice.h"

#include "arch/x86/features.h"
#include "arch/x86/pci_config.h"
#include "arch/x86/string.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/words.h"

#define COM1 0x3f8
#define COM2 0x2f8

#define UART_REGISTERS 8

/* Interface types of SPCR that are a 16550, or enough of one. */
#define SPCR_16550     0x00
#define SPCR_16450     0x01
#define SPCR_16550_GAS 0x12

#define CLASS_SERIAL  0x0700u /* any programming interface */
#define COMMAND_PORTS 1u
#define COMMAND_MEM   2u
#define COMMAND_MASK  0xffffu
#define BAR_PORTS     1u
#define BAR_64        4u

#define MOST_WORDS 4 /* of the option: pci and three numbers */
#define MOST_TEXT  64

static uint32_t pci_console, pci_command; /* the function whose decoding was switched on, and what it was */
static bool pci_changed;

/* --- where the registers are --- */

static bool overlaps_memory(uint64_t at, uint64_t size)
{
    for (unsigned i = 0; i < machine.boot.memory_count; i++) {
        const struct boot_memory *m = &machine.boot.memory[i];

        if (m->type != MEMORY_RESERVED && at < m->base + m->size && m->base < at + size)
            return true;
    }
    return false;
}

static bool map_registers(const struct acpi_register *r, struct uart_place *p)
{
    unsigned bytes = r->width / 8, size;

    bytes = bytes == 2 || bytes == 4 ? bytes : 1;
    p->width = (uint8_t)(r->access ? MIN(r->access, 4) : bytes);
    p->stride = (uint8_t)MAX(bytes, p->width);
    p->keep_rate = true;
    size = p->stride * UART_REGISTERS;
    if (r->address % p->width || r->address >> cpu_physical_bits() || overlaps_memory(r->address, size))
        return false;
    p->registers = machine_map_device(hpa(r->address), size, MAP_DEVICE);
    return true;
}

/* NULL, or why not. */
static const char *use(const struct acpi_register *r, bool keep_rate)
{
    struct uart_place place = {.keep_rate = keep_rate};

    if (r->space == ACPI_PORT && r->address && r->address <= UINT16_MAX + 1 - UART_REGISTERS)
        place.port = (uint16_t)r->address;
    else if (r->space != ACPI_MEMORY || !r->address || !map_registers(r, &place))
        return "expected the address of a device";
    console_flush(); /* setting a port up again empties its FIFO */
    if (!console_setup(&place))
        return "no 16550 answers there";
    machine.serial = *r;
    return NULL;
}

static const char *use_port(uint16_t port)
{
    const struct acpi_register r = {.space = ACPI_PORT, .width = 8, .address = port};

    return use(&r, false);
}

/* Registers of a byte each, or of four. */
static const char *use_memory(uint64_t address)
{
    const struct acpi_register bytes = {.space = ACPI_MEMORY, .width = 8, .address = address, .access = 1};
    const struct acpi_register words = {.space = ACPI_MEMORY, .width = 32, .address = address, .access = 4};

    return use(&bytes, true) ? use(&words, true) : NULL;
}

/* --- PCI --- */

static void decode(uint32_t function, uint32_t what)
{
    uint32_t command = pci_read(function, PCI_COMMAND) & COMMAND_MASK;

    if (command & what)
        return;
    pci_changed = true;
    pci_console = function;
    pci_command = command;
    pci_write(function, PCI_COMMAND, command | what);
}

void console_choice_put_back(void)
{
    if (pci_changed)
        pci_write(pci_console, PCI_COMMAND, pci_command);
}

static const char *use_first_bar(uint32_t function)
{
    uint32_t bar = pci_read(function, PCI_BAR0);
    uint64_t address = bar & ~UINT64_C(15);
    struct acpi_register ports = {.space = ACPI_PORT, .width = 8, .address = bar & 0xfffc};

    if (bar & BAR_PORTS) {
        decode(function, COMMAND_PORTS);
        return use(&ports, true);
    }
    if (bar & BAR_64)
        address |= (uint64_t)pci_read(function, PCI_BAR0 + 4) << 32;
    decode(function, COMMAND_MEM);
    return use_memory(address);
}

static const char *use_pci(uint32_t function)
{
    if (!pci_present() || pci_read(function, PCI_ID) == PCI_NOBODY)
        return "no such device";
    if (pci_read(function, PCI_CLASS) >> 16 != CLASS_SERIAL)
        return "that device is no serial port";
    return use_first_bar(function);
}

/* --- the boot option --- */

static const char *take_com1(const char *const words[] UNUSED)
{
    return use_port(COM1);
}

static const char *take_com2(const char *const words[] UNUSED)
{
    return use_port(COM2);
}

static const char *take_memory(const char *const words[])
{
    uint64_t address;

    return words_number(words[1], 16, &address) ? use_memory(address) : "expected mmio and an address";
}

static const char *take_pci(const char *const words[])
{
    static const uint64_t limits[] = {256, 32, 8};
    uint64_t numbers[ARRAY_SIZE(limits)];

    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
        if (!words_number(words[1 + i], 16, &numbers[i]) || numbers[i] >= limits[i])
            return "expected pci BUS:DEVICE.FUNCTION";
    }
    return use_pci(pci_function((unsigned)numbers[0], (unsigned)numbers[1], (unsigned)numbers[2]));
}

static const char *take_screen(const char *const words[] UNUSED)
{
    if (!console_leave_port())
        return "there is no screen";
    machine.serial.address = 0;
    return NULL;
}

static const char *take_option(const char *const words[])
{
    static const char *const names[] = {"com1", "com2", "mmio", "pci", "screen"};
    static const char *(*const take[])(const char *const words[]) = {take_com1, take_com2, take_memory,
                                                                     take_pci, take_screen};
    unsigned i = words_find(words[0], names, ARRAY_SIZE(names));

    _Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(take), "one each");
    return i < ARRAY_SIZE(take) ? take[i](words) : "expected com1, com2, mmio, pci or screen";
}

/* Its parts are words of the command line, or have : and . between them. */
static void split_option(const char *value, char text[MOST_TEXT], const char *words[MOST_WORDS])
{
    unsigned n = 0;

    for (; n < MOST_TEXT - 1 && value[n]; n++)
        text[n] = value[n] == ':' || value[n] == '.' ? ' ' : value[n];
    text[n] = 0;
    words_split(text, words, MOST_WORDS);
}

/* True: the console is what the user wants. */
static bool choose_by_option(void)
{
    const char *value = machine_option_value("console"), *words[MOST_WORDS], *why;
    char text[MOST_TEXT];

    if (!value)
        return false;
    split_option(value, text, words);
    why = take_option(words);
    if (why)
        log_error("boot option console=%s: %s; the console is as without it", words[0], why);
    return !why;
}

/* --- the firmware's choice --- */

static bool spcr_is_16550(const struct acpi_spcr *s)
{
    return s->base.space == ACPI_PORT || s->uart == SPCR_16550 || s->uart == SPCR_16450 ||
           s->uart == SPCR_16550_GAS;
}

static bool is_in_use(const struct acpi_register *r)
{
    return r->space == machine.serial.space && r->address == machine.serial.address;
}

static void choose_by_spcr(void)
{
    const struct acpi_spcr *s = &machine.acpi.spcr;

    if (!s->present || !s->base.address || !spcr_is_16550(s))
        return;
    if (!is_in_use(&s->base) && use(&s->base, false))
        return;
    console_flush();
    uart16550_set_rate(s->baud);
}

void console_start(void)
{
    use_port(COM1);
}

void console_choose(void)
{
    if (!choose_by_option())
        choose_by_spcr();
}
