/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How late the TSC-deadline timer is, in ticks: the counter at the first instruction of the handler less the
 * deadline, for a CPU that spins and one that halts; and how many ticks a loop of known length loses to one
 * shot in its midst. In x2APIC mode where CPUID has it. Runs bare, too. Command line: tries=N, xapic (stay in
 * that mode).
 */
#include "lib/measure.h"

#define TIMER_VECTOR 0x51
#define ALL_TRIES    1000
#define AHEAD        20000u /* ticks to the deadline, and up to SPREAD more */
#define SPREAD       8192u
#define LONG_AHEAD   1000000u
#define LONG_TRIES   50
#define TURNS        "20000" /* of a loop of two instructions: twice what a shot in it needs that is not late */
#define HALF         10000u /* ticks of it before the first shot */

const char guest_name[] = "timer-lateness";

static struct samples samples;
static unsigned tries;
static unsigned early, lost, extra;

/* Spins until `arrived` differs from seen; gives up after many turns. */
static void spin(uint32_t seen)
{
    __asm__ volatile(STI_SETUP WAIT "\n\tcli" : : "b"(seen) : "edi", "memory", "cc");
}

static void halt(uint32_t seen)
{
    wait_change(&arrived, seen);
}

static void shoot(void (*wait)(uint32_t seen), uint32_t ahead)
{
    uint32_t before = arrived;
    uint64_t due = rdtsc() + ahead;

    wrmsr(TSC_DEADLINE_MSR, due);
    wait(before);
    if (arrived == before)
        lost++;
    else if (arrival < due)
        early++;
    else
        samples_add(&samples, (uint32_t)(arrival - due));
}

/* Whether anything comes that nobody asked for. */
static void look_for_more(void)
{
    uint32_t before = arrived;
    uint64_t start = rdtsc();

    interrupts_on();
    while (rdtsc() - start < 4 * AHEAD)
        ;
    interrupts_off();
    extra += arrived - before;
}

static void verdict(const char *key)
{
    check(!early && !lost && !extra, "%s: %u early, %u lost, %u too many", key, early, lost, extra);
    early = lost = extra = 0;
}

static void measure_lateness(const char *key, void (*wait)(uint32_t seen), uint32_t ahead, unsigned count)
{
    samples.count = 0;
    for (unsigned i = 0; i < count && !lost; i++)
        shoot(wait, ahead + i * 7919 % SPREAD);
    look_for_more();
    samples_report(&samples, "", key);
    samples_histogram(&samples, "", key);
    verdict(key);
}

/* --- a loop with and without a shot in it --- */

TIMED_FUNCTION(loop_quiet, "movl $" TURNS ", %%edi", "1: decl %%edi\n\tjnz 1b", "")
TIMED_FUNCTION(loop_open, "movl $" TURNS ", %%edi\n\tsti", "1: decl %%edi\n\tjnz 1b", "cli")

static void measure_lost(void)
{
    uint32_t alone = least_of(loop_quiet, 0);

    samples.count = 0;
    for (unsigned i = 0; i < tries; i++) {
        uint32_t before = arrived, at;
        uint64_t due = rdtsc() + HALF + i * 7919 % SPREAD;

        wrmsr(TSC_DEADLINE_MSR, due);
        samples_add_net(&samples, loop_open(0, &at), alone);
        lost += arrived == before;
    }
    look_for_more();
    samples_report(&samples, "", "loop_loss");
    samples_histogram(&samples, "", "loop_loss");
    verdict("loop_loss");
}

void guest_main(const struct boot_info *info)
{
    bool x2apic = has_x2apic() && !boot_word(info, "xapic");

    tries = measure_setup(info, ALL_TRIES);
    if (!has_tsc_deadline()) {
        say("no TSC-deadline timer here");
        return;
    }
    if (x2apic)
        enter_x2apic();
    apic_enable();
    on_interrupt_raw(TIMER_VECTOR, x2apic ? stamp_x2apic : stamp_xapic);
    apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TIMER_VECTOR);
    say("%s mode", x2apic ? "x2apic" : "xapic");
    measure_lateness("spinning", spin, AHEAD, tries);
    measure_lateness("halted", halt, AHEAD, tries);
    measure_lateness("halted_long", halt, LONG_AHEAD, tries < LONG_TRIES ? tries : LONG_TRIES);
    on_interrupt_raw(TIMER_VECTOR, x2apic ? arrive_x2apic : arrive_xapic);
    measure_lost();
}
