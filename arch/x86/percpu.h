/* SPDX-License-Identifier: BSD-2-Clause */
/* What belongs to one physical CPU. GS_BASE points at it in root mode. */
#pragma once

#include "arch/x86/put_back.h"

#define MAX_CPUS        256
#define CPU_LOADED_MSRS 6
#define CPU_GUARD       5 /* the last one: vcpu/guards.h */

struct net_port;
struct trace_event;
struct vcpu;

/* SDM volume 3, "Task management in 64-bit mode". */
struct PACKED tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};

_Static_assert(sizeof(struct tss) == 104 && offsetof(struct tss, ist) == 36, "fixed by the processor");

struct cpu {
    struct cpu *self;
    unsigned id;      /* 0 is the boot CPU */
    uint32_t apic_id; /* physical local APIC ID, */
    uint32_t ndst; /* and as posted-interrupt descriptors have it (apic/pid.h), where the backend uses them */
    unsigned thread_bits; /* of it, that tell threads of a core apart (arch/x86/topology.h) */
    uint64_t stack_top;
    volatile bool online;
    enum mtrrs_found {
        MTRRS_SAME,
        MTRRS_TAKEN,
        MTRRS_DIFFER
    } mtrrs;                    /* as the boot CPU has them; taken over from it; not */
    const char *volatile unfit; /* why it is left out, and never comes online */
    volatile bool leave;        /* set by another CPU: give the machine back (boot/host/power.c) */
    volatile bool left;
    volatile bool work;          /* boot CPU: the monitor has something to do between two runs of a vCPU */
    bool at_work;                /* and does it */
    struct vcpu *owner;          /* the dedicated vCPU that this CPU belongs to, or NULL */
    bool shared;                 /* it has a run queue (sched/sched.c) */
    struct net_port *polls;      /* ports that it serves, and nothing else (dev/net/poll.h); NULL: none */
    uint64_t slice_end;          /* TSC; 0: nobody waits */
    uint64_t timer_deadlines[3]; /* by enum timer_user (arch/x86/lapic.h) */
    bool sends;                  /* it looks after the console's output or alarm (core/base/console.h) */
    bool timer_in_guest; /* the backend ends a guest's run in time for the console: no interrupt for it */
    uint64_t next_event; /* TSC at which the scheduler wants the CPU back; 0: never */
    struct run_queue *queue;
    struct vcpu *vcpu;                     /* that runs or halts here now, or NULL */
    struct vcpu *active;                   /* whose state the backend has loaded, or NULL */
    struct vcpu *context_of;               /* whose registers were loaded last */
    uint64_t loaded_msrs[CPU_LOADED_MSRS]; /* of guests: in these registers now, */
    uint64_t loaded_xcr0;                  /* so that only what differs is written */
    void *virtualization;                  /* the backend's own, while it is on here; NULL: it is off */
    struct trace_event *trace;             /* the next place in its ring (core/base/trace.h) */
    uint64_t tables_seen[32]; /* by VM: the generation of its second-level tables that was flushed for */
    struct cpu_note before;   /* as the boot loader, or INIT, left it */
    uint64_t gdt[5] ALIGNED(16);
    struct tss tss ALIGNED(16);
};

_Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "one page per CPU");
_Static_assert(offsetof(struct cpu, self) == 0, "this_cpu() reads it from %gs:0");

extern struct cpu *cpus[MAX_CPUS];
extern unsigned cpu_count;

static inline struct cpu *this_cpu(void)
{
    struct cpu *self;

    __asm__("movq %%gs:0, %0" : "=r"(self));
    return self;
}
