/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much work a guest gets done: turns of a loop until the time-stamp counter has gone on for so long,
 * looked at after every thousand. Command line: ticks=N, in millions.
 */
#include "lib/guest.h"

#define TURNS 1000u

const char guest_name[] = "worker";

static void turns(void)
{
    uint32_t left = TURNS;

    __asm__ volatile("1:\tdecl %0\n\tjnz 1b" : "+r"(left));
}

void guest_main(const struct boot_info *info)
{
    uint64_t ticks = (uint64_t)boot_number(info, "ticks", 200) * 1000000, start = rdtsc(), last = start,
             now = start;
    uint32_t done = 0, longest = 0;

    while (now - start < ticks) {
        turns();
        now = rdtsc();
        if (now - last > longest)
            longest = (uint32_t)(now - last);
        last = now;
        done++;
    }
    check(done > 0, "%u thousand turns in %llu ticks", done, (unsigned long long)(now - start));
    say("work %u longest %u", done, longest);
}
