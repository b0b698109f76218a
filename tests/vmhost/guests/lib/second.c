/* SPDX-License-Identifier: BSD-2-Clause */
/* A second CPU, which does nothing but count interrupts. */
#include "vmm.h"
#include "tests/guests/lib/second_cpu.h"

volatile uint32_t second_cpu_count[256];
volatile uint32_t second_cpu_id;

static volatile bool ready;
static bool x2apic_wanted;

static void count(struct trap_frame *frame)
{
    second_cpu_count[frame->vector]++;
    apic_write(APIC_EOI, 0);
}

static void count_forever(void)
{
    if (x2apic_wanted)
        wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
    apic_enable();
    second_cpu_id = x2apic_wanted ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
    ready = true;
    for (;;)
        __asm__ volatile("sti; hlt");
}

bool second_cpu_start(void)
{
    x2apic_wanted = apic_in_x2apic_mode();
    on_interrupt(0x71, count);
    if (!second_cpu_run(count_forever))
        return false;
    while (!ready)
        __asm__ volatile("pause");
    return true;
}
