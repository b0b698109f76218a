/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/power.h"

#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "core/backend.h"
#include "core/console.h"
#include "core/format.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/smp.h"

#define SLP_EN        BIT(13)
#define SLP_TYP_SHIFT 10
#define SCI_EN        BIT(0)
#define SLEEP_EN      BIT(5) /* of the sleep control register of hardware-reduced ACPI */
#define LEAVE_SECONDS 2

static struct spinlock once; /* never released: two CPUs may find at the same time that all is over */

static void register_write(const struct acpi_register *r, uint64_t value)
{
    unsigned bytes = r->width ? (r->width + 7u) / 8 : 2;

    if (r->space == ACPI_PORT && bytes == 1)
        outb((uint16_t)r->address, (uint8_t)value);
    else if (r->space == ACPI_PORT && bytes == 2)
        outw((uint16_t)r->address, (uint16_t)value);
    else if (r->space == ACPI_PORT)
        outl((uint16_t)r->address, (uint32_t)value);
    else if (r->space == ACPI_MEMORY)
        store_le(machine_map_device(hpa(r->address), bytes, MAP_DEVICE), value, bytes);
}

void power_leave(void)
{
    backend.cpu_disable(this_cpu());
    __atomic_store_n(&this_cpu()->left, true, __ATOMIC_RELEASE);
    halt_forever();
}

/* Every CPU does VMCLEAR and VMXOFF before the machine leaves our hands. */
static void take_back_cpus(void)
{
    uint64_t start;

    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i] == this_cpu())
            continue;
        cpus[i]->leave = true;
        smp_kick(cpus[i]);
    }
    start = rdtsc();
    for (unsigned i = 0; i < cpu_count; i++) {
        while (cpus[i] != this_cpu() && !cpus[i]->left) {
            if (rdtsc() - start > machine.tsc_hz * LEAVE_SECONDS) {
                log_error("CPU %u does not give its guest up", i);
                break;
            }
            cpu_pause();
        }
    }
    backend.cpu_disable(this_cpu());
}

static void enter_acpi_mode(const struct acpi_fadt *f)
{
    if (f->smi_command && f->acpi_enable && f->pm1a_control.space == ACPI_PORT &&
        !(inw((uint16_t)f->pm1a_control.address) & SCI_EN))
        outb((uint16_t)f->smi_command, f->acpi_enable);
}

static void soft_off(void)
{
    const struct acpi_fadt *f = &machine.acpi.fadt;
    const struct acpi_s5 *s5 = &machine.acpi.s5;

    if (!f->present || !s5->present)
        return;
    if (f->hw_reduced) {
        register_write(&f->sleep_control, (uint64_t)s5->a << 2 | SLEEP_EN);
        return;
    }
    enter_acpi_mode(f);
    register_write(&f->pm1a_control, (uint64_t)s5->a << SLP_TYP_SHIFT | SLP_EN);
    if (f->pm1b_control.address)
        register_write(&f->pm1b_control, (uint64_t)s5->b << SLP_TYP_SHIFT | SLP_EN);
}

void power_off(void)
{
    if (!spin_try(&once))
        power_leave();
    take_back_cpus();
    log_info("power off");
    console_flush();
    soft_off();
    power_halt("this machine does not switch itself off");
}

void power_halt(const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    log_info("halted: %s", text);
    console_flush();
    halt_forever();
}
