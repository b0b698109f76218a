/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts between four CPUs, in xAPIC and, where CPUID has it, x2APIC mode: who gets what, in which order,
 * and that nothing is lost. Here is what all of it stands on; see apic_smp.h.
 */
#include "apic_smp.h"

#define APIC_MMIO 0xfee00000u
#define SPURIOUS  0xff

const char guest_name[] = "apic-smp";

struct per_cpu cpus[CPUS];
const char *mode = "xapic";
uint64_t patience;
uint32_t settle;
static bool halting;
hook_function *volatile hooks[VECTORS];

static struct {
    uint32_t destination, low;
} order; /* for send_job */

/* --- registers --- */

uint32_t apic_get(unsigned reg)
{
    const struct per_cpu *p = &cpus[this_cpu()];

    return p->x2apic ? (uint32_t)rdmsr(X2APIC_MSR + reg / 16) : mmio_read(p->base + reg);
}

void apic_set(unsigned reg, uint32_t value)
{
    const struct per_cpu *p = &cpus[this_cpu()];

    if (p->x2apic)
        wrmsr(X2APIC_MSR + reg / 16, value);
    else
        mmio_write(p->base + reg, value);
}

bool apic_bit(unsigned first_reg, unsigned vector)
{
    return apic_get(first_reg + vector / 32 * 16) >> vector % 32 & 1;
}

void send_icr(uint32_t destination, uint32_t low)
{
    const struct per_cpu *p = &cpus[this_cpu()];

    if (p->x2apic) {
        wrmsr(X2APIC_MSR + APIC_ICR / 16, (uint64_t)destination << 32 | low);
    } else {
        mmio_write(p->base + APIC_ICR_HIGH, destination << 24);
        mmio_write(p->base + APIC_ICR, low);
    }
}

/* --- handlers --- */

static void note(struct per_cpu *p, unsigned what)
{
    if (p->log_length < ARRAY_SIZE(p->log))
        p->log[p->log_length++] = (uint16_t)what;
}

static void on_vector(struct trap_frame *frame)
{
    unsigned cpu = this_cpu(), vector = frame->vector;
    struct per_cpu *p = &cpus[cpu];

    if (vector == TIMER_VECTOR)
        p->came = rdtsc();
    p->count[vector]++;
    note(p, vector);
    if (hooks[vector])
        hooks[vector](cpu, vector);
    interrupts_off();
    note(p, vector | ENDS);
    apic_set(APIC_EOI, 0);
}

static void on_nmi(struct trap_frame *frame)
{
    unsigned cpu = this_cpu();

    cpus[cpu].count[NMI]++;
    note(&cpus[cpu], NMI);
    if (hooks[NMI])
        hooks[NMI](cpu, NMI);
    note(&cpus[cpu], NMI | ENDS);
    (void)frame;
}

static void on_spurious(struct trap_frame *frame)
{
    (void)frame; /* wants no EOI */
}

/* --- waiting --- */

void open_window(void)
{
    interrupts_on();
    for (volatile unsigned i = 0; i < 50; i++)
        ;
    interrupts_off();
}

void pass(uint32_t ticks)
{
    uint64_t start = rdtsc();

    while (rdtsc() - start < ticks)
        __asm__ volatile("pause");
}

bool wait_count(const volatile uint32_t *counter, uint32_t at_least)
{
    uint64_t start = rdtsc();

    while ((int32_t)(*counter - at_least) < 0) {
        if (rdtsc() - start > patience)
            return false;
        __asm__ volatile("pause");
    }
    return true;
}

bool wait_flag(const volatile bool *flag)
{
    uint64_t start = rdtsc();

    while (!*flag) {
        if (rdtsc() - start > patience)
            return false;
        __asm__ volatile("pause");
    }
    return true;
}

/* --- jobs --- */

/* A CPU without a job has interrupts on, and spins or halts. A job begins and ends with interrupts on. */
static void other_main(void)
{
    unsigned cpu = this_cpu();
    struct per_cpu *p = &cpus[cpu];

    p->job = NULL;
    p->first_svr = apic_get(APIC_SVR);
    p->first_tpr = apic_get(APIC_TPR);
    for (unsigned i = 0; i < 8; i++)
        p->first_isr |= apic_get(APIC_ISR + 16 * i);
    enable_apic(cpu);
    p->starts++;
    for (;;) {
        interrupts_off();
        if (p->job) {
            interrupts_on();
            p->job(cpu);
            p->job = NULL;
        } else if (halting) {
            __asm__ volatile("sti; hlt" : : : "memory");
        } else {
            __asm__ volatile("sti; pause" : : : "memory");
        }
    }
}

void others_halt(bool yes)
{
    halting = yes;
    if (!yes)
        send_icr(0, ICR_OTHERS | WAKE_VECTOR);
}

void start_job(unsigned cpu, job_function *job)
{
    if (cpu == 0) {
        job(0);
        return;
    }
    cpus[cpu].job = job;
    if (halting)
        send_icr(cpu, WAKE_VECTOR);
}

void finish_job(unsigned cpu)
{
    uint64_t start = rdtsc();

    while (cpus[cpu].job && rdtsc() - start < 4 * patience)
        __asm__ volatile("pause");
    if (!cpus[cpu].job)
        return;
    check(false, "%s: CPU %u ends its job at %x", mode, cpu, (unsigned)cpus[cpu].job);
    finish();
}

void do_job(unsigned cpu, job_function *job)
{
    start_job(cpu, job);
    finish_job(cpu);
}

void do_everywhere(job_function *job)
{
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        start_job(cpu, job);
    job(0);
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        finish_job(cpu);
}

static void send_job(unsigned cpu)
{
    (void)cpu;
    send_icr(order.destination, order.low);
}

void send_from(unsigned cpu, uint32_t destination, uint32_t low)
{
    order.destination = destination;
    order.low = low;
    do_job(cpu, send_job);
}

/* --- who got it --- */

struct tally tally(unsigned vector)
{
    struct tally t = {.vector = vector};

    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        t.before[cpu] = cpus[cpu].count[vector];
    return t;
}

bool came_to(const struct tally *t, unsigned set)
{
    bool ok = true;

    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        if (set >> cpu & 1)
            ok = wait_count(&cpus[cpu].count[t->vector], t->before[cpu] + 1) && ok;
    pass(settle);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        ok = ok && cpus[cpu].count[t->vector] == t->before[cpu] + (set >> cpu & 1);
    return ok;
}

bool reaches(unsigned from, uint32_t destination, uint32_t low, unsigned set)
{
    struct tally t = tally((low & 0x700) == ICR_NMI ? NMI : low & 0xff);

    send_from(from, destination, low);
    if (came_to(&t, set))
        return true;
    say("from CPU %u to %x, ICR %x: expected %x, not", from, (unsigned)destination, (unsigned)low, set);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        say("  CPU %u: %u times", cpu, (unsigned)(cpus[cpu].count[t.vector] - t.before[cpu]));
    return false;
}

/* --- the CPUs --- */

void enable_apic(unsigned cpu)
{
    apic_set(APIC_SVR, SVR_ON);
    apic_set(APIC_TPR, 0);
    for (unsigned reg = APIC_LVT_TIMER; reg <= APIC_LVT_ERROR; reg += 16)
        apic_set(reg, LVT_MASKED);
    if (!cpus[cpu].x2apic) {
        apic_set(APIC_DFR, UINT32_MAX);
        apic_set(APIC_LDR, 0x01000000u << cpu);
    }
    apic_set(APIC_ESR, 0);
}

bool start_other(unsigned cpu)
{
    uint32_t before = cpus[cpu].starts;

    cpus[cpu].first_isr = 0;
    return cpu_run(cpu, other_main) && wait_count(&cpus[cpu].starts, before + 1);
}

bool start_others(void)
{
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        if (!start_other(cpu)) {
            check(false, "CPU %u starts", cpu);
            return false;
        }
    }
    return true;
}

static void x2apic_job(unsigned cpu)
{
    interrupts_off();
    wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
    cpus[cpu].x2apic = true;
    enable_apic(cpu);
    interrupts_on();
}

void enter_x2apic_mode(void)
{
    do_everywhere(x2apic_job);
}

static void test_all(void)
{
    test_destinations();
    test_self();
    test_lowest_priority();
    test_nmi();
    test_illegal_vectors();
    test_priorities();
    test_interrupts_off();
    test_halted();
    test_software_disable();
    test_level();
    test_relocation();
    test_hardware_disable();
    test_init();
    test_tsc();
    test_timers();
    test_storm();
}

void guest_main(const struct boot_info *info)
{
    patience = boot_number(info, "patience", 60) * 1000000ull;
    settle = boot_number(info, "settle", 20000);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        cpus[cpu].base = APIC_MMIO;
    for (unsigned vector = 32; vector < VECTORS; vector++)
        on_interrupt(vector, on_vector);
    on_interrupt(SPURIOUS, on_spurious);
    on_interrupt(NMI, on_nmi);
    enable_apic(0);
    interrupts_on();
    if (!start_others())
        return;
    test_all();
    if (!has_x2apic())
        return;
    test_mode_change();
    mode = "x2apic";
    enter_x2apic_mode();
    test_all();
}
