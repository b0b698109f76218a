/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executes random instructions in ring 0 and 3, with random registers, until the guest is beyond help; then
 * another life begins, with other numbers: on-crash and on-exit are `restart`. A second CPU resets a guest
 * that hangs, and executes random instructions in ring 3 while it waits.
 */
#include "lib/guest.h"
#include "lib/second_cpu.h"

#define WALL_CLOCK_MSR 0x4b564d00u
#define RESET_PORT     0xcf9
#define RESET_CPU      6
#define HANGS          3000000u /* ticks of the TSC */
#define CODE           64u

const char guest_name[] = "random";

static uint8_t code[2][CODE] ALIGNED(64);
static volatile uint32_t turns;
static uint32_t wall_clock[3] ALIGNED(4); /* version, seconds, nanoseconds */

static uint32_t next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Mostly what faults or exits: bytes as they come, behind a prefix now and then. */
static void make_code(uint8_t *to, uint32_t *seed)
{
    static const uint8_t openings[] = {0x0f, 0x0f, 0x0f, 0x66, 0xf3, 0xf2, 0xc4,
                                       0xc5, 0x6c, 0x6e, 0xe6, 0xec, 0xcd, 0xf1};

    for (unsigned i = 0; i < CODE; i++)
        to[i] = (uint8_t)(next(seed) >> 8);
    if (next(seed) & 0x100)
        to[0] = openings[(next(seed) >> 8) % ARRAY_SIZE(openings)];
    to[CODE - 1] = 0xc3;
}

static void execute(void *argument)
{
    uint32_t seed = (uint32_t)rdtsc() | 1;

    __asm__ volatile("push %%ebp\n\tcall *%0\n\tpop %%ebp"
                     : "+S"(argument)
                     : "a"(next(&seed)), "b"(next(&seed)), "c"(next(&seed) >> 20), "d"(next(&seed)), "D"(code)
                     : "memory", "cc");
}

static void second_main(void)
{
    uint32_t seed = wall_clock[2] * 3 | 1, seen = turns;
    uint64_t since = rdtsc();

    traps_load();
    for (;;) {
        make_code(code[1], &seed);
        if (seed & 1) /* else it only watches: what both do to the traps may be too much for it */
            (void)trap_call_user(execute, code[1]);
        if (turns != seen) {
            seen = turns;
            since = rdtsc();
        } else if (rdtsc() - since > HANGS) {
            outb(RESET_PORT, RESET_CPU);
        }
    }
}

void guest_main(const struct boot_info *info)
{
    uint32_t seed;

    (void)info;
    wrmsr(WALL_CLOCK_MSR, (uint32_t)wall_clock);
    seed = wall_clock[2] | 1;
    apic_enable();
    (void)second_cpu_run(second_main);
    for (;; turns++) {
        make_code(code[0], &seed);
        if (next(&seed) & 0x300)
            (void)trap_call(execute, code[0]);
        else
            (void)trap_call_user(execute, code[0]);
    }
}
