/* SPDX-License-Identifier: BSD-2-Clause */
/* How many ticks instructions take on one of several CPUs: one each. */
#include "lib/vmm.h"

#define TURNS 100u

const char guest_name[] = "vmx-time";

static uint32_t take_turns(uint32_t turns)
{
    uint64_t start = rdtsc();

    __asm__ volatile("1: decl %0; jnz 1b" : "+r"(turns));
    return (uint32_t)(rdtsc() - start);
}

static uint32_t ask_cpuid(void)
{
    uint64_t start = rdtsc();

    (void)cpuid(0, 0);
    return (uint32_t)(rdtsc() - start);
}

static void measure(const char *what)
{
    uint32_t one = take_turns(TURNS), two = take_turns(2 * TURNS), once = ask_cpuid();
    bool steady = true;

    for (unsigned i = 0; i < 20; i++)
        steady &= take_turns(TURNS) - one + 1 <= 2 && ask_cpuid() - once + 1 <= 2;
    /* Time goes on between the turns of two CPUs: either half tick can fall outside. */
    check(two - one + 1 - 2 * TURNS <= 2, "%s: %u instructions take %u ticks", what, 2 * TURNS, two - one);
    check(steady, "%s: the same again and again", what);
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    apic_enable();
    measure("second CPU not started");
    check(second_cpu_start(), "the second CPU starts");
    measure("second CPU halted");
    vmm_end();
}
