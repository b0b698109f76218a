/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest under an exit budget. Command line: poll: looks at memory and the TSC for ever, as a network
 * function without interrupts does, and never exits; otherwise it exits once for each of several reasons,
 * each time after more than a second of the same.
 */
#include "lib/guest.h"

#define SECOND 100000000u /* and a quarter: no two reasons in one second of the budget */
#define IOAPIC 0xfec00000u
#define NOBODY 0x1234

const char guest_name[] = "budget";

static volatile uint32_t ring[64];

static uint32_t poll(uint64_t ticks)
{
    uint64_t start = rdtsc();
    uint32_t sum = 0;

    while (rdtsc() - start < ticks) {
        for (unsigned i = 0; i < ARRAY_SIZE(ring); i++)
            sum += ring[i];
    }
    return sum;
}

static void by_cpuid(void)
{
    cpuid(0, 0);
}

static void by_rdmsr(void)
{
    rdmsr(APIC_BASE_MSR);
}

static void by_wrmsr(void)
{
    wrmsr(TSC_DEADLINE_MSR, 0);
}

static void by_port(void)
{
    outb(NOBODY, 0x5a);
}

static void by_memory(void)
{
    mmio_read(IOAPIC + 0x10);
}

static void by_call(void)
{
    uint32_t a = 0x5000;

    __asm__ volatile("vmcall" : "+a"(a) : : "memory");
}

static void by_cr(void)
{
    write_cr0(read_cr0() | BIT(30)); /* CD */
}

static void (*const exits[])(void) = {by_cpuid, by_rdmsr, by_wrmsr, by_port, by_memory, by_call, by_cr};

void guest_main(const struct boot_info *info)
{
    say("begins");
    uart_drain();
    if (boot_word(info, "poll")) {
        for (;;)
            ring[0] = poll(SECOND);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(exits); i++) {
        poll(SECOND + SECOND / 4);
        exits[i]();
    }
    poll(SECOND + SECOND / 4);
}
