/* SPDX-License-Identifier: BSD-2-Clause */
/* The run queue of a CPU that vCPUs share, for the files of this room. */
#pragma once

#include "arch/x86/percpu.h"
#include "sched/balance.h"
#include "sched/sched.h"

struct sched_vcpu {
    struct fair_entity fair; /* first: the queue hands these out. Asleep: it waits, or may not run */
    struct vcpu *v;
    struct run_queue *home; /* whose lock guards this; where it waits, runs, or ran last */
    bool waits;             /* in the list of the queue, for an interrupt, INIT or SIPI */
    bool spins;             /* it ran last until it yielded */
    unsigned favoured;      /* of vCPU 0: the one of its VM that was favoured last */
    uint64_t wake_at;       /* TSC; 0: no timer */
    struct sched_vcpu *next, **link;
};

_Static_assert(offsetof(struct sched_vcpu, fair) == 0, "for vcpu_of()");
_Static_assert(SCHED_MAX_SHARED <= FAIR_MAX, "all may wait for one CPU");

struct run_queue {
    struct fair_queue fair;
    struct spinlock lock;
    struct cpu *cpu;
    struct sched_vcpu *waiting;
    uint64_t balance_at;       /* TSC; 0: there is one CPU only */
    volatile bool called;      /* by another CPU, to steal; until this one looks at the queues again */
    volatile bool watches;     /* it waits, but will look again by itself */
    struct sched_vcpu *loader; /* the last one out of a VM that ended: this CPU does what follows (lend.c) */
    struct vm *ended;          /* those that ended while it had lent itself to their vCPUs */
    bool lent;
};

static struct sched_vcpu *vcpu_of(struct fair_entity *e)
{
    return (struct sched_vcpu *)e;
}

/* Does what is asked of this CPU. False: at boot, or it is about that already. */
bool sched_heed(struct cpu *cpu);

/* Runs s, but for the loader, whose time it has been; and then it is the turn of the one that is returned. */
COLD struct sched_vcpu *sched_run_lent(struct run_queue *q, struct sched_vcpu *s);
