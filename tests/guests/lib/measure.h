/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Samples in ticks of the time-stamp counter, the line that says what they were, and handlers that are short
 * enough not to matter. A guest that measures lists GUEST_MEASURE in guests.mk.
 *
 *   NAME: KEY min N average N median N p99 N max N of N
 */
#pragma once

#include "guest.h"

/* --- samples.c --- */
#define MAX_SAMPLES 4000

/* No interrupts but our own. The number of tries that the command line asks for by tries=N, or otherwise. */
unsigned measure_setup(const struct boot_info *info, unsigned otherwise);

struct samples {
    unsigned count;
    uint32_t values[MAX_SAMPLES];
};
void samples_add(struct samples *s, uint32_t ticks);
/* Sorts them and says the line; the key is prefix and key together. */
void samples_report(struct samples *s, const char *prefix, const char *key);
/* Further lines `NAME: histogram KEY FROM N`, by a report that was made: N samples of FROM ticks and more, up
 * to the next. */
void samples_histogram(const struct samples *s, const char *prefix, const char *key);

/* --- arrival.asm: handlers for on_interrupt_raw() --- */
extern volatile uint32_t arrived; /* interrupts so far, counted behind their EOI */
extern volatile uint64_t arrival; /* the time of the latest that was stamped */
void arrive_only(void);           /* counts, no EOI */
void arrive_xapic(void);          /* counts, and ends the interrupt */
void arrive_x2apic(void);
void stamp_xapic(void); /* reads the time before that, behind two instructions */
void stamp_x2apic(void);
void answer_xapic(void); /* sends ANSWER_VECTOR to APIC ID 0 instead of counting */
void answer_x2apic(void);
#define ANSWER_VECTOR 0x54

/* --- timing --- */
/* More turns than any interrupt takes to come. */
#define PATIENCE "20000000"
/*
 * The ticks that some instructions take, with what it costs to look, and when they began (the counter's low
 * half). TIMED of nothing is that cost. `before` and `after` stand outside of what is timed. EBX is an input
 * for WAIT.
 */
#define TIMED(took, at, seen, before, operation, after)                                          \
    __asm__ volatile(before "\n\trdtsc\n\tmovl %%eax, %%esi\n\t" operation "\n\trdtsc\n\t" after \
                            "\n\tsubl %%esi, %%eax"                                              \
                     : "=&a"(took), "=&S"(at)                                                    \
                     : "b"(seen)                                                                 \
                     : "ecx", "edx", "edi", "memory", "cc")
/* Until `arrived` differs from EBX; EDI is how often to look. Two instructions when it has come already. */
#define WAIT_SETUP "movl $" PATIENCE ", %%edi\n\t"
#define STI_SETUP  WAIT_SETUP "sti\n\t"
#define WAIT       "\n1:\tcmpl %%ebx, arrived\n\tjne 2f\n\tdecl %%edi\n\tjnz 1b\n2:"

/* One such measurement as a function, and the shape of it. */
typedef uint32_t timed_function(uint32_t seen, uint32_t *at);
#define TIMED_FUNCTION(name, before, operation, after)    \
    static uint32_t name(uint32_t seen, uint32_t *at)     \
    {                                                     \
        uint32_t took;                                    \
        TIMED(took, *at, seen, before, operation, after); \
        return took;                                      \
    }
/* The least that it takes: what TIMED of nothing costs. */
uint32_t least_of(timed_function *one, uint32_t seen);
/* Adds what remains without that. */
void samples_add_net(struct samples *s, uint32_t took, uint32_t cost);

/* Sets the mode of this CPU's APIC to x2APIC. */
static inline void enter_x2apic(void)
{
    wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
}
