/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flight recorder: what happened last on each CPU. A ring per CPU, written by that CPU alone and without
 * a lock; whoever reads puts them together by time. They lie in the black box (core/base/blackbox.h), so that
 * the next boot finds them.
 */
#pragma once

#include "arch/x86/percpu.h"
#include "arch/x86/types.h"

#define TRACE_EVENTS 512 /* per ring; a power of two */
#define TRACE_NO_VM  0xff
#define TRACE_ANY    (-1)

enum trace_kind {
    TRACE_EXIT,   /* reason: the backend's; argument and extra depend on it */
    TRACE_IN,     /* a vCPU gets the CPU */
    TRACE_OUT,    /* and gives it back; reason: enum run_end */
    TRACE_INJECT, /* reason: the vector of an interrupt that we injected */
    TRACE_START,  /* of a VM, */
    TRACE_END,    /* and why it is to end; reason: enum vm_end */
    TRACE_KINDS
};

struct trace_event {
    uint64_t tsc; /* 0: there is none. Written first, read last: a reader sees that it was overtaken */
    uint64_t rip; /* exits */
    uint32_t argument[2];
    union {
        struct {
            uint8_t kind, reason, vm, vcpu; /* vm: its number in the configuration */
        };
        uint32_t who;
    };
    uint32_t extra;
};

_Static_assert(sizeof(struct trace_event) == 32, "two in a cache line");
_Static_assert(offsetof(struct trace_event, vm) == offsetof(struct trace_event, who) + 2 &&
                   offsetof(struct trace_event, vcpu) == offsetof(struct trace_event, who) + 3,
               "TRACE_WHO()");

/* The vCPU that an event is about, with kind and reason 0. */
#define TRACE_WHO(vm, vcpu) ((uint32_t)(vm) << 16 | (uint32_t)(vcpu) << 24)

/* Aligned to its size, so that the place of the next event tells where the ring begins. */
typedef struct trace_event trace_ring[TRACE_EVENTS];
#define TRACE_WRAP (sizeof(trace_ring) - 1)

_Static_assert(!(sizeof(trace_ring) & TRACE_WRAP), "a power of two");
_Static_assert(sizeof(trace_ring) % PAGE_SIZE == 0, "rings are allocated by the page");
_Static_assert(TRACE_EVENTS <= UINT16_MAX, "a cursor counts so far");

/* The next event in the ring of this CPU: begun here, the rest is up to the caller. */
static INLINED struct trace_event *trace_begin(uint64_t tsc)
{
    struct cpu *cpu = this_cpu();
    struct trace_event *e = cpu->trace, *next = e + 1;

    cpu->trace = (uintptr_t)next & TRACE_WRAP ? next : next - TRACE_EVENTS;
    __atomic_store_n(&e->tsc, tsc, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* this processor keeps stores in order */
    return e;
}

/* What is rare: now, without a place in a guest. */
void trace_note(enum trace_kind kind, unsigned reason, uint32_t who);

/* --- reading --- */

struct trace_filter {
    int vm, vcpu; /* TRACE_ANY, or the number */
};

/* A place in several rings at once. */
struct trace_cursor {
    const trace_ring *rings;
    unsigned count;
    uint64_t at;              /* nothing newer than that is seen */
    uint16_t end[MAX_CPUS];   /* one behind the newest event, */
    uint16_t ahead[MAX_CPUS]; /* and how far the cursor is before it */
};

/* False, and *to no event: its CPU has written another one there meanwhile. */
bool trace_copy(const struct trace_event *from, struct trace_event *to);

/* At the end of what there was at a time. */
void trace_seek_end(struct trace_cursor *c, const trace_ring *rings, unsigned count, uint64_t at);

/* Goes back until n events lie ahead that the filter lets through, or to the oldest. How many they are. */
unsigned trace_rewind(struct trace_cursor *c, const struct trace_filter *f, unsigned n);

/* The next of them in the order of time, and whose it is. False at the end. */
bool trace_read(struct trace_cursor *c, const struct trace_filter *f, struct trace_event *out, unsigned *cpu);
