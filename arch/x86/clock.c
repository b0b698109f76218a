/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/clock.h"

#include "arch/x86/cpu.h"

#define PM_HZ              3579545u
#define PM_MASK            0xffffffu /* 24 bits are always there */
#define PIT_HZ             1193182u
#define PIT_CHANNEL2       0x42
#define PIT_COMMAND        0x43
#define PIT_GATE           0x61
#define MEASURE_PER_SECOND 50                   /* 20 ms */
#define GIVE_UP            UINT64_C(1000000000) /* TSC ticks: longer than any measurement; the timer stands still */
#define LEAST_HZ           UINT64_C(10000000) /* what is below or above was not the TSC's rate */
#define MOST_HZ            UINT64_C(10000000000)

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_UIP   0x80

_Static_assert(GIVE_UP > MOST_HZ / MEASURE_PER_SECOND * 2, "no TSC is so fast");
_Static_assert(PM_HZ / MEASURE_PER_SECOND < PM_MASK, "the ACPI timer does not go round meanwhile");
_Static_assert(PIT_HZ / MEASURE_PER_SECOND <= UINT16_MAX, "the PIT counts so far");

static uint64_t measure_pm(uint16_t port)
{
    uint32_t want = PM_HZ / MEASURE_PER_SECOND, begin = inl(port) & PM_MASK, now, gone;
    uint64_t start = rdtsc(), end;

    /* Begin on an edge. */
    while ((now = inl(port) & PM_MASK) == begin && rdtsc() - start < GIVE_UP)
        cpu_pause();
    start = rdtsc();
    begin = now;
    do {
        gone = ((inl(port) & PM_MASK) - begin) & PM_MASK;
        end = rdtsc();
    } while (gone < want && end - start < GIVE_UP);
    return gone < want ? 0 : (end - start) * PM_HZ / gone;
}

static uint64_t measure_pit(void)
{
    uint16_t count = PIT_HZ / MEASURE_PER_SECOND;
    uint64_t start, end;

    outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2) | 1)); /* gate on, speaker off */
    outb(PIT_COMMAND, 0xb0);                             /* channel 2, both bytes, mode 0 */
    outb(PIT_CHANNEL2, (uint8_t)count);
    outb(PIT_CHANNEL2, (uint8_t)(count >> 8));
    start = rdtsc();
    do
        end = rdtsc();
    while (!(inb(PIT_GATE) & 0x20) && end - start < GIVE_UP);
    return end - start < GIVE_UP ? (end - start) * PIT_HZ / count : 0;
}

/* "Time stamp counter and nominal core crystal clock information"; "processor frequency information". */
static uint64_t told_by_cpuid(void)
{
    uint32_t leaves = cpuid(0, 0).eax;
    struct cpuid crystal = leaves >= 0x15 ? cpuid(0x15, 0) : (struct cpuid){0, 0, 0, 0};

    if (crystal.eax && crystal.ebx && crystal.ecx)
        return (uint64_t)crystal.ecx * crystal.ebx / crystal.eax;
    return leaves >= 0x16 ? (cpuid(0x16, 0).eax & 0xffff) * UINT64_C(1000000) : 0;
}

static uint64_t plausible(uint64_t hz)
{
    return hz >= LEAST_HZ && hz <= MOST_HZ ? hz : 0;
}

/* What firmware names may be switched off all the same: the ACPI timer by a setup option, the 8254 with its
 * clock gated. */
uint64_t clock_measure_tsc(uint16_t pm_timer, const char **source)
{
    uint64_t hz = pm_timer ? plausible(measure_pm(pm_timer)) : 0;

    *source = "the ACPI timer";
    if (!hz) {
        hz = plausible(measure_pit());
        *source = "the 8254";
    }
    if (!hz) {
        hz = plausible(told_by_cpuid());
        *source = "CPUID, as no timer counts";
    }
    return hz;
}

static unsigned cmos(uint8_t index)
{
    outb(CMOS_INDEX, index);
    return inb(CMOS_DATA);
}

static unsigned from_bcd(unsigned value)
{
    return (value >> 4) * 10 + (value & 15);
}

uint64_t clock_read_cmos(void)
{
    static const uint8_t registers[] = {0, 2, 4, 7, 8, 9};
    unsigned t[6], days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t days;

    for (unsigned tries = 0; (cmos(0x0a) & CMOS_UIP) && tries < 1000000; tries++)
        cpu_pause();
    _Static_assert(ARRAY_SIZE(registers) == ARRAY_SIZE(t), "one of each");
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
        t[i] = cmos(registers[i]);
        if (!(cmos(0x0b) & 4))
            t[i] = from_bcd(t[i]);
    }
    if (t[4] < 1 || t[4] > 12)
        return 0;
    t[5] += 2000;
    days = (t[5] - 1970) * 365 + (t[5] - 1969) / 4 + days_before[t[4] - 1] + t[3] - 1;
    if (t[5] % 4 == 0 && t[4] > 2)
        days++;
    return ((days * 24 + t[2]) * 60 + t[1]) * 60 + t[0];
}
