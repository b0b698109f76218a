/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/lapic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/trap.h"

#define SVR_ENABLE       0x100u
#define LVT_MASKED       0x10000u
#define LVT_TSC_DEADLINE 0x40000u
#define LVT_NMI          0x400u
#define DIVIDE_BY_1      0xbu
#define ICR_PENDING      0x1000u

struct host_lapic host_lapic;
static bool tsc_deadline;
/* What lapic_enable() writes on the boot CPU, in the order in which it is put back: SVR last, as without its
 * enable bit all LVT entries are masked. */
static const uint32_t changed[] = {LAPIC_TIMER_DCR, LAPIC_LVT_TIMER, LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,
                                   LAPIC_SVR};
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

void lapic_setup(void *registers)
{
    host_lapic.registers = registers;
    host_lapic.x2apic = rdmsr(IA32_APIC_BASE) & APIC_BASE_X2APIC;
    tsc_deadline = cpuid(1, 0).ecx & BIT(24);
    base_before = rdmsr(IA32_APIC_BASE);
    for (unsigned i = 0; i < ARRAY_SIZE(changed) && (base_before & APIC_BASE_ENABLE); i++)
        before[i] = reg_read(changed[i]);
}

void lapic_put_back(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(changed) && (base_before & APIC_BASE_ENABLE); i++)
        reg_write(changed[i], before[i]);
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

uint32_t lapic_enable(void)
{
    uint64_t base = rdmsr(IA32_APIC_BASE) | APIC_BASE_ENABLE;

    if (host_lapic.x2apic)
        base |= APIC_BASE_X2APIC;
    wrmsr(IA32_APIC_BASE, base);
    reg_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    reg_write(LAPIC_LVT_LINT0, LVT_MASKED);
    reg_write(LAPIC_LVT_LINT1, LVT_NMI);
    reg_write(LAPIC_TIMER_DCR, DIVIDE_BY_1);
    reg_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? LVT_TSC_DEADLINE : 0));
    if (!tsc_deadline)
        reg_write(LAPIC_TIMER_ICR, 0);
    return host_lapic.x2apic ? reg_read(LAPIC_ID) : reg_read(LAPIC_ID) >> 24;
}

void lapic_eoi(void)
{
    reg_write(LAPIC_EOI, 0);
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
