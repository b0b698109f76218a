/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/clock.h"

#include "arch/x86/cpu.h"
#include "arch/x86/string.h"

#define PM_HZ              3579545u
#define PM_MASK            0xffffffu /* 24 bits are always there */
#define PIT_HZ             1193182u
#define PIT_CHANNEL2       0x42
#define PIT_COMMAND        0x43
#define PIT_GATE           0x61
#define SAMPLES            3
#define SAMPLES_PER_SECOND 66                   /* 15 ms each */
#define GIVE_UP            UINT64_C(1000000000) /* TSC ticks: longer than any sample; the timer stands still */
#define LEAST_HZ           UINT64_C(10000000)   /* what is below or above was not the TSC's rate */
#define MOST_HZ            UINT64_C(10000000000)

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_UIP   0x80
#define CMOS_TRIES 10

#define CMOS_24_HOURS  0x02u /* register 0Bh */
#define CMOS_BINARY    0x04u
#define CMOS_AFTERNOON 0x80u /* of the hour */

_Static_assert(GIVE_UP > MOST_HZ / SAMPLES_PER_SECOND * 2, "no TSC is so fast");
_Static_assert(PM_HZ / SAMPLES_PER_SECOND < PM_MASK, "the ACPI timer does not go round meanwhile");
_Static_assert(PIT_HZ / SAMPLES_PER_SECOND <= UINT16_MAX, "the PIT counts so far");

/* A moment that lies between two readings of the TSC, gap ticks apart. */
struct moment {
    uint64_t tsc, gap;
};

/* Of a timer; hz 0: it does not count. The gaps at both ends say how far it may be wrong. */
struct sample {
    uint64_t hz, gap;
};

static struct moment between(uint64_t before, uint64_t behind)
{
    return (struct moment){before + (behind - before) / 2, behind - before};
}

static struct sample sample_of(struct moment from, struct moment to, uint64_t timer_hz, uint32_t count)
{
    return (struct sample){(to.tsc - from.tsc) * timer_hz / count, from.gap + to.gap};
}

/* When the ACPI timer counts the next time, and what it says then; false: it stands still. */
static bool pm_edge(uint16_t port, struct moment *edge, uint32_t *count)
{
    uint64_t start = rdtsc(), last, before = start;
    uint32_t begin = inl(port) & PM_MASK;

    do {
        last = before;
        before = rdtsc();
        *count = inl(port) & PM_MASK;
    } while (*count == begin && before - start < GIVE_UP);
    *edge = between(last, rdtsc());
    return *count != begin;
}

static struct sample sample_pm(uint16_t port)
{
    struct moment from, to;
    uint32_t begin, now, gone;

    if (!pm_edge(port, &from, &begin))
        return (struct sample){0, 0};
    do {
        if (!pm_edge(port, &to, &now) || to.tsc - from.tsc >= GIVE_UP)
            return (struct sample){0, 0};
        gone = (now - begin) & PM_MASK;
    } while (gone < PM_HZ / SAMPLES_PER_SECOND);
    return sample_of(from, to, PM_HZ, gone);
}

static struct sample sample_pit(uint16_t unused UNUSED)
{
    uint16_t count = PIT_HZ / SAMPLES_PER_SECOND;
    uint64_t start, last, before;
    struct moment from;
    bool over;

    outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2) | 1)); /* gate on, speaker off */
    outb(PIT_COMMAND, 0xb0);                             /* channel 2, both bytes, mode 0 */
    outb(PIT_CHANNEL2, (uint8_t)count);
    before = start = rdtsc();
    outb(PIT_CHANNEL2, (uint8_t)(count >> 8));
    from = between(start, rdtsc());
    do {
        last = before;
        before = rdtsc();
        over = inb(PIT_GATE) & 0x20;
    } while (!over && before - start < GIVE_UP);
    return over ? sample_of(from, between(last, rdtsc()), PIT_HZ, count) : (struct sample){0, 0};
}

/* "Time stamp counter and nominal core crystal clock information"; "processor frequency information", which
 * is whole MHz of what is printed on the box. */
static uint64_t told_by_cpuid(bool roughly)
{
    uint32_t leaves = cpuid(0, 0).eax;
    struct cpuid crystal = leaves >= 0x15 ? cpuid(0x15, 0) : (struct cpuid){0, 0, 0, 0};

    if (crystal.eax && crystal.ebx && crystal.ecx)
        return (uint64_t)crystal.ecx * crystal.ebx / crystal.eax;
    return roughly && leaves >= 0x16 ? (cpuid(0x16, 0).eax & 0xffff) * UINT64_C(1000000) : 0;
}

static uint64_t plausible(uint64_t hz)
{
    return hz >= LEAST_HZ && hz <= MOST_HZ ? hz : 0;
}

/* An SMI, or a hypervisor below, comes between a timer and the TSC now and then: where it did not, the
 * readings are close to each other. */
static uint64_t best_of(struct sample (*take)(uint16_t), uint16_t port, struct tsc_source *by)
{
    struct sample best = {0, UINT64_MAX};
    uint64_t least = UINT64_MAX, most = 0;

    for (unsigned i = 0; i < SAMPLES; i++) {
        struct sample s = take(port);

        if (!plausible(s.hz))
            return 0;
        least = MIN(least, s.hz);
        most = MAX(most, s.hz);
        if (s.gap < best.gap)
            best = s;
    }
    by->spread_ppm = (uint32_t)((most - least) * 1000000 / best.hz);
    return best.hz;
}

/* What firmware names may be switched off all the same: the ACPI timer by a setup option, the 8254 with its
 * clock gated. */
static uint64_t measure(uint16_t pm_timer, struct tsc_source *by)
{
    uint64_t hz = pm_timer ? best_of(sample_pm, pm_timer, by) : 0;

    by->timer = "the ACPI timer";
    if (hz)
        return hz;
    by->timer = "the 8254";
    return best_of(sample_pit, 0, by);
}

uint64_t clock_measure_tsc(uint16_t pm_timer, struct tsc_source *by)
{
    uint64_t hz = measure(pm_timer, by), told = told_by_cpuid(!hz);

    if (!hz)
        *by = (struct tsc_source){.cpuid = true};
    else if (!told || told > hz + hz / 100 || told < hz - hz / 100)
        return hz;
    by->cpuid = true;
    return plausible(told);
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

struct cmos_time {
    unsigned second, minute, hour, day, month, year;
};

static void read_registers(struct cmos_time *t)
{
    for (unsigned tries = 0; (cmos(0x0a) & CMOS_UIP) && tries < 1000000; tries++)
        cpu_pause();
    *t = (struct cmos_time){cmos(0), cmos(2), cmos(4), cmos(7), cmos(8), cmos(9)};
}

/* An update may begin behind the look at UIP: what is read twice is whole. */
static void read_twice(struct cmos_time *t)
{
    struct cmos_time before;

    read_registers(t);
    for (unsigned tries = 0; tries < CMOS_TRIES; tries++) {
        before = *t;
        read_registers(t);
        if (memcmp(&before, t, sizeof(*t)) == 0)
            return;
    }
}

static void decode(struct cmos_time *t, unsigned mode)
{
    unsigned *const numbers[] = {&t->second, &t->minute, &t->hour, &t->day, &t->month, &t->year};
    bool afternoon = !(mode & CMOS_24_HOURS) && (t->hour & CMOS_AFTERNOON);

    if (!(mode & CMOS_24_HOURS))
        t->hour &= ~CMOS_AFTERNOON;
    for (unsigned i = 0; i < ARRAY_SIZE(numbers) && !(mode & CMOS_BINARY); i++)
        *numbers[i] = from_bcd(*numbers[i]);
    if (!(mode & CMOS_24_HOURS))
        t->hour = t->hour % 12 + (afternoon ? 12 : 0);
    t->year += 2000;
}

uint64_t clock_read_cmos(void)
{
    static const unsigned days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    struct cmos_time t;
    uint64_t days;

    read_twice(&t);
    decode(&t, cmos(0x0b));
    if (t.month < 1 || t.month > 12)
        return 0;
    days = (t.year - 1970) * 365 + (t.year - 1969) / 4 + days_before[t.month - 1] + t.day - 1;
    if (t.year % 4 == 0 && t.month > 2)
        days++;
    return ((days * 24 + t.hour) * 60 + t.minute) * 60 + t.second;
}
