/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/soft_off.h"

#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "arch/x86/pci_config.h"
#include "core/base/machine.h"

#define SCI_EN        BIT(0)  /* of PM1 control */
#define GBL_RLS       BIT(2)  /* raises an SMI when it is written as 1 */
#define SLP_TYP       0x1c00u /* bits 12:10 */
#define SLP_TYP_SHIFT 10
#define SLP_EN        BIT(13)
#define WAK_STS       BIT(15) /* of PM1 status; cleared by writing 1 */
#define SLEEP_EN      BIT(5)  /* of the sleep control register of hardware-reduced ACPI */

#define TRIES             3
#define ACPI_MODE_SECONDS 3 /* until the firmware must have answered */

/* A register's width in its description is not believed: a wider write would hit its neighbours. */
static uint16_t read_pm1(const struct acpi_register *r)
{
    if (!r->address)
        return 0;
    if (r->space == ACPI_PORT)
        return inw((uint16_t)r->address);
    if (r->space == ACPI_MEMORY)
        return (uint16_t)load_le(machine_map_device(hpa(r->address), 2, MAP_DEVICE), 2);
    return 0;
}

static void write_pm1(const struct acpi_register *r, uint64_t value)
{
    if (!r->address)
        return;
    if (r->space == ACPI_PORT)
        outw((uint16_t)r->address, (uint16_t)value);
    else if (r->space == ACPI_MEMORY)
        store_le(machine_map_device(hpa(r->address), 2, MAP_DEVICE), value, 2);
}

/* Bus 0: bits 47:32 are the device, 31:16 the function, 15:0 the offset. */
static void write_config_byte(uint64_t address, uint8_t value)
{
    pci_write_byte(pci_function(0, address >> 32 & 31, address >> 16 & 7), address & 0xff, value);
}

static void write_byte(const struct acpi_register *r, uint8_t value)
{
    if (r->space == ACPI_PORT)
        outb((uint16_t)r->address, value);
    else if (r->space == ACPI_MEMORY)
        store_le(machine_map_device(hpa(r->address), 1, MAP_DEVICE), value, 1);
    else if (r->space == ACPI_PCI)
        write_config_byte(r->address, value);
}

static void wait_a_second(void)
{
    uint64_t start = rdtsc();

    while (rdtsc() - start < machine.tsc_hz)
        cpu_pause();
}

static bool in_acpi_mode(const struct acpi_fadt *f)
{
    return read_pm1(&f->pm1a_control) & SCI_EN;
}

/* The firmware sets SCI_EN when its SMI handler is done; what is written before may be lost. */
static void enter_acpi_mode(const struct acpi_fadt *f)
{
    uint64_t start = rdtsc();

    if (!f->smi_command || !f->acpi_enable || in_acpi_mode(f))
        return;
    outb((uint16_t)f->smi_command, f->acpi_enable);
    while (!in_acpi_mode(f) && rdtsc() - start < ACPI_MODE_SECONDS * machine.tsc_hz)
        cpu_pause();
}

/* Else a wake event that is pending or comes now starts the machine again. */
static void silence_events(const struct acpi_fadt *f)
{
    write_pm1(&f->pm1a_status, WAK_STS);
    write_pm1(&f->pm1b_status, WAK_STS);
    for (unsigned i = 0; i < ARRAY_SIZE(f->gpe); i++) {
        for (unsigned at = f->gpe[i].size / 2; f->gpe[i].port && at < f->gpe[i].size; at++)
            outb((uint16_t)(f->gpe[i].port + at), 0);
    }
}

/* Other bits stay. SLP_TYP goes before SLP_EN, since there are chipsets that take them in two steps only. */
static void write_sleep(const struct acpi_fadt *f, const struct acpi_s5 *s5)
{
    const uint32_t own = SLP_TYP | SLP_EN | GBL_RLS;
    uint32_t a = (read_pm1(&f->pm1a_control) & ~own) | (uint32_t)s5->a << SLP_TYP_SHIFT;
    uint32_t b = (f->pm1b_control.address ? read_pm1(&f->pm1b_control) & ~own : 0) | (uint32_t)s5->b
                                                                                         << SLP_TYP_SHIFT;

    write_pm1(&f->pm1a_control, a);
    write_pm1(&f->pm1b_control, b);
    write_pm1(&f->pm1a_control, a | SLP_EN);
    write_pm1(&f->pm1b_control, b | SLP_EN);
}

static void sleep_once(const struct acpi_fadt *f, const struct acpi_s5 *s5)
{
    if (f->hw_reduced)
        write_byte(&f->sleep_control, (uint8_t)(s5->a << 2 | SLEEP_EN));
    else
        write_sleep(f, s5);
}

void soft_off(const struct acpi_fadt *f, const struct acpi_s5 *s5)
{
    if (!f->present || !s5->present)
        return;
    if (!f->hw_reduced) {
        enter_acpi_mode(f);
        silence_events(f);
    }
    for (unsigned i = 0; i < TRIES; i++) {
        sleep_once(f, s5);
        wait_a_second();
    }
}

void soft_reset(const struct acpi_fadt *f)
{
    if (f->reset.address)
        write_byte(&f->reset, f->reset_value);
}
