/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical CPU's local APIC: xAPIC or, where the firmware left it on, x2APIC (SDM volume 3, "APIC"). */
#pragma once

#include "arch/x86/types.h"

/* Registers by their xAPIC offset; x2APIC MSR = 800h + offset / 16. */
#define LAPIC_ID        0x020u
#define LAPIC_VERSION   0x030u
#define LAPIC_TPR       0x080u
#define LAPIC_EOI       0x0b0u
#define LAPIC_SVR       0x0f0u
#define LAPIC_ISR       0x100u /* 256 bits */
#define LAPIC_ESR       0x280u
#define LAPIC_LVT_CMCI  0x2f0u
#define LAPIC_ICR       0x300u
#define LAPIC_ICR_HIGH  0x310u
#define LAPIC_LVT_TIMER 0x320u
#define LAPIC_LVT_THERM 0x330u
#define LAPIC_LVT_PERF  0x340u
#define LAPIC_LVT_LINT0 0x350u
#define LAPIC_LVT_LINT1 0x360u
#define LAPIC_LVT_ERROR 0x370u
#define LAPIC_TIMER_ICR 0x380u
#define LAPIC_TIMER_CCR 0x390u
#define LAPIC_TIMER_DCR 0x3e0u

#define ICR_INIT         0x4500u
#define ICR_STARTUP      0x4600u
#define ICR_NMI          0x4400u
#define ICR_ASSERT       0x4000u
#define ICR_ALL_BUT_SELF (3u << 18)

/* registers: where the xAPIC page is mapped. Once, on the boot CPU. */
void lapic_setup(void *registers);

/* The boot CPU's local APIC as lapic_setup() found it; its timer was disarmed and nothing is in service. */
void lapic_put_back(void);

/* How it is reached, from then on: vmx/fastpath.asm sends IPIs itself. */
extern struct host_lapic {
    volatile uint32_t *registers; /* in xAPIC mode */
    bool x2apic;                  /* by MSRs instead */
} host_lapic;

/* Whether the physical local APICs are in x2APIC mode. */
bool lapic_in_x2apic_mode(void);

/*
 * Enables this CPU's local APIC with its timer masked; returns its ID. Whatever the firmware used it for:
 * nothing is in service afterwards, no other source is on but what makes SMIs, and vectors of exceptions are
 * not delivered.
 */
uint32_t lapic_enable(void);

/* NMIs come by this pin, LINT0 or LINT1; before it by none. */
void lapic_open_nmi(unsigned pin, bool active_low);

void lapic_eoi(void);

/* Sends an IPI: ICR bits 19:0 and the destination's physical APIC ID. */
void lapic_ipi(uint32_t apic_id, uint32_t icr);

/* Makes another CPU leave its guest or idle loop and look at its requests (VECTOR_KICK). */
struct cpu;
void cpu_kick(const struct cpu *cpu);

/*
 * The CPU's timer, which raises VECTOR_TIMER at an absolute TSC value: TSC-deadline mode where there is one,
 * else one-shot. 0 disarms. A deadline in the past fires at once.
 */
void lapic_timer_arm(uint64_t tsc);

/* The same for several users, each with a deadline of its own: the earliest gets the interrupt. */
enum timer_user { TIMER_GUEST, TIMER_SCHED, TIMER_CONSOLE, TIMER_USERS };
void lapic_timer_set(enum timer_user user, uint64_t tsc);

/* VECTOR_TIMER has come: whoever it came for has heard of it, and it is armed for those that are still to
 * come. */
void lapic_timer_go_on(void);

/* Input clocks of the timer per 2^32 TSC ticks, needed without TSC-deadline mode. */
void lapic_timer_set_rate(uint64_t clocks_per_tsc_32);
bool lapic_has_tsc_deadline(void);
uint32_t lapic_timer_count(uint32_t initial, uint64_t tsc_ticks);
