/* SPDX-License-Identifier: BSD-2-Clause */
/* apic-smp: a local APIC that moves, is switched off, changes its mode, or is reset by INIT. */
#include "apic_smp.h"

#define BASE     0xfee00000u
#define NEW_BASE 0xfedf0000u /* nothing else is there */
#define RESTING  SVR_OFF     /* SVR after reset */

static uint64_t base_msr(unsigned cpu, uint32_t at, uint32_t flags)
{
    return at | flags | (cpu ? 0 : 0x100);
}

/* --- relocation, in xAPIC mode --- */

static uint32_t next_base;

/* Here and not there, to write to either. */
static bool registers_at(unsigned cpu, uint32_t at, uint32_t not_at)
{
    bool ok = true;

    mmio_write(at + APIC_TPR, 0x10);
    mmio_write(not_at + APIC_TPR, 0xf0);
    for (unsigned reg = 0; reg < 0x400; reg += 16)
        ok = ok && mmio_read(not_at + reg) == UINT32_MAX;
    ok = ok && mmio_read(at + APIC_TPR) == 0x10;
    mmio_write(at + APIC_TPR, 0);
    return ok && mmio_read(at + APIC_ID) >> 24 == cpu && (mmio_read(at + APIC_VERSION) & 0xf0) == 0x10;
}

static void relocate(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];
    uint32_t old = p->base;

    wrmsr(APIC_BASE_MSR, base_msr(cpu, next_base, APIC_BASE_ENABLE));
    p->base = next_base;
    p->ok = p->ok && registers_at(cpu, next_base, old) && rdmsr(APIC_BASE_MSR) >> 12 == next_base >> 12;
}

static void relocate_job(unsigned cpu)
{
    interrupts_off();
    relocate(cpu);
    interrupts_on();
}

/* With an interrupt in service, and its EOI to be written at the new place. */
static void relocate_hook(unsigned cpu, unsigned vector)
{
    relocate(cpu);
    cpus[cpu].ok = cpus[cpu].ok && apic_bit(APIC_ISR, vector) && apic_get(APIC_PPR) == (vector & 0xf0);
}

static void nothing_in_service(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];

    for (unsigned i = 0; i < 8; i++)
        p->ok = p->ok && !apic_get(APIC_ISR + 16 * i) && !apic_get(APIC_IRR + 16 * i);
    p->ok = p->ok && !apic_get(APIC_PPR);
}

static bool works(unsigned cpu)
{
    return reaches((cpu + 1) % CPUS, cpu, VECTOR, 1u << cpu) &&
           reaches(cpu, (cpu + 2) % CPUS, VECTOR, 1u << (cpu + 2) % CPUS) &&
           reaches(cpu, 0, ICR_OTHERS | ICR_NMI, EVERYBODY & ~(1u << cpu)) &&
           reaches(cpu, 0, ICR_TO_SELF | VECTOR, 1u << cpu);
}

static void move_to(unsigned cpu, uint32_t at, bool in_service)
{
    struct tally t = tally(LOW_VECTOR);
    struct per_cpu *p = &cpus[cpu];
    bool ok = true;

    next_base = at;
    p->ok = true;
    if (in_service) {
        hooks[LOW_VECTOR] = relocate_hook;
        send_icr(cpu, LOW_VECTOR);
        ok = came_to(&t, 1u << cpu);
        hooks[LOW_VECTOR] = NULL;
    } else {
        do_job(cpu, relocate_job);
    }
    do_job(cpu, nothing_in_service);
    ok = works(cpu) && ok;
    check(ok && p->ok, "%s: CPU %u has its APIC at %x%s", mode, cpu, (unsigned)at,
          in_service ? ", moved with an interrupt in service" : "");
}

void test_relocation(void)
{
    if (cpus[0].x2apic)
        return;
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        move_to(cpu, NEW_BASE + (cpu << 12), cpu == 2);
        others_halt(cpu == 3);
        check(works(cpu), "%s: and works there", mode);
        others_halt(false);
        move_to(cpu, BASE, cpu != 1);
    }
}

/* --- switched off --- */

static void read_x2apic_id(void *argument)
{
    (void)argument;
    (void)rdmsr(X2APIC_MSR + APIC_ID / 16);
}

static void off_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];

    interrupts_off();
    wrmsr(APIC_BASE_MSR, base_msr(cpu, BASE, 0));
    p->ok = !(cpuid(1, 0).edx & BIT(9));
    for (unsigned reg = 0; reg < 0x400; reg += 16)
        p->ok = p->ok && mmio_read(BASE + reg) == UINT32_MAX;
    mmio_write(BASE + APIC_SVR, SVR_ON); /* nobody hears */
    p->ok = p->ok && trap_call(read_x2apic_id, NULL) == GP;
    interrupts_on();
}

/* Back as after reset, by way of xAPIC mode. */
static void on_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];

    interrupts_off();
    wrmsr(APIC_BASE_MSR, base_msr(cpu, BASE, APIC_BASE_ENABLE));
    p->ok = (cpuid(1, 0).edx & BIT(9)) && mmio_read(BASE + APIC_SVR) == RESTING &&
            mmio_read(BASE + APIC_LVT_TIMER) == LVT_MASKED && mmio_read(BASE + APIC_TPR) == 0;
    if (p->x2apic)
        wrmsr(APIC_BASE_MSR, base_msr(cpu, BASE, APIC_BASE_ENABLE | APIC_BASE_X2APIC));
    enable_apic(cpu);
    interrupts_on();
}

/* In a handler, with another interrupt waiting: all is forgotten, and nothing holds back what comes next. */
static void off_and_on_hook(unsigned cpu, unsigned vector)
{
    send_icr(0, ICR_TO_SELF | VECTOR);
    wrmsr(APIC_BASE_MSR, base_msr(cpu, BASE, 0));
    on_job(cpu);
    interrupts_off();
    cpus[cpu].ok =
        cpus[cpu].ok && !apic_bit(APIC_ISR, vector) && !apic_bit(APIC_IRR, VECTOR) && !apic_get(APIC_PPR);
}

static void off_and_on_in_service(unsigned cpu)
{
    struct tally high = tally(HIGH_VECTOR), middle = tally(VECTOR);
    bool ok;

    cpus[cpu].ok = false;
    hooks[HIGH_VECTOR] = off_and_on_hook;
    send_icr(cpu, HIGH_VECTOR);
    ok = came_to(&high, 1u << cpu) && came_to(&middle, 0);
    hooks[HIGH_VECTOR] = NULL;
    ok = reaches(0, cpu, LOW_VECTOR, 1u << cpu) && ok;
    check(ok && cpus[cpu].ok, "%s: switched off and on in a handler, CPU %u", mode, cpu);
}

void test_hardware_disable(void)
{
    const uint32_t everybody = cpus[0].x2apic ? UINT32_MAX : 0xff;
    struct tally t, nmi;
    bool ok;

    do_job(2, off_job);
    check(cpus[2].ok, "%s: an APIC that is off is not there", mode);
    ok = reaches(0, 2, VECTOR, 0) && reaches(1, everybody, VECTOR, EVERYBODY & ~4u) &&
         reaches(3, 0, ICR_OTHERS | ICR_NMI, 3) && reaches(0, 2, ICR_NMI, 0) && reaches(0, 2, HIGH_VECTOR, 0);
    check(ok, "%s: nothing reaches a CPU whose APIC is off", mode);
    t = tally(VECTOR);
    nmi = tally(NMI);
    do_job(2, on_job);
    ok = came_to(&t, 0) && came_to(&nmi, 0);
    check(ok && cpus[2].ok, "%s: switched on it is as after reset", mode);
    check(works(2), "%s: and works again", mode);
    off_and_on_in_service(1);
    off_and_on_in_service(3);
}

/* --- from xAPIC to x2APIC mode, with interrupts in service and waiting --- */

static void change_mode(unsigned cpu, unsigned vector)
{
    struct per_cpu *p = &cpus[cpu];

    send_icr(0, ICR_TO_SELF | VECTOR);
    wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
    p->x2apic = true;
    p->ok = apic_bit(APIC_ISR, vector) && apic_bit(APIC_IRR, VECTOR) &&
            apic_get(APIC_PPR) == (vector & 0xf0) && apic_get(APIC_ID) == cpu &&
            apic_get(APIC_LDR) == BIT(cpu);
}

void test_mode_change(void)
{
    bool ok = true;

    hooks[HIGH_VECTOR] = change_mode;
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        struct tally first = tally(HIGH_VECTOR), second = tally(VECTOR);

        cpus[cpu].ok = false;
        send_icr(cpu, HIGH_VECTOR);
        ok = came_to(&first, 1u << cpu) && came_to(&second, 1u << cpu) && ok;
        do_job(cpu, nothing_in_service);
        ok = ok && cpus[cpu].ok;
    }
    hooks[HIGH_VECTOR] = NULL;
    check(ok, "xAPIC to x2APIC with one interrupt in service and one waiting");
    ok = reaches(1, 2, VECTOR, 4) && reaches(3, 0, VECTOR, 1) && reaches(2, 0, ICR_OTHERS | VECTOR, 0xb);
    check(ok, "x2APIC CPUs send to each other and to one in xAPIC mode");
}

/* --- INIT and SIPI --- */

#define SIPIS 512
static unsigned startled;

static void beat_job(unsigned cpu)
{
    for (;;) {
        cpus[cpu].beats++;
        __asm__ volatile("pause");
    }
}

static bool beats(unsigned cpu)
{
    uint32_t before = cpus[cpu].beats;

    pass(settle);
    return cpus[cpu].beats != before;
}

static void dead_job(unsigned cpu)
{
    (void)cpu;
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* In service, with a TPR and interrupts waiting, off for good. */
static void stuck_hook(unsigned cpu, unsigned vector)
{
    (void)vector;
    apic_set(APIC_TPR, 0x20);
    cpus[cpu].ok = true;
    for (;;)
        cpus[cpu].beats++;
}

/* Comes back as from reset, in the mode that it was in. */
static bool starts_again(unsigned cpu)
{
    const struct per_cpu *p = &cpus[cpu];

    return start_other(cpu) && p->first_svr == RESTING && p->first_tpr == 0 && p->first_isr == 0 &&
           works(cpu);
}

/* Two send: one's comes while the other's is being taken. */
static void sipis_job(unsigned cpu)
{
    uint32_t seed = cpu;

    for (unsigned i = 0; i < SIPIS; i++) {
        pass(random_number(&seed) % 256);
        send_icr(startled, ICR_ASSERT | ICR_STARTUP | ((cpu_startup_vector() + i) & 0xff));
    }
}

static bool sipi_means_nothing(unsigned cpu)
{
    uint32_t starts = cpus[cpu].starts;
    bool ok;

    start_job(cpu, beat_job);
    startled = cpu;
    start_job(1, sipis_job);
    sipis_job(0);
    finish_job(1);
    send_icr(cpu, ICR_LEVEL | ICR_INIT); /* de-assert */
    ok = beats(cpu);
    send_icr(cpu, ICR_ASSERT | ICR_INIT);
    pass(settle);
    return ok && !beats(cpu) && cpus[cpu].starts == starts; /* the SIPI from before INIT is gone */
}

static bool init_in_service(unsigned cpu)
{
    struct tally t = tally(HIGH_VECTOR), low = tally(LOW_VECTOR);
    bool ok;

    cpus[cpu].ok = false;
    hooks[VECTOR] = stuck_hook;
    send_icr(cpu, VECTOR);
    ok = wait_flag(&cpus[cpu].ok);
    hooks[VECTOR] = NULL;
    send_icr(cpu, LOW_VECTOR);
    send_icr(cpu, HIGH_VECTOR);
    pass(settle);
    send_icr(cpu, ICR_ASSERT | ICR_INIT);
    pass(settle);
    ok = ok && !beats(cpu);
    send_icr(cpu, HIGH_VECTOR); /* lost, as the ones before are */
    pass(settle);
    send_icr(cpu, ICR_ASSERT | ICR_INIT);
    return starts_again(cpu) && came_to(&t, 0) && came_to(&low, 0) && ok;
}

void test_init(void)
{
    bool ok;

    ok = sipi_means_nothing(3);
    check(ok, "%s: SIPI and INIT de-assert mean nothing to a CPU that runs, INIT stops it", mode);
    check(starts_again(3), "%s: SIPI starts it as after reset", mode);
    check(init_in_service(1), "%s: INIT forgets what is in service, requested and on its way", mode);
    start_job(2, dead_job);
    pass(settle);
    check(starts_again(2), "%s: INIT and SIPI to a CPU that halts with interrupts off", mode);
    ok = starts_again(3) && starts_again(3);
    check(ok, "%s: and twice in a row", mode);
}
