/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much work a guest gets done: turns of a loop until the time-stamp counter has gone on for so long,
 * looked at after every thousand. Command line: ticks=N, in millions; settle=N: goes on for so many millions
 * before and after them, so that all who share a CPU are there while any of them counts; both: a second CPU
 * works, too; shot: its local APIC's timer comes once, at the beginning, and it never exits again by itself.
 */
#include "lib/second_cpu.h"

#define MILLION 1000000u
#define TURNS   1000u

#define SHOT_VECTOR 0x40
#define SHOT_AFTER  30000000u /* when nothing else is left that asks for time */

const char guest_name[] = "worker";

static uint32_t done, longest;
static volatile uint32_t done_by_second;

static void turns(void)
{
    uint32_t left = TURNS;

    __asm__ volatile("1:\tdecl %0\n\tjnz 1b" : "+r"(left));
}

static void second(void)
{
    for (;;) {
        turns();
        done_by_second++;
    }
}

/* For how long it took. */
static uint64_t work(uint64_t ticks)
{
    uint64_t start = rdtsc(), last = start, now = start;

    done = longest = 0;
    while (now - start < ticks) {
        turns();
        now = rdtsc();
        if (now - last > longest)
            longest = (uint32_t)(now - last);
        last = now;
        done++;
    }
    return now - start;
}

static void shot(struct trap_frame *frame)
{
    (void)frame;
    apic_write(APIC_EOI, 0);
}

static void shoot(void)
{
    on_interrupt(SHOT_VECTOR, shot);
    apic_enable();
    apic_write(APIC_LVT_TIMER, LVT_ONE_SHOT | SHOT_VECTOR);
    apic_write(APIC_TIMER_INITIAL, SHOT_AFTER);
    interrupts_on();
}

void guest_main(const struct boot_info *info)
{
    uint64_t ticks = (uint64_t)boot_number(info, "ticks", 200) * MILLION, took;
    uint64_t settle = (uint64_t)boot_number(info, "settle", 0) * MILLION;
    uint32_t counted, wait;

    if (boot_word(info, "both") && !second_cpu_run(second))
        check(false, "the second CPU starts");
    if (boot_word(info, "shot"))
        shoot();
    work(settle);
    counted = done_by_second;
    took = work(ticks);
    counted = done + done_by_second - counted;
    wait = longest;
    work(settle);
    check(counted > 0, "%u thousand turns in %llu ticks", (unsigned)counted, (unsigned long long)took);
    say("work %u longest %u", (unsigned)counted, (unsigned)wait);
}
