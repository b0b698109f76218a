/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four CPUs and one ticket lock, which goes to who came first, whether that one has a CPU or not: how often
 * it changes hands until the time-stamp counter has gone on for so long. Command line: ticks=N, in millions;
 * inside=N, outside=N, turns of a loop with and without the lock.
 */
#include "lib/second_cpu.h"

#define CPUS (OTHER_CPUS + 1)

const char guest_name[] = "locks";

static volatile uint32_t ticket, served;
static volatile uint32_t taken, inside_now; /* with the lock */
static volatile bool go, over;
static volatile uint32_t running;
static uint32_t inside, outside;

static void turns(uint32_t left)
{
    __asm__ volatile("1:\tdecl %0\n\tjnz 1b" : "+r"(left));
}

static void lock(void)
{
    uint32_t mine = __atomic_fetch_add(&ticket, 1, __ATOMIC_ACQUIRE);

    while (__atomic_load_n(&served, __ATOMIC_ACQUIRE) != mine)
        __asm__ volatile("pause");
}

static void work(void)
{
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    while (!go)
        __asm__ volatile("pause");
    while (!over) {
        lock();
        if (inside_now++)
            check(false, "two have the lock");
        turns(inside);
        taken++;
        inside_now--;
        __atomic_store_n(&served, served + 1, __ATOMIC_RELEASE);
        turns(outside);
    }
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
}

void guest_main(const struct boot_info *info)
{
    uint64_t ticks = (uint64_t)boot_number(info, "ticks", 200) * 1000000, start;
    uint32_t count;

    inside = boot_number(info, "inside", 1000);
    outside = boot_number(info, "outside", 1000);
    apic_enable();
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        if (!cpu_run(cpu, work))
            check(false, "CPU %u starts", cpu);
    }
    while (running < OTHER_CPUS)
        __asm__ volatile("pause");
    start = rdtsc();
    go = true;
    while (rdtsc() - start < ticks) {
        lock();
        turns(inside);
        taken++;
        __atomic_store_n(&served, served + 1, __ATOMIC_RELEASE);
        turns(outside);
    }
    count = taken;
    over = true;
    while (running)
        __asm__ volatile("pause");
    check(count > 0, "the lock was taken %u times in %llu ticks", (unsigned)count, rdtsc() - start);
    say("taken %u", (unsigned)count);
}
