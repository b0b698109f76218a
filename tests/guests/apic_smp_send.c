/* SPDX-License-Identifier: BSD-2-Clause */
/* apic-smp: whom a write of the ICR means. */
#include "apic_smp.h"

#define ROUNDS 20

/* --- physical destinations, shorthands --- */

static bool fixed_to_each(void)
{
    bool ok = true;

    for (unsigned from = 0; from < CPUS; from++)
        for (unsigned to = 0; to < CPUS; to++)
            ok = reaches(from, to, (to & 1 ? ICR_ASSERT : 0) | (VECTOR + from), 1u << to) && ok;
    return ok;
}

/* The delivery status is not for software to write: a 1 changes nothing. */
static bool with_delivery_status(void)
{
    bool ok = true;

    for (unsigned to = 0; to < CPUS; to++)
        ok = reaches((to + 1) % CPUS, to, ICR_STATUS | VECTOR, 1u << to) && ok;
    return reaches(1, 0, ICR_STATUS | ICR_OTHERS | VECTOR, 0xd) && !(apic_get(APIC_ICR) & ICR_STATUS) && ok;
}

static void reserved_job(unsigned cpu)
{
    struct tally t = tally(VECTOR);
    bool ok = true;

    for (unsigned bit = 13; bit < 32; bit++)
        if (X2APIC_ICR_RESERVED >> bit & 1)
            ok = try_wrmsr(X2APIC_MSR + APIC_ICR / 16, BIT(bit) | (uint64_t)cpu << 32 | VECTOR) == GP && ok;
    cpus[cpu].ok = ok && came_to(&t, 0);
    interrupts_on();
}

static bool fixed_to_nobody(void)
{
    bool ok = reaches(0, CPUS, VECTOR, 0) && reaches(1, 0x7f, VECTOR, 0);

    if (cpus[0].x2apic)
        ok = reaches(0, 0x101, VECTOR, 0) && reaches(1, 0x80000002, VECTOR, 0) &&
             reaches(2, 0xff, VECTOR, 0) && ok;
    return ok;
}

static bool broadcasts(void)
{
    const uint32_t everybody = cpus[0].x2apic ? UINT32_MAX : 0xff;
    bool ok = true;

    for (unsigned from = 0; from < CPUS; from++) {
        ok = reaches(from, everybody, VECTOR, EVERYBODY) && ok;
        ok = reaches(from, 0, ICR_ALL | VECTOR, EVERYBODY) && ok;
        ok = reaches(from, 0, ICR_OTHERS | VECTOR, EVERYBODY & ~(1u << from)) && ok;
        ok = reaches(from, (from + 1) % CPUS, ICR_TO_SELF | VECTOR, 1u << from) && ok;
        ok = reaches(from, (from + 1) % CPUS, ICR_LEVEL | ICR_ASSERT | VECTOR, 1u << (from + 1) % CPUS) && ok;
    }
    return ok;
}

/* --- logical destinations --- */

static bool flat_model(void)
{
    bool ok = true;

    for (unsigned set = 0; set <= EVERYBODY; set++)
        ok = reaches(set % CPUS, set | (set & 1 ? 0xa0 : 0), ICR_LOGICAL | VECTOR, set) && ok;
    return reaches(0, 0xf0, ICR_LOGICAL | VECTOR, 0) && reaches(1, 0xff, ICR_LOGICAL | VECTOR, EVERYBODY) &&
           ok;
}

/* CPU 0 and 1 in cluster 1, CPU 2 and 3 in cluster 2; with the APIC off, as the manual wants it. */
static void cluster_job(unsigned cpu)
{
    interrupts_off();
    apic_set(APIC_SVR, SVR_OFF);
    apic_set(APIC_DFR, 0x0fffffff);
    apic_set(APIC_LDR, (cpu / 2 + 1) << 28 | 0x01000000u << cpu % 2);
    apic_set(APIC_SVR, SVR_ON);
    interrupts_on();
}

static void flat_job(unsigned cpu)
{
    interrupts_off();
    apic_set(APIC_SVR, SVR_OFF);
    enable_apic(cpu);
    interrupts_on();
}

static bool cluster_model(void)
{
    static const struct {
        uint32_t destination;
        unsigned set;
    } sends[] = {{0x11, 1},  {0x12, 2}, {0x13, 3}, {0x1f, 3}, {0x21, 4}, {0x22, 8},
                 {0x23, 12}, {0x2c, 0}, {0x10, 0}, {0x33, 0}, {0x03, 0}, {0xf3, 0}};
    bool ok = true;

    for (unsigned i = 0; i < ARRAY_SIZE(sends); i++)
        ok = reaches(i % CPUS, sends[i].destination, ICR_LOGICAL | VECTOR, sends[i].set) && ok;
    return ok;
}

static void test_xapic_logical(void)
{
    check(flat_model(), "%s: logical destinations, flat model", mode);
    do_everywhere(cluster_job);
    check(cluster_model(), "%s: logical destinations, cluster model", mode);
    check(reaches(2, 0xff, ICR_LOGICAL | VECTOR, EVERYBODY), "%s: FFh reaches all clusters", mode);
    do_everywhere(flat_job);
}

/* The logical ID is that of the hardware: cluster 0, a bit by APIC ID. */
static bool x2apic_clusters(void)
{
    bool ok = true;

    for (unsigned set = 0; set <= EVERYBODY; set++) {
        ok = reaches(set % CPUS, set | (set & 1 ? 0xfff0 : 0), ICR_LOGICAL | VECTOR, set) && ok;
        ok = reaches(set % CPUS, 0x10000 | set, ICR_LOGICAL | VECTOR, 0) && ok;
    }
    return reaches(3, UINT32_MAX, ICR_LOGICAL | VECTOR, EVERYBODY) && ok;
}

void test_destinations(void)
{
    others_halt(false);
    check(fixed_to_each(), "%s: each to each", mode);
    check(broadcasts(), "%s: all, others, self", mode);
    others_halt(true);
    check(fixed_to_each(), "%s: each to each, those that halt", mode);
    check(broadcasts(), "%s: all, others, self, those that halt", mode);
    others_halt(false);
    check(fixed_to_nobody(), "%s: nobody has that ID", mode);
    check(with_delivery_status(), "%s: the delivery status means nothing", mode);
    if (cpus[0].x2apic) {
        do_job(1, reserved_job);
        check(cpus[1].ok, "%s: reserved bits of the ICR give #GP", mode);
    }
    if (cpus[0].x2apic)
        check(x2apic_clusters(), "%s: logical destinations", mode);
    else
        test_xapic_logical();
}

/* --- to itself --- */

static bool one_more(unsigned cpu, unsigned vector, uint32_t before)
{
    return wait_count(&cpus[cpu].count[vector], before + 1) && cpus[cpu].count[vector] == before + 1;
}

static void self_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];

    p->ok = true;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t before = p->count[VECTOR];

        send_icr(0, ICR_TO_SELF | VECTOR);
        p->ok = one_more(cpu, VECTOR, before) && p->ok;
        send_icr(cpu, VECTOR);
        p->ok = one_more(cpu, VECTOR, before + 1) && p->ok;
        if (!p->x2apic)
            continue;
        apic_set(APIC_SELF_IPI, VECTOR);
        p->ok = one_more(cpu, VECTOR, before + 2) && p->ok;
    }
}

static bool all_ok(void)
{
    bool ok = true;

    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        ok = ok && cpus[cpu].ok;
    return ok;
}

void test_self(void)
{
    do_everywhere(self_job);
    check(all_ok(), "%s: IPIs to oneself, all CPUs at once", mode);
}

/* --- lowest priority; logical IDs are a bit each, in the flat model as in x2APIC mode --- */

static uint32_t task_priorities[CPUS];

static void priority_job(unsigned cpu)
{
    apic_set(APIC_TPR, task_priorities[cpu]);
}

static void busy_hook(unsigned cpu, unsigned vector)
{
    (void)vector;
    cpus[cpu].ok = true; /* in service, and waiting for others */
    interrupts_on();
    pass(3 * settle);
}

/* How many took it, and whether the expected CPU is the one. */
static unsigned takers(const struct tally *t, unsigned *who)
{
    unsigned n = 0;

    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        for (uint32_t i = t->before[cpu]; i != cpus[cpu].count[t->vector]; i++, n++)
            *who = cpu;
    }
    return n;
}

/* What is in service counts like the TPR. */
static void test_lowest_in_service(void)
{
    struct tally t = tally(HIGH_VECTOR + 0x10);
    unsigned who = CPUS, n;

    hooks[HIGH_VECTOR] = busy_hook;
    cpus[1].ok = false;
    send_icr(1, HIGH_VECTOR);
    if (wait_flag(&cpus[1].ok))
        send_icr(6, ICR_LOGICAL | ICR_LOWEST | (HIGH_VECTOR + 0x10));
    pass(4 * settle);
    hooks[HIGH_VECTOR] = NULL;
    n = takers(&t, &who);
    check(n == 1 && who == 2, "%s: lowest priority, %u took it, the one without a handler", mode, n);
}

void test_lowest_priority(void)
{
    unsigned one = 0, right = 0, sends = 0;
    struct tally t;

    for (unsigned turn = 0; turn < CPUS; turn++) {
        for (unsigned cpu = 0; cpu < CPUS; cpu++)
            task_priorities[cpu] = ((cpu + turn) % CPUS + 1) << 4;
        do_everywhere(priority_job);
        for (unsigned set = EVERYBODY; set; set--, sends++) {
            unsigned who = CPUS, best = CPUS;

            for (unsigned cpu = 0; cpu < CPUS; cpu++)
                if ((set >> cpu & 1) && (best == CPUS || task_priorities[cpu] < task_priorities[best]))
                    best = cpu;
            t = tally(HIGH_VECTOR);
            send_from(set % CPUS, set, ICR_LOGICAL | ICR_LOWEST | HIGH_VECTOR);
            pass(settle);
            one += takers(&t, &who) == 1;
            right += who == best;
        }
    }
    check(one == sends, "%s: lowest priority, %u of %u landed on exactly one", mode, one, sends);
    check(right == sends, "%s: lowest priority, %u of %u on the least busy", mode, right, sends);
    /* The manual leaves open whether the sender takes part; here it is the busiest. */
    t = tally(HIGH_VECTOR);
    send_from(0, 0, ICR_OTHERS | ICR_LOWEST | HIGH_VECTOR);
    pass(settle);
    one = takers(&t, &right);
    check(one == 1 && right == 1, "%s: lowest priority to all others, %u took it", mode, one);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        task_priorities[cpu] = 0;
    do_everywhere(priority_job);
    test_lowest_in_service();
}

/* --- NMI --- */

static volatile bool in_nmi, release_nmi;

static void stay_in_nmi(unsigned cpu, unsigned vector)
{
    (void)cpu;
    (void)vector;
    in_nmi = true;
    wait_flag(&release_nmi);
}

static bool came_after(const struct tally *t, unsigned to, uint32_t times)
{
    bool ok = wait_count(&cpus[to].count[t->vector], t->before[to] + times);

    pass(settle);
    return ok && cpus[to].count[t->vector] == t->before[to] + times;
}

/* One in its handler, one pending, the others are merged with that. */
static bool nested_nmi(unsigned to)
{
    struct tally t = tally(NMI), fixed = tally(VECTOR);
    bool ok;

    in_nmi = release_nmi = false;
    hooks[NMI] = stay_in_nmi;
    send_icr(to, ICR_NMI);
    ok = wait_flag(&in_nmi);
    for (unsigned from = 0; from < CPUS; from++)
        if (from != to)
            send_from(from, to, ICR_NMI);
    send_icr(to, VECTOR); /* has to wait for IRET */
    pass(settle);
    ok = ok && cpus[to].count[NMI] == t.before[to] + 1 && cpus[to].count[VECTOR] == fixed.before[to];
    hooks[NMI] = NULL;
    release_nmi = true;
    return came_after(&t, to, 2) && came_after(&fixed, to, 1) && ok;
}

/* The halted CPU has interrupts off: only NMI gets it out. */
static void deaf_job(unsigned cpu)
{
    cpus[cpu].ok = true;
    __asm__ volatile("cli; hlt" : : : "memory");
    cpus[cpu].ok = false;
    interrupts_on();
}

static bool nmi_wakes(unsigned to)
{
    struct tally t = tally(NMI), fixed = tally(VECTOR);
    bool ok;

    cpus[to].ok = false;
    start_job(to, deaf_job);
    ok = wait_flag(&cpus[to].ok);
    pass(settle);
    send_icr(to, VECTOR);
    pass(settle);
    ok = ok && cpus[to].ok && cpus[to].count[VECTOR] == fixed.before[to];
    send_icr(to, ICR_NMI);
    finish_job(to);
    return came_to(&t, 1u << to) && came_to(&fixed, 1u << to) && ok;
}

/* NMI to oneself by a write in the shadow of STI and of MOV to SS. */
static bool nmi_in_shadow(void)
{
    struct tally t = tally(NMI);
    uint32_t ss;

    if (cpus[0].x2apic) {
        __asm__ volatile("cli; sti; wrmsr; nop" : : "c"(0x830), "a"(ICR_NMI), "d"(0) : "memory");
        __asm__ volatile("movl %%ss, %0; movl %0, %%ss; wrmsr; nop"
                         : "=&r"(ss)
                         : "c"(0x830), "a"(ICR_NMI), "d"(0)
                         : "memory");
    } else {
        apic_set(APIC_ICR_HIGH, 0);
        __asm__ volatile("cli; sti; movl %1, (%0); nop"
                         :
                         : "r"(cpus[0].base + APIC_ICR), "r"(ICR_NMI)
                         : "memory");
        __asm__ volatile("movl %%ss, %0; movl %0, %%ss; movl %2, (%1); nop"
                         : "=&r"(ss)
                         : "r"(cpus[0].base + APIC_ICR), "r"(ICR_NMI)
                         : "memory");
    }
    pass(settle);
    return cpus[0].count[NMI] == t.before[0] + 2;
}

void test_nmi(void)
{
    bool ok = true;

    for (unsigned from = 0; from < CPUS; from++) {
        for (unsigned to = 0; to < CPUS; to++)
            ok = reaches(from, to, ICR_NMI, 1u << to) && ok;
        ok = reaches(from, 0, ICR_OTHERS | ICR_NMI | 0x51, EVERYBODY & ~(1u << from)) && ok;
        ok = reaches(from, 6, ICR_LOGICAL | ICR_NMI, 6) && ok;
    }
    check(ok, "%s: NMI to one, to the others and to some", mode);
    ok = nested_nmi(1) && nested_nmi(3);
    check(ok, "%s: of NMIs that come in the handler of one, one is left", mode);
    ok = nmi_wakes(1) && nmi_wakes(2);
    check(ok, "%s: NMI ends HLT with interrupts off", mode);
    check(nmi_in_shadow(), "%s: NMI in the shadow of STI and of MOV to SS", mode);
}

/* --- errors --- */

static void illegal_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];
    uint32_t errors = p->count[ERROR_VECTOR], wrong = 0;

    apic_set(APIC_ESR, 0);
    apic_set(APIC_LVT_ERROR, ERROR_VECTOR);
    for (unsigned vector = 0; vector < 16; vector++) {
        send_icr((cpu + 1) % CPUS, (vector & 1 ? ICR_LOWEST : 0) | vector);
        wrong += !one_more(cpu, ERROR_VECTOR, errors + vector);
        apic_set(APIC_ESR, 0);
        wrong += apic_get(APIC_ESR) != 0x20;
        apic_set(APIC_ESR, 0);
        wrong += apic_get(APIC_ESR) != 0;
    }
    apic_set(APIC_LVT_ERROR, LVT_MASKED | ERROR_VECTOR);
    send_icr(0, ICR_TO_SELF | 5);
    open_window();
    apic_set(APIC_ESR, 0);
    wrong += apic_get(APIC_ESR) != 0x20 || p->count[ERROR_VECTOR] != errors + 16;
    apic_set(APIC_ESR, 0);
    p->ok = !wrong;
    interrupts_on();
}

/* Registers that are not there, or cannot be written; xAPIC mode tells by the ESR. */
static void illegal_register_job(unsigned cpu)
{
    static const unsigned unreadable[] = {0x040, 0x070, 0x0c0, 0x290, 0x3f0},
                          unwritable[] = {0x030, 0x0a0, 0x100, 0x390};
    struct per_cpu *p = &cpus[cpu];

    p->ok = true;
    for (unsigned i = 0; i < ARRAY_SIZE(unreadable) + ARRAY_SIZE(unwritable); i++) {
        apic_set(APIC_ESR, 0);
        if (i < ARRAY_SIZE(unreadable))
            p->ok = p->ok && apic_get(unreadable[i]) == 0;
        else
            apic_set(unwritable[i - ARRAY_SIZE(unreadable)], 0x11);
        apic_set(APIC_ESR, 0);
        p->seen[i % 8] = apic_get(APIC_ESR);
        p->ok = p->ok && p->seen[i % 8] == 0x80;
    }
    apic_set(APIC_ESR, 0);
    p->ok = p->ok && (apic_get(APIC_VERSION) & 0xf0) == 0x10 && apic_get(APIC_PPR) == 0 &&
            apic_get(APIC_ISR) == 0;
    apic_set(APIC_EOI, 0); /* of nothing */
}

void test_illegal_vectors(void)
{
    bool none = true;

    if (!cpus[0].x2apic) {
        do_everywhere(illegal_register_job);
        check(all_ok(), "%s: illegal registers are an error", mode);
    }

    do_everywhere(illegal_job);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        for (unsigned vector = 0; vector < 16; vector++)
            none = none && (vector == NMI || !cpus[cpu].count[vector]);
    check(all_ok() && none, "%s: vectors below 16 are an error of the sender", mode);
}
