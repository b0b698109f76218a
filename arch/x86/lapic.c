/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/lapic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/flaws.h"
#include "arch/x86/msr.h"
#include "arch/x86/revision.h"
#include "arch/x86/trap.h"

#define SVR_ENABLE       0x100u
#define LVT_MASKED       0x10000u
#define LVT_TSC_DEADLINE 0x40000u
#define LVT_NMI          0x400u
#define LVT_SMI          0x200u
#define LVT_MODE         0x700u
#define LVT_LOW          0x2000u
#define TPR_EXCEPTIONS   0x10u /* vectors up to 1Fh wait */
#define MOST_IN_SERVICE  256
#define DIVIDE_BY_1      0xbu
#define ICR_PENDING      0x1000u

struct host_lapic host_lapic;
static bool tsc_deadline;
/* What lapic_enable() writes on the boot CPU, in the order in which it is put back: SVR last, as without its
 * enable bit all LVT entries are masked. An entry is there when the version register counts so many behind
 * the timer's. */
static const struct {
    uint32_t reg;
    unsigned entry;
} changed[] = {{LAPIC_TIMER_DCR, 0}, {LAPIC_LVT_TIMER, 0}, {LAPIC_LVT_LINT0, 1}, {LAPIC_LVT_LINT1, 2},
               {LAPIC_LVT_ERROR, 3}, {LAPIC_LVT_PERF, 4},  {LAPIC_LVT_THERM, 5}, {LAPIC_LVT_CMCI, 6},
               {LAPIC_TPR, 0},       {LAPIC_SVR, 0}};
static uint32_t before[ARRAY_SIZE(changed)];
static uint64_t base_before;
static uint64_t timer_rate; /* 32.32 fixed point: input clocks per TSC tick */

static uint32_t reg_read(uint32_t reg)
{
    return host_lapic.x2apic ? (uint32_t)rdmsr(IA32_X2APIC_BASE + reg / 16) : host_lapic.registers[reg / 4];
}

static void reg_write(uint32_t reg, uint32_t value)
{
    if (host_lapic.x2apic)
        wrmsr(IA32_X2APIC_BASE + reg / 16, value);
    else
        host_lapic.registers[reg / 4] = value;
}

static unsigned last_entry(void)
{
    return reg_read(LAPIC_VERSION) >> 16 & 0xff;
}

static bool deadline_works(void)
{
    uint32_t microcode;

    return !cpu_microcode(&microcode) || !cpu_deadline_flawed(cpuid(1, 0).eax, microcode);
}

void lapic_setup(void *registers)
{
    host_lapic.registers = registers;
    host_lapic.x2apic = rdmsr(IA32_APIC_BASE) & APIC_BASE_X2APIC;
    tsc_deadline = (cpuid(1, 0).ecx & BIT(24)) && deadline_works();
    base_before = rdmsr(IA32_APIC_BASE);
    for (unsigned i = 0; i < ARRAY_SIZE(changed) && (base_before & APIC_BASE_ENABLE); i++) {
        if (changed[i].entry <= last_entry())
            before[i] = reg_read(changed[i].reg);
    }
}

void lapic_put_back(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(changed) && (base_before & APIC_BASE_ENABLE); i++) {
        if (changed[i].entry <= last_entry())
            reg_write(changed[i].reg, before[i]);
    }
    wrmsr(IA32_APIC_BASE, base_before);
}

bool lapic_in_x2apic_mode(void)
{
    return host_lapic.x2apic;
}

bool lapic_has_tsc_deadline(void)
{
    return tsc_deadline;
}

void lapic_eoi(void)
{
    reg_write(LAPIC_EOI, 0);
}

/* What has its vector from the firmware would be an exception to us, or nothing at all. The thermal sensor's
 * SMIs are the firmware's own way to cool the machine. */
static void mask_others(void)
{
    static const struct {
        uint32_t reg;
        unsigned entry;
    } others[] = {{LAPIC_LVT_LINT0, 1}, {LAPIC_LVT_LINT1, 2}, {LAPIC_LVT_ERROR, 3},
                  {LAPIC_LVT_PERF, 4},  {LAPIC_LVT_THERM, 5}, {LAPIC_LVT_CMCI, 6}};

    for (unsigned i = 0; i < ARRAY_SIZE(others) && others[i].entry <= last_entry(); i++) {
        if ((reg_read(others[i].reg) & LVT_MODE) != LVT_SMI)
            reg_write(others[i].reg, LVT_MASKED);
    }
}

static bool anything_in_service(void)
{
    uint32_t any = 0;

    for (unsigned i = 0; i < 8; i++)
        any |= reg_read(LAPIC_ISR + 16 * i);
    return any;
}

/* What the firmware has never ended would hold up all that is below it. What is pending comes when interrupts
 * are let in, and nobody minds. */
static void end_interrupts(void)
{
    for (unsigned i = 0; i < MOST_IN_SERVICE && anything_in_service(); i++)
        lapic_eoi();
}

uint32_t lapic_enable(void)
{
    uint64_t base = rdmsr(IA32_APIC_BASE) | APIC_BASE_ENABLE;

    if (host_lapic.x2apic)
        base |= APIC_BASE_X2APIC;
    wrmsr(IA32_APIC_BASE, base);
    reg_write(LAPIC_TPR, TPR_EXCEPTIONS);
    reg_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    mask_others();
    reg_write(LAPIC_ESR, 0);
    end_interrupts();
    reg_write(LAPIC_TIMER_DCR, DIVIDE_BY_1);
    reg_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? LVT_TSC_DEADLINE : 0));
    if (!tsc_deadline)
        reg_write(LAPIC_TIMER_ICR, 0);
    return host_lapic.x2apic ? reg_read(LAPIC_ID) : reg_read(LAPIC_ID) >> 24;
}

void lapic_open_nmi(unsigned pin, bool active_low)
{
    reg_write(pin ? LAPIC_LVT_LINT1 : LAPIC_LVT_LINT0, LVT_NMI | (active_low ? LVT_LOW : 0));
}

void lapic_ipi(uint32_t apic_id, uint32_t icr)
{
    if (host_lapic.x2apic) {
        __asm__ volatile("mfence; lfence" ::: "memory"); /* WRMSR to the ICR is not serialising */
        wrmsr(IA32_X2APIC_BASE + LAPIC_ICR / 16, (uint64_t)apic_id << 32 | icr);
        return;
    }
    while (reg_read(LAPIC_ICR) & ICR_PENDING)
        cpu_pause();
    reg_write(LAPIC_ICR_HIGH, apic_id << 24);
    reg_write(LAPIC_ICR, icr);
}

void cpu_kick(const struct cpu *cpu)
{
    lapic_ipi(cpu->apic_id, ICR_ASSERT | VECTOR_KICK);
}

void lapic_timer_set_rate(uint64_t clocks_per_tsc_32)
{
    timer_rate = clocks_per_tsc_32;
}

_Static_assert(LAPIC_ICR_HIGH == LAPIC_ICR + 0x10 && LAPIC_LVT_LINT1 == LAPIC_LVT_LINT0 + 0x10,
               "registers are 16 bytes apart: an x2APIC MSR each");

/* Starts the timer from initial, waits tsc_ticks, and returns how far it counted: for calibration. */
uint32_t lapic_timer_count(uint32_t initial, uint64_t tsc_ticks)
{
    uint64_t start;
    uint32_t left;

    reg_write(LAPIC_LVT_TIMER, VECTOR_TIMER | LVT_MASKED);
    reg_write(LAPIC_TIMER_DCR, DIVIDE_BY_1);
    reg_write(LAPIC_TIMER_ICR, initial);
    start = rdtsc();
    while (rdtsc() - start < tsc_ticks)
        cpu_pause();
    left = reg_read(LAPIC_TIMER_CCR);
    reg_write(LAPIC_TIMER_ICR, 0);
    return initial - left;
}

static void arm_one_shot(uint64_t tsc)
{
    uint64_t now = rdtsc(), clocks;

    if (!tsc) {
        reg_write(LAPIC_TIMER_ICR, 0);
        return;
    }
    clocks = tsc > now ? (uint64_t)(((unsigned __int128)(tsc - now) * timer_rate) >> 32) + 1 : 1;
    reg_write(LAPIC_TIMER_ICR, (uint32_t)MIN(clocks, UINT32_MAX)); /* too early only rearms */
}

void lapic_timer_arm(uint64_t tsc)
{
    if (tsc_deadline)
        wrmsr(IA32_TSC_DEADLINE, tsc);
    else
        arm_one_shot(tsc);
}

_Static_assert(ARRAY_SIZE(((struct cpu *)NULL)->timer_deadlines) == TIMER_USERS, "one of each user");

/* 0 is never. */
static inline uint64_t earlier_of(uint64_t a, uint64_t b)
{
    return MIN(a - 1, b - 1) + 1;
}

/* Of all users, but for what the backend does by itself. */
static void arm_first(void)
{
    const struct cpu *cpu = this_cpu();
    uint64_t first = earlier_of(cpu->timer_deadlines[TIMER_GUEST], cpu->timer_deadlines[TIMER_SCHED]);

    if (!cpu->timer_in_guest)
        first = earlier_of(first, cpu->timer_deadlines[TIMER_CONSOLE]);
    lapic_timer_arm(first);
}

void lapic_timer_set(enum timer_user user, uint64_t tsc)
{
    this_cpu()->timer_deadlines[user] = tsc;
    arm_first();
}

void lapic_timer_go_on(void)
{
    uint64_t *deadlines = this_cpu()->timer_deadlines, now = rdtsc();

    for (unsigned user = 0; user < TIMER_USERS; user++) {
        if (deadlines[user] <= now)
            deadlines[user] = 0;
    }
    arm_first();
}
