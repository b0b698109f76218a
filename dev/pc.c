/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/pc.h"
#include "apic/registers.h"
#include "apic/vioapic.h"
#include "apic/vlapic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/string.h"
#include "core/base/blobs.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "dev/acpi_tables.h"
#include "dev/bus.h"
#include "dev/firmware.h"
#include "dev/keyboard.h"
#include "dev/pit.h"
#include "dev/power.h"
#include "dev/rtc.h"
#include "dev/uart.h"
#include "sched/vm_run.h"

#define UART_PORTS  8
#define UART_PIN    4
#define RTC_INDEX   0x70
#define IOAPIC_SIZE PAGE_SIZE
#define ACPI_BASE \
    UINT64_C(0xe0000) /* in the hole below 1 MiB, where the specification lets one look for it */
#define ACPI_SIZE UINT64_C(0x2000)

_Static_assert(ACPI_TABLES_LAPIC_BASE == VLAPIC_BASE && ACPI_TABLES_IOAPIC_BASE == VIOAPIC_BASE,
               "guests find them where they are");
_Static_assert(ACPI_BASE % 16 == 0 && ACPI_BASE + ACPI_SIZE < MIB - KIB, "below 1 MiB and what begins there");
_Static_assert(UART_PIN < VIOAPIC_PINS, "a pin that is there");
_Static_assert(POWER_PORT_STATUS == POWER_PORT_SLEEP + 1, "one range");

enum { SERIAL, CLOCK, TIMER, KEYBOARD, POWER, IOAPIC, DEVICES };

struct pc {
    struct vm *vm;
    struct bus bus;
    struct device devices[DEVICES]; /* each has the lock of the model below it */
    struct uart uart;               /* and of vm->input */
    struct rtc rtc;
    struct pit pit;
    struct keyboard keyboard;
    struct power power;
    struct vioapic ioapic; /* its lock is taken under those of devices with a pin */
};

/* --- UART: its line goes to the console, its interrupt to a pin --- */

void pc_set_pin(struct vm *vm, unsigned pin, bool level)
{
    struct pc *pc = vm->pc;

    spin_lock(&pc->devices[IOAPIC].lock);
    vioapic_set_pin(vm, &pc->ioapic, pin, level);
    spin_unlock(&pc->devices[IOAPIC].lock);
}

static bool uart_transmit(void *context, uint8_t byte)
{
    struct pc *pc = context;

    bool room = console_guest_output(&pc->vm->console, byte);

    if (this_cpu()->sends && this_cpu()->vcpu)
        this_cpu()->vcpu->due |= DUE_TIMER; /* the backend has another deadline to watch */
    return room;
}

/* By whichever CPU has made the room. */
static void console_writable(void *context)
{
    struct pc *pc = context;

    spin_lock(&pc->devices[SERIAL].lock);
    uart_writable(&pc->uart);
    spin_unlock(&pc->devices[SERIAL].lock);
}

static void uart_irq(void *context, bool level)
{
    const struct pc *pc = context;

    pc_set_pin(pc->vm, UART_PIN, level);
}

/* Hands over what was typed, as far as the UART takes it. */
static void feed(struct pc *pc)
{
    struct vm *vm = pc->vm;

    if (vm->typed && vm->input_tail != vm->input_head && vm->typed(vm))
        return;
    while (vm->input_tail != vm->input_head && uart_receive(&pc->uart, vm->input[vm->input_tail % VM_INPUT]))
        vm->input_tail++;
}

static uint32_t serial_read(void *context, unsigned reg, unsigned size UNUSED)
{
    struct pc *pc = context;
    uint8_t byte;

    if (unlikely(pc->uart.busy) && console_room(&pc->vm->console) >= CONSOLE_RESERVE)
        uart_writable(&pc->uart); /* a guest that polls need not wait for console_writable() */
    byte = uart_read(&pc->uart, reg);
    feed(pc);
    return byte;
}

static void serial_write(void *context, unsigned reg, unsigned size UNUSED, uint32_t value)
{
    struct pc *pc = context;

    uart_write(&pc->uart, reg, (uint8_t)value);
}

static void serial_reset(void *context)
{
    struct pc *pc = context;

    uart_reset(&pc->uart);
    pc->vm->input_head = pc->vm->input_tail = 0;
}

unsigned pc_take_input(struct vm *vm, void *bytes, unsigned n)
{
    struct spinlock *lock = &vm->pc->devices[SERIAL].lock;
    unsigned taken = 0;

    spin_lock(lock);
    for (uint8_t *to = bytes; taken < n && vm->input_tail != vm->input_head; taken++)
        to[taken] = vm->input[vm->input_tail++ % VM_INPUT];
    spin_unlock(lock);
    return taken;
}

void pc_input(struct vm *vm, uint8_t byte)
{
    struct spinlock *lock = &vm->pc->devices[SERIAL].lock;

    spin_lock(lock);
    if (vm->input_head - vm->input_tail < VM_INPUT)
        vm->input[vm->input_head++ % VM_INPUT] = byte;
    else
        vm->input_lost++;
    feed(vm->pc);
    spin_unlock(lock);
}

bool pc_break(struct vm *vm)
{
    struct spinlock *lock = &vm->pc->devices[SERIAL].lock;
    bool taken;

    spin_lock(lock);
    taken = uart_break(&vm->pc->uart);
    spin_unlock(lock);
    return taken;
}

/* --- clock: shows the host's time --- */

static struct rtc_time clock_time(void)
{
    uint64_t ns = machine_time_ns();

    return (struct rtc_time){ns / NANOSECONDS, (uint32_t)(ns % NANOSECONDS)};
}

static uint32_t clock_read(void *context, unsigned port, unsigned size UNUSED)
{
    struct pc *pc = context;

    return rtc_read(&pc->rtc, port, clock_time());
}

static void clock_write(void *context, unsigned port, unsigned size UNUSED, uint32_t value)
{
    struct pc *pc = context;

    rtc_write(&pc->rtc, port, (uint8_t)value, clock_time());
}

static void clock_reset(void *context)
{
    struct pc *pc = context;

    rtc_reset(&pc->rtc, clock_time());
    firmware_fill_cmos(pc->rtc.cmos, pc->vm->memory);
}

/* --- timers: the 8254, and ACPI's, of which any bytes may be read --- */

static uint32_t timer_read(void *context, unsigned port, unsigned size UNUSED)
{
    struct pc *pc = context;
    uint64_t now = machine_time_ns();

    if (port >= ACPI_TABLES_PM_TIMER)
        return pm_timer(now) >> 8 * (port - ACPI_TABLES_PM_TIMER);
    return pit_read(&pc->pit, port, now);
}

static void timer_write(void *context, unsigned port, unsigned size UNUSED, uint32_t value)
{
    struct pc *pc = context;

    if (port < ACPI_TABLES_PM_TIMER)
        pit_write(&pc->pit, port, (uint8_t)value, machine_time_ns());
}

static void timer_reset(void *context)
{
    struct pc *pc = context;

    pit_reset(&pc->pit);
}

/* --- keyboard controller --- */

static uint32_t read_keyboard(void *context, unsigned port, unsigned size UNUSED)
{
    struct pc *pc = context;

    return keyboard_read(&pc->keyboard, (uint16_t)port);
}

static void write_keyboard(void *context, unsigned port, unsigned size UNUSED, uint32_t value)
{
    struct pc *pc = context;

    if (keyboard_write(&pc->keyboard, (uint16_t)port, (uint8_t)value))
        vm_request_end(pc->vm, VM_END_RESET, "has reset itself");
}

static void reset_keyboard(void *context)
{
    struct pc *pc = context;

    keyboard_reset(&pc->keyboard);
}

/* --- power ports: end the VM --- */

static uint32_t read_power(void *context, unsigned port, unsigned size UNUSED)
{
    struct pc *pc = context;

    return power_read(&pc->power, (uint16_t)port);
}

static void write_power(void *context, unsigned port, unsigned size UNUSED, uint32_t value)
{
    struct pc *pc = context;
    enum power_event event = power_write(&pc->power, (uint16_t)port, (uint8_t)value);

    if (event == POWER_OFF)
        vm_request_end(pc->vm, VM_END_OFF, "has powered off");
    else if (event == POWER_RESET)
        vm_request_end(pc->vm, VM_END_RESET, "has reset itself");
}

static void reset_power(void *context)
{
    struct pc *pc = context;

    power_reset(&pc->power);
}

/* --- I/O APIC --- */

static uint32_t read_ioapic(void *context, unsigned offset)
{
    struct pc *pc = context;

    return vioapic_read(&pc->ioapic, offset);
}

static void write_ioapic(void *context, unsigned offset, uint32_t value)
{
    struct pc *pc = context;

    vioapic_write(pc->vm, &pc->ioapic, offset, value);
}

static const struct registers ioapic_registers = {read_ioapic, read_ioapic, write_ioapic};

static uint64_t ioapic_read(void *context, unsigned offset, unsigned size)
{
    if (likely(registers_whole(offset, size)))
        return read_ioapic(context, offset);
    return registers_read(&ioapic_registers, context, offset, size);
}

static void ioapic_write(void *context, unsigned offset, unsigned size, uint64_t value)
{
    if (likely(registers_whole(offset, size)))
        write_ioapic(context, offset, (uint32_t)value);
    else
        registers_write(&ioapic_registers, context, offset, size, value);
}

static void ioapic_reset(void *context)
{
    struct pc *pc = context;

    vioapic_reset(&pc->ioapic);
}

static void ioapic_end_of_interrupt(struct vm *vm, unsigned vector)
{
    struct spinlock *lock = &vm->pc->devices[IOAPIC].lock;

    spin_lock(lock);
    vioapic_eoi(vm, &vm->pc->ioapic, vector);
    spin_unlock(lock);
}

/* --- what the machine consists of --- */

static const struct device_ops devices[] = {
    [SERIAL] = {.name = "UART", .port_read = serial_read, .port_write = serial_write, .reset = serial_reset},
    [CLOCK] = {.name = "clock", .port_read = clock_read, .port_write = clock_write, .reset = clock_reset},
    [TIMER] = {.name = "timer", .port_read = timer_read, .port_write = timer_write, .reset = timer_reset},
    [KEYBOARD] = {.name = "keyboard",
                  .port_read = read_keyboard,
                  .port_write = write_keyboard,
                  .reset = reset_keyboard},
    [POWER] = {.name = "power", .port_read = read_power, .port_write = write_power, .reset = reset_power},
    [IOAPIC] = {.name = "I/O APIC",
                .mmio_read = ioapic_read,
                .mmio_write = ioapic_write,
                .reset = ioapic_reset},
};

_Static_assert(ARRAY_SIZE(devices) == DEVICES && DEVICES <= BUS_MAX_DEVICES, "each has a row, and a place");

static const struct row {
    const char *(*add)(struct bus *bus, struct device *device, const struct bus_range *range);
    unsigned device;
    struct bus_range range;
} rows[] = {
    {bus_add_ports, SERIAL, {UART_BASE, UART_PORTS, BUS_BYTE, 0}},
    {bus_add_ports, CLOCK, {RTC_INDEX, 2, BUS_BYTE, 0}},
    {bus_add_ports, POWER, {POWER_PORT_SLEEP, 2, BUS_BYTE, POWER_PORT_SLEEP}}, /* and POWER_PORT_STATUS */
    {bus_add_ports, POWER, {POWER_PORT_RESET, 1, BUS_BYTE, POWER_PORT_RESET}},
    {bus_add_ports, POWER, {POWER_PORT_FAST, 1, BUS_BYTE, POWER_PORT_FAST}},
    {bus_add_ports, TIMER, {PIT_PORT, PIT_PORTS, BUS_BYTE, 0}},
    {bus_add_ports, TIMER, {PIT_PORT_CONTROL, 1, BUS_BYTE, PIT_PORT_CONTROL}},
    {bus_add_ports, TIMER, {ACPI_TABLES_PM_TIMER, 4, BUS_BYTE | BUS_WORD | BUS_DWORD, ACPI_TABLES_PM_TIMER}},
    {bus_add_ports, KEYBOARD, {KEYBOARD_PORT_DATA, 1, BUS_BYTE, KEYBOARD_PORT_DATA}},
    {bus_add_ports, KEYBOARD, {KEYBOARD_PORT_COMMAND, 1, BUS_BYTE, KEYBOARD_PORT_COMMAND}},
    {bus_add_memory, IOAPIC, {VIOAPIC_BASE, IOAPIC_SIZE, BUS_BYTE | BUS_WORD | BUS_DWORD | BUS_QWORD, 0}},
};

/* The rows are ours: one that the bus refuses is a mistake of ours. */
static void expect_taken(const struct device_ops *ops, const char *why)
{
    if (why)
        panic("%s: %s", ops->name, why);
}

bool pc_create(struct vm *vm, const struct placement *p UNUSED)
{
    struct pc *pc = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);

    _Static_assert(sizeof(*pc) <= PAGE_SIZE, "one page");
    ASSERT(!vm->pc && !vm->bus);
    vm->pc = pc;
    if (!pc)
        return false;
    vm->bus = &pc->bus;
    vm->eoi = ioapic_end_of_interrupt;
    pc->vm = vm;
    uart_init(&pc->uart, uart_transmit, uart_irq, pc);
    vm->console.writable = console_writable;
    vm->console.context = pc;
    console_add(&vm->console);
    for (unsigned i = 0; i < DEVICES; i++) {
        pc->devices[i] = (struct device){.ops = &devices[i], .context = pc};
        expect_taken(&devices[i], bus_attach(&pc->bus, &pc->devices[i]));
    }
    for (const struct row *r = rows; r < rows + ARRAY_SIZE(rows); r++)
        expect_taken(&devices[r->device], r->add(&pc->bus, &pc->devices[r->device], &r->range));
    return true;
}

void pc_reset(struct vm *vm)
{
    bus_reset(vm->bus);
}

void pc_destroy(struct vm *vm)
{
    if (!vm->bus) /* it may not have been built so far */
        return;
    console_remove(&vm->console);
    bus_destroy(vm->bus);
}

/* --- what firmware leaves behind --- */

bool pc_write_firmware(struct vm *vm, struct image *image)
{
    uint32_t ids[VM_MAX_VCPUS];
    struct acpi_params params = {.vcpu_count = vm->vcpu_count,
                                 .apic_ids = ids,
                                 .dsdt = dsdt_aml,
                                 .dsdt_size = dsdt_aml_size,
                                 .pci = vm->pci ? pci_aml : NULL,
                                 .pci_size = pci_aml_size};
    void *buffer = guest_map(vm, gpa(ACPI_BASE), ACPI_SIZE);

    ASSERT(vm->vcpu_count > 0 && vm->vcpu_count <= ARRAY_SIZE(ids));
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        ids[i] = vm->vcpus[i]->apic_id;
    if (!buffer || !firmware_write(vm) ||
        !acpi_tables_build(buffer, ACPI_SIZE, gpa(ACPI_BASE), &params, &image->acpi_rsdp))
        return false;
    image->acpi_base = gpa(ACPI_BASE);
    image->acpi_size = ACPI_SIZE;
    return true;
}
