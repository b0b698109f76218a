/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/pc.h"
#include "apic/vioapic.h"
#include "arch/x86/percpu.h"
#include "core/base/blobs.h"
#include "core/base/machine.h"
#include "dev/acpi_tables.h"
#include "dev/power.h"
#include "dev/rtc.h"
#include "dev/uart.h"
#include "sched/vm_run.h"

#define UART_BASE    0x3f8
#define UART_PORTS   8
#define UART_PIN     4
#define RTC_INDEX    0x70
#define RTC_DATA     0x71
#define IOAPIC_SIZE  PAGE_SIZE
#define RESET_VECTOR UINT64_C(0xffff0)
#define ACPI_BASE \
    UINT64_C(0xe0000) /* in the hole below 1 MiB, where the specification lets one look for it */
#define ACPI_SIZE UINT64_C(0x2000)

struct pc {
    struct vm *vm;
    struct uart uart;
    struct rtc rtc;
    struct power power;
    struct vioapic ioapic;
};

static void uart_transmit(void *context, uint8_t byte)
{
    struct pc *pc = context;

    console_guest_output(&pc->vm->console, byte);
    if (console_backlog && this_cpu()->vcpu)
        this_cpu()->vcpu->due |= DUE_SEND;
}

static void uart_irq(void *context, bool level)
{
    struct pc *pc = context;

    vioapic_set_pin(pc->vm, &pc->ioapic, UART_PIN, level);
}

bool pc_create(struct vm *vm, const struct placement *p UNUSED)
{
    _Static_assert(sizeof(struct pc) <= PAGE_SIZE, "one page");
    vm->pc = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);
    if (!vm->pc)
        return false;
    vm->pc->vm = vm;
    uart_init(&vm->pc->uart, uart_transmit, uart_irq, vm->pc);
    return true;
}

void pc_reset(struct vm *vm)
{
    vioapic_reset(&vm->pc->ioapic);
    uart_reset(&vm->pc->uart);
    rtc_reset(&vm->pc->rtc);
    power_reset(&vm->pc->power);
}

void pc_eoi(struct vm *vm, unsigned vector)
{
    spin_lock(&vm->lock);
    vioapic_eoi(vm, &vm->pc->ioapic, vector);
    spin_unlock(&vm->lock);
}

void pc_input_ready(struct vm *vm)
{
    while (vm->input_tail != vm->input_head &&
           uart_receive(&vm->pc->uart, vm->input[vm->input_tail % VM_INPUT]))
        vm->input_tail++;
}

/*
 * What stands at the reset vector FFFF:0000. Linux on hardware-reduced ACPI without UEFI reboots by jumping
 * there in real mode: mov dx, 0cf9h; mov al, 6; out dx, al; hlt; jmp to the hlt.
 */
static bool write_reset_vector(struct vm *vm)
{
    static const uint8_t code[] = {0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd};

    return guest_write(vm, gpa(RESET_VECTOR), code, sizeof(code));
}

bool pc_write_firmware(struct vm *vm, struct image *image)
{
    uint32_t ids[VM_MAX_VCPUS];
    struct acpi_params params = {
        .vcpu_count = vm->vcpu_count, .apic_ids = ids, .dsdt = dsdt_aml, .dsdt_size = dsdt_aml_size};
    void *buffer = guest_map(vm, gpa(ACPI_BASE), ACPI_SIZE);

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        ids[i] = vm->vcpus[i]->apic_id;
    if (!buffer || !write_reset_vector(vm) ||
        !acpi_tables_build(buffer, ACPI_SIZE, gpa(ACPI_BASE), &params, &image->acpi_rsdp))
        return false;
    image->acpi_base = gpa(ACPI_BASE);
    image->acpi_size = ACPI_SIZE;
    return true;
}

/* --- I/O ports --- */

enum device { NOBODY, UART, CLOCK, POWER };

static enum device device_at(uint16_t port)
{
    switch (port) {
    case UART_BASE ... UART_BASE + UART_PORTS - 1: return UART;
    case RTC_INDEX:
    case RTC_DATA: return CLOCK;
    case POWER_PORT_SLEEP:
    case POWER_PORT_STATUS:
    case POWER_PORT_RESET:
    case POWER_PORT_KEYBOARD: return POWER;
    default: return NOBODY;
    }
}

static uint8_t read_byte(struct vm *vm, enum device device, uint16_t port)
{
    struct pc *pc = vm->pc;
    uint8_t byte;

    switch (device) {
    case UART:
        byte = uart_read(&pc->uart, port - UART_BASE);
        pc_input_ready(vm);
        return byte;
    case CLOCK: return rtc_read(&pc->rtc, port - RTC_INDEX, machine_time());
    default: return power_read(&pc->power, port);
    }
}

bool pc_port_read(struct vm *vm, uint16_t port, unsigned size, uint32_t *value)
{
    enum device device = device_at(port);

    *value = UINT32_MAX >> (32 - 8 * size);
    if (device == NOBODY || size != 1)
        return false; /* none of the devices is wider */
    spin_lock(&vm->lock);
    *value = read_byte(vm, device, port);
    spin_unlock(&vm->lock);
    return true;
}

static void write_power(struct vm *vm, uint16_t port, uint8_t value)
{
    enum power_event event = power_write(&vm->pc->power, port, value);

    if (event == POWER_OFF)
        vm_request_end(vm, VM_END_OFF, "has powered off");
    else if (event == POWER_RESET)
        vm_request_end(vm, VM_END_RESET, "has reset itself");
}

static void write_byte(struct vm *vm, enum device device, uint16_t port, uint8_t value)
{
    struct pc *pc = vm->pc;

    switch (device) {
    case UART: uart_write(&pc->uart, port - UART_BASE, value); break;
    case CLOCK: rtc_write(&pc->rtc, port - RTC_INDEX, value, machine_time()); break;
    default: write_power(vm, port, value); break;
    }
}

bool pc_port_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value)
{
    enum device device = device_at(port);

    if (device == NOBODY || size != 1)
        return false;
    spin_lock(&vm->lock);
    write_byte(vm, device, port, (uint8_t)value);
    spin_unlock(&vm->lock);
    return true;
}

/* --- memory-mapped registers --- */

static bool is_ioapic(gpa_t at, unsigned size, unsigned *offset)
{
    *offset = (unsigned)(at.value - VIOAPIC_BASE);
    return at.value >= VIOAPIC_BASE && at.value - VIOAPIC_BASE < IOAPIC_SIZE && size == 4;
}

bool pc_mmio_read(struct vm *vm, gpa_t at, unsigned size, uint64_t *value)
{
    unsigned offset;

    if (!is_ioapic(at, size, &offset))
        return false;
    spin_lock(&vm->lock);
    *value = vioapic_read(&vm->pc->ioapic, offset);
    spin_unlock(&vm->lock);
    return true;
}

bool pc_mmio_write(struct vm *vm, gpa_t at, unsigned size, uint64_t value)
{
    unsigned offset;

    if (!is_ioapic(at, size, &offset))
        return false;
    spin_lock(&vm->lock);
    vioapic_write(vm, &vm->pc->ioapic, offset, (uint32_t)value);
    spin_unlock(&vm->lock);
    return true;
}
