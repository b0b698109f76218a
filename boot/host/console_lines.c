/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/console_lines.h"

#include "arch/x86/cpu.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/trap.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "core/vm/vm.h"

#define STORM     1000 /* interrupts without a byte in a second: more than keys make that mean no byte */
#define MAX_LINES 2    /* serial port, keyboard */

static struct {
    void *regs;
    unsigned pins;
    uint64_t *before;
} ioapics[ACPI_MAX_IOAPICS];

static struct interrupt_line lines[MAX_LINES];
static unsigned line_count;
static unsigned empty; /* interrupts without a byte, since */
static uint64_t empty_since;
static bool doubted; /* whether interrupts arrive: none with a byte has come yet */

void console_lines_setup(void)
{
    for (unsigned i = 0; i < machine.acpi.madt.ioapic_count; i++) {
        void *regs = machine_map_device(machine.acpi.madt.ioapics[i].address, PAGE_SIZE, MAP_DEVICE);

        _Static_assert(IOAPIC_MAX_PINS * sizeof(uint64_t) <= PAGE_SIZE, "one page");
        ioapics[i].before = memory_alloc_zeroed(&memory_host, MEMORY_STATE, 1);
        if (!ioapics[i].before)
            panic("no memory for the state of I/O APIC %u", i);
        ioapics[i].pins = ioapic_setup(regs, ioapics[i].before);
        ioapics[i].regs = regs;
    }
}

static void mask_all(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ioapics) && ioapics[i].regs; i++)
        ioapic_mask(ioapics[i].regs, ioapics[i].pins);
}

static void poll_from_now_on(void)
{
    doubted = false;
    console_poll(true);
    if (this_cpu()->vcpu)
        this_cpu()->vcpu->due |= DUE_TIMER; /* the backend has another deadline to watch */
}

/* A level-triggered input whose polarity firmware got wrong, or that another device holds: this CPU would do
 * nothing else any more. */
static COLD void end_storm(void)
{
    mask_all();
    log_error("%u interrupts of the console in a second without a byte: masked, keys are polled from now on",
              STORM);
    for (unsigned i = 0; i < line_count; i++)
        log_error("  I/O APIC input %u was %s-triggered, active %s", lines[i].gsi,
                  lines[i].level ? "level" : "edge", lines[i].low ? "low" : "high");
    poll_from_now_on();
}

static void count_empty(void)
{
    uint64_t now = rdtsc();

    if (!empty || now - empty_since > machine.tsc_hz) {
        empty = 0;
        empty_since = now;
    }
    if (++empty == STORM)
        end_storm();
}

static void on_interrupt(void *context UNUSED)
{
    if (!console_take_keys()) {
        count_empty();
        return;
    }
    empty = 0;
    if (doubted)
        console_poll(false);
    doubted = false;
}

/* The input's message has the form without remapping, which need not reach a CPU in x2APIC mode. */
static void doubt(void)
{
    if (!lapic_in_x2apic_mode() || line_count > 1)
        return;
    log_info("x2APIC mode, as the firmware left it: keys are polled until an interrupt has brought one");
    doubted = true;
    console_poll(true);
}

static void open_pin(unsigned ioapic, unsigned pin, struct interrupt_line line)
{
    ASSERT(line_count < MAX_LINES);
    lines[line_count++] = line;
    interrupt_install(VECTOR_CONSOLE, on_interrupt, NULL);
    ioapic_route(ioapics[ioapic].regs, pin, VECTOR_CONSOLE, this_cpu()->apic_id, line.level, line.low);
    doubt();
}

bool console_line_open(struct interrupt_line line)
{
    for (unsigned i = 0; i < machine.acpi.madt.ioapic_count; i++) {
        uint32_t pin = line.gsi - machine.acpi.madt.ioapics[i].gsi_base;

        if (pin >= ioapics[i].pins)
            continue;
        open_pin(i, pin, line);
        return true;
    }
    log_error("no I/O APIC has input %u, which is the console's: keys are polled", line.gsi);
    poll_from_now_on();
    return false;
}

void console_lines_close(void)
{
    console_poll(false);
    mask_all();
}

void console_lines_put_back(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ioapics) && ioapics[i].regs; i++)
        ioapic_put_back(ioapics[i].regs, ioapics[i].pins, ioapics[i].before);
}
