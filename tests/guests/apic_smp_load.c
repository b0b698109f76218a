/* SPDX-License-Identifier: BSD-2-Clause */
/* apic-smp: much at once. IPIs that are all counted, timers that are never early, and clocks that are set. */
#include "apic_smp.h"

#define LETTERS    2000u /* IPIs of each CPU */
#define SLOTS      8     /* vectors of a sender; one is used again when it has been counted */
#define TSC_MSR    0x10
#define ADJUST_MSR 0x3b
#define SHOTS      20u
#define DIVIDE_1   0xb
#define FAR        2000000000u

static uint32_t sent[CPUS][CPUS][SLOTS]; /* from, to */
static uint32_t first[CPUS][CPUS][SLOTS];
static volatile uint32_t finished;

static unsigned vector_of(unsigned from, unsigned slot)
{
    return STORM_VECTOR + from * 16 + slot;
}

static bool counted(unsigned from, unsigned to, unsigned slot)
{
    uint32_t came = cpus[to].count[vector_of(from, slot)] - first[from][to][slot];

    return came == sent[from][to][slot];
}

static void forget_letters(void)
{
    for (unsigned from = 0; from < CPUS; from++) {
        for (unsigned to = 0; to < CPUS; to++) {
            for (unsigned slot = 0; slot < SLOTS; slot++) {
                sent[from][to][slot] = 0;
                first[from][to][slot] = cpus[to].count[vector_of(from, slot)];
            }
        }
    }
    finished = 0;
}

/* To one, by its ID or its logical ID, or to all others; not before the last one of that vector was counted.
 */
static bool send_letter(unsigned from, uint32_t *seed)
{
    unsigned to = (from + 1 + random_number(seed) % (CPUS - 1)) % CPUS, slot = random_number(seed) % SLOTS,
             kind = random_number(seed) % 16;
    bool all = kind == 0;

    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        if (cpu != from && (all || cpu == to) && !counted(from, cpu, slot))
            return false;
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        sent[from][cpu][slot] += cpu != from && (all || cpu == to);
    if (all)
        send_icr(0, ICR_OTHERS | vector_of(from, slot));
    else if (kind < 4)
        send_icr(1u << to, ICR_LOGICAL | vector_of(from, slot));
    else
        send_icr(to, vector_of(from, slot));
    return true;
}

/* The ones that are done halt, and are left to the interrupts of the others. */
static void storm_job(unsigned cpu)
{
    uint64_t start = rdtsc();
    uint32_t seed = 77 + cpu;
    unsigned n = 0;

    while (n < LETTERS && rdtsc() - start < 3 * patience)
        n += send_letter(cpu, &seed);
    cpus[cpu].ok = n == LETTERS;
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    send_icr(0, ICR_OTHERS | WAKE_VECTOR);
    for (;;) {
        interrupts_off();
        if (finished == CPUS)
            break;
        __asm__ volatile("sti; hlt" : : : "memory");
    }
    interrupts_on();
}

/* The number of vectors whose counts are not what was sent. */
static unsigned miscounts(void)
{
    unsigned wrong = 0;

    pass(settle);
    for (unsigned from = 0; from < CPUS; from++) {
        for (unsigned to = 0; to < CPUS; to++) {
            for (unsigned slot = 0; slot < SLOTS; slot++) {
                if (counted(from, to, slot))
                    continue;
                wrong++;
                say("  vector %x from CPU %u to %u: %u of %u came", vector_of(from, slot), from, to,
                    (unsigned)(cpus[to].count[vector_of(from, slot)] - first[from][to][slot]),
                    (unsigned)sent[from][to][slot]);
            }
        }
    }
    return wrong;
}

static bool all_ok(void)
{
    bool ok = true;

    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        ok = ok && cpus[cpu].ok;
    return ok;
}

void test_storm(void)
{
    unsigned wrong;

    forget_letters();
    do_everywhere(storm_job);
    wrong = miscounts();
    check(all_ok() && !wrong, "%s: %u IPIs of each CPU to random others, %u vectors miscounted", mode,
          LETTERS, wrong);
}

/* --- timers --- */

enum kind { ONE_SHOT, PERIODIC, DEADLINE, KINDS };

static unsigned phase;

static unsigned kind_of(unsigned cpu)
{
    unsigned kind = (cpu + phase) % KINDS;

    return kind == DEADLINE && !has_tsc_deadline() ? ONE_SHOT : kind;
}

/* Until the timer has come so often, in HLT or not; letters meanwhile. */
static bool await_ticks(unsigned cpu, uint32_t ticks, uint32_t *seed)
{
    uint64_t start = rdtsc();

    for (;;) {
        interrupts_off();
        if ((int32_t)(cpus[cpu].count[TIMER_VECTOR] - ticks) >= 0 || rdtsc() - start > patience)
            break;
        if ((cpu ^ phase) & 1)
            __asm__ volatile("sti; hlt" : : : "memory");
        interrupts_on();
        (void)send_letter(cpu, seed);
    }
    interrupts_on();
    return (int32_t)(cpus[cpu].count[TIMER_VECTOR] - ticks) >= 0;
}

static bool await_tick(unsigned cpu, uint32_t tick, uint32_t *seed)
{
    return await_ticks(cpu, tick, seed) && cpus[cpu].count[TIMER_VECTOR] == tick;
}

static bool one_shots(unsigned cpu, uint32_t *seed)
{
    struct per_cpu *p = &cpus[cpu];
    bool ok = true;

    apic_set(APIC_LVT_TIMER, LVT_ONE_SHOT | TIMER_VECTOR);
    for (unsigned i = 0; ok && i < SHOTS; i++) {
        uint32_t count = 20000 + random_number(seed) % 50000, before = p->count[TIMER_VECTOR];
        uint64_t start = rdtsc();

        apic_set(APIC_TIMER_INITIAL, count);
        ok = await_tick(cpu, before + 1, seed) && p->came - start >= count &&
             apic_get(APIC_TIMER_CURRENT) == 0;
    }
    return ok;
}

/* Ticks that nobody could take are not made up for: there may be fewer than time has passed, never more. */
static bool periods(unsigned cpu, uint32_t *seed)
{
    const uint32_t period = 30000 + 1000 * cpu;
    struct per_cpu *p = &cpus[cpu];
    uint32_t before = p->count[TIMER_VECTOR];
    uint64_t start;
    bool ok = true;

    apic_set(APIC_LVT_TIMER, LVT_PERIODIC | TIMER_VECTOR);
    start = rdtsc();
    apic_set(APIC_TIMER_INITIAL, period);
    for (unsigned i = 1; ok && i <= SHOTS; i++) {
        ok = await_ticks(cpu, before + i, seed);
        interrupts_off();
        ok = ok && p->came - start >= (uint64_t)(p->count[TIMER_VECTOR] - before) * period;
        interrupts_on();
    }
    apic_set(APIC_TIMER_INITIAL, 0);
    return ok;
}

static bool deadlines(unsigned cpu, uint32_t *seed)
{
    struct per_cpu *p = &cpus[cpu];
    bool ok = true;

    apic_set(APIC_LVT_TIMER, LVT_DEADLINE | TIMER_VECTOR);
    for (unsigned i = 0; ok && i < SHOTS; i++) {
        uint32_t before = p->count[TIMER_VECTOR];
        uint64_t due = rdtsc() + 20000 + random_number(seed) % 50000;

        wrmsr(TSC_DEADLINE_MSR, due);
        ok = await_tick(cpu, before + 1, seed) && p->came >= due && rdmsr(TSC_DEADLINE_MSR) == 0;
    }
    return ok;
}

static void timer_job(unsigned cpu)
{
    static bool (*const ways[KINDS])(unsigned, uint32_t *) = {one_shots, periods, deadlines};
    struct per_cpu *p = &cpus[cpu];
    uint32_t seed = 99 + cpu * 13 + phase, after;

    apic_set(APIC_TIMER_DIVIDE, DIVIDE_1);
    p->ok = ways[kind_of(cpu)](cpu, &seed);
    apic_set(APIC_LVT_TIMER, LVT_MASKED);
    open_window();
    after = p->count[TIMER_VECTOR];
    interrupts_on();
    pass(5 * settle);
    p->ok = p->ok && p->count[TIMER_VECTOR] == after; /* it is off */
}

void test_timers(void)
{
    for (phase = 0; phase < KINDS; phase++) {
        unsigned wrong;

        forget_letters();
        do_everywhere(timer_job);
        wrong = miscounts();
        check(all_ok() && !wrong, "%s: timers in three modes at once, each %u times, between IPIs (%u)", mode,
              SHOTS, phase);
    }
}

/* --- the TSC is written --- */

static bool fires_at(unsigned cpu, uint32_t before, uint64_t due)
{
    return wait_count(&cpus[cpu].count[TIMER_VECTOR], before + 1) && cpus[cpu].came >= due &&
           cpus[cpu].came - due < patience;
}

/* The counter jumps behind the deadline, which is due then; and back from one, which is later then. */
static bool moved_by_tsc(unsigned cpu)
{
    uint32_t before = cpus[cpu].count[TIMER_VECTOR];
    uint64_t due = rdtsc() + FAR, adjust = rdmsr(ADJUST_MSR);
    bool ok;

    wrmsr(TSC_DEADLINE_MSR, due);
    open_window();
    interrupts_on();
    ok = cpus[cpu].count[TIMER_VECTOR] == before;
    wrmsr(TSC_MSR, due + 1);
    ok = ok && fires_at(cpu, before, due) && rdmsr(TSC_DEADLINE_MSR) == 0;
    adjust = rdmsr(ADJUST_MSR) - adjust;
    return ok && adjust <= FAR && adjust > FAR - patience; /* the adjustment follows the counter */
}

static bool moved_by_adjust(unsigned cpu)
{
    uint32_t before = cpus[cpu].count[TIMER_VECTOR];
    uint64_t adjust = rdmsr(ADJUST_MSR), now = rdtsc(), due = now + 50000 + 5 * settle, start;
    bool ok;

    wrmsr(TSC_DEADLINE_MSR, due);
    interrupts_off(); /* so that nothing comes in between */
    wrmsr(ADJUST_MSR, adjust - 1000000);
    start = rdtsc();
    interrupts_on();
    ok = start < due; /* or it took too long */
    pass(200000);
    ok = ok && cpus[cpu].count[TIMER_VECTOR] == before && rdmsr(TSC_DEADLINE_MSR) == due;
    return fires_at(cpu, before, due) && ok && rdmsr(ADJUST_MSR) == adjust - 1000000;
}

static void tsc_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];
    uint64_t adjust = rdmsr(ADJUST_MSR);

    apic_set(APIC_LVT_TIMER, LVT_DEADLINE | TIMER_VECTOR);
    p->ok = moved_by_tsc(cpu);
    p->ok = moved_by_adjust(cpu) && p->ok;
    wrmsr(ADJUST_MSR, adjust); /* back in line */
    apic_set(APIC_LVT_TIMER, LVT_MASKED);
}

static volatile bool stamp_now, stamped;
static volatile uint64_t stamp;

static void stamp_job(unsigned cpu)
{
    (void)cpu;
    wait_flag(&stamp_now);
    stamp = rdtsc();
    stamped = true;
}

/* What another CPU reads between two looks of ours is between what we read. */
static bool in_line(unsigned cpu)
{
    uint64_t before, after;

    stamp_now = stamped = false;
    start_job(cpu, stamp_job);
    pass(settle);
    before = rdtsc();
    stamp_now = true;
    wait_flag(&stamped);
    after = rdtsc();
    finish_job(cpu);
    return before <= stamp && stamp <= after;
}

void test_tsc(void)
{
    uint64_t adjust;
    bool ok = true;

    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        ok = in_line(cpu) && ok;
    check(ok, "%s: the counters of all CPUs are in line", mode);
    if (!has_tsc_deadline())
        return;
    if (try_rdmsr(ADJUST_MSR, &adjust) != NO_TRAP) {
        check(false, "%s: IA32_TSC_ADJUST is there", mode);
        return;
    }
    do_job(1, tsc_job);
    check(cpus[1].ok, "%s: a deadline moves with the counter", mode);
    do_everywhere(tsc_job);
    check(all_ok(), "%s: and on all CPUs at once", mode);
    ok = true;
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        ok = in_line(cpu) && ok;
    check(ok, "%s: and back to where they were, they are in line again", mode);
}
