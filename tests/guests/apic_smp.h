/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of apic-smp share: four CPUs that count what interrupts them and do jobs for the first one,
 * which alone says words.
 */
#pragma once

#include "lib/second_cpu.h"

#define CPUS      (OTHER_CPUS + 1) /* CPU n has APIC ID n */
#define EVERYBODY ((1u << CPUS) - 1)
#define VECTORS   256

#define ICR_LOWEST  0x100u
#define ICR_NMI     0x400u
#define ICR_INIT    0x500u
#define ICR_STARTUP 0x600u
#define ICR_LOGICAL 0x800u
#define ICR_STATUS  0x1000u
#define ICR_ASSERT  0x4000u
#define ICR_LEVEL   0x8000u
#define ICR_ALL     0x80000u
#define ICR_OTHERS  0xc0000u

#define X2APIC_ICR_RESERVED 0xfff32000u

#define APIC_TMR 0x180u

#define SVR_ON  0x1ffu
#define SVR_OFF 0x0ffu

/* The vectors used, by class. */
#define WAKE_VECTOR  0x21 /* a job for a CPU that halts */
#define LOW_VECTOR   0x31
#define VECTOR       0x51
#define STORM_VECTOR 0x60 /* to 9fh: by sender, then by letter */
#define HIGH_VECTOR  0xb1
#define ERROR_VECTOR 0xc3
#define TIMER_VECTOR 0xe5

extern uint64_t
    patience; /* ticks: what has not come then does not come; `patience=N` on the command line, in millions */
extern uint32_t settle; /* what should not come would have by then: `settle=N` */

typedef void job_function(unsigned cpu);
typedef void hook_function(unsigned cpu, unsigned vector);

/* One of each CPU, written by itself but for job and job_done. */
struct per_cpu {
    bool x2apic;
    uint32_t base; /* of the registers in xAPIC mode */
    volatile uint32_t count[VECTORS];
    job_function *volatile job;
    volatile uint32_t starts; /* how often it came out of SIPI */
    /* Vectors as they begin and, with ENDS, end. */
    volatile uint32_t log_length;
    uint16_t log[32];
    volatile uint64_t came; /* TSC at the latest timer interrupt */
    volatile uint32_t beats;
    /* As SIPI found it. */
    uint32_t first_svr, first_tpr, first_isr;
    volatile bool ok; /* what a job found */
    volatile uint32_t seen[8];
};
extern struct per_cpu cpus[CPUS];
#define ENDS 0x100

extern const char *mode;                       /* for words */
extern hook_function *volatile hooks[VECTORS]; /* runs in the handler, before EOI */

/* The registers of this CPU's local APIC, in its mode and at its place. */
uint32_t apic_get(unsigned reg);
void apic_set(unsigned reg, uint32_t value);
bool apic_bit(unsigned first_reg, unsigned vector); /* of IRR, ISR or TMR */
void send_icr(uint32_t destination, uint32_t low);

/* Starts the others; enters x2APIC mode on all. */
bool start_others(void);
bool start_other(unsigned cpu);
void enter_x2apic_mode(void);
void enable_apic(unsigned cpu); /* a job: on, TPR 0, LVT masked, logical ID a bit of its own, flat model */

/* Whether CPUs without a job spin or halt. */
void others_halt(bool yes);

/* Jobs; CPU 0 does its own at once. The guest ends when one does not. */
void start_job(unsigned cpu, job_function *job);
void finish_job(unsigned cpu);
void do_job(unsigned cpu, job_function *job);
void do_everywhere(job_function *job); /* at once */
void send_from(unsigned cpu, uint32_t destination, uint32_t low);

/* Interrupts on for a moment; a number of ticks. */
void open_window(void);
void pass(uint32_t ticks);
/* Until *counter is at least that; false after `patience`. Interrupts as they are. */
bool wait_count(const volatile uint32_t *counter, uint32_t at_least);
bool wait_flag(const volatile bool *flag);

/*
 * Counts of one vector before something is sent, and whether exactly the CPUs of a set got one more after
 * it has settled.
 */
struct tally {
    unsigned vector;
    uint32_t before[CPUS];
};
struct tally tally(unsigned vector);
bool came_to(const struct tally *t, unsigned set);
/* Sends and looks. */
bool reaches(unsigned from, uint32_t destination, uint32_t low, unsigned set);

static inline uint32_t random_number(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 12;
}

/* The tests, each in both modes but where it says. */
void test_destinations(void); /* apic_smp_send.c */
void test_lowest_priority(void);
void test_nmi(void);
void test_illegal_vectors(void);
void test_self(void);
void test_priorities(void); /* apic_smp_take.c */
void test_interrupts_off(void);
void test_halted(void);
void test_software_disable(void);
void test_level(void);
void test_relocation(void); /* apic_smp_state.c; xAPIC mode only */
void test_hardware_disable(void);
void test_init(void);
void test_mode_change(void); /* from xAPIC to x2APIC */
void test_storm(void);       /* apic_smp_load.c */
void test_timers(void);
void test_tsc(void);
