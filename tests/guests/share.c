/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which share of its CPU's time a guest has: turns of a loop, by the time that they take when nobody is in
 * between. Command line: ms=N, for so long; least=N, the share in percent that it must have.
 */
#include "lib/guest.h"

#define TURNS 500

const char guest_name[] = "share";

static uint32_t turns(void)
{
    uint64_t start = rdtsc();

    for (unsigned i = 0; i < TURNS; i++)
        __asm__ volatile("" : : : "memory");
    return (uint32_t)(rdtsc() - start);
}

void guest_main(const struct boot_info *info)
{
    uint32_t ms = boot_number(info, "ms", 500), least = boot_number(info, "least", 48);
    uint32_t length = (uint32_t)tsc_hz() / 1000 * ms, shortest = UINT32_MAX, count = 0, percent;
    uint64_t start = rdtsc();

    while (rdtsc() - start < length) {
        uint32_t took = turns();

        shortest = took < shortest ? took : shortest;
        count++;
    }
    percent = count * shortest / (length / 100);
    check(percent >= least, "%u percent of its CPU, at least %u expected", (unsigned)percent,
          (unsigned)least);
}
