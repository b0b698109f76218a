/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of every CPU once the VMs are built, and the run queues of those CPUs that vCPUs share. What else
 * a CPU has to do between two runs of a vCPU is a matter of hooks.
 */
#pragma once

#include "core/vm/part.h"

#define SCHED_MAX_SHARED 240 /* vCPUs with sched = shared, in all VMs */

struct loop_hooks {
    void (*work)(void);  /* cpu->work is set */
    void (*leave)(void); /* cpu->leave is set: does not return */
    void (*idle)(void);  /* this CPU has nothing to run */
};

NORETURN void sched_loop(const struct loop_hooks *hooks);

/* Its interrupts: on every CPU, before the loop. */
void sched_enable(void);

/* Places in the run queues of the CPUs that the VM may use. False: out of memory. */
bool sched_create(struct vm *vm, const struct placement *p);
bool sched_create_vcpu(struct vcpu *v, const struct placement *p);

void sched_start(struct vm *vm); /* its vCPUs may run */
void sched_call(struct vm *vm);  /* its vCPU 0 shall come, though it may not run: vm_calls() */
/* When it returns, none of its vCPUs runs or will; on a CPU that ran the last of them. */
void sched_stop(struct vm *vm);
bool sched_holds(const struct vm *vm); /* a queue knows one of its vCPUs */

/*
 * A VM has ended, and its last vCPU has left on this CPU, which does what follows (vm_left() in vm_run.c).
 * While that takes long, others that share the CPU run between its pieces, on the account of that vCPU; when
 * one of them ends its VM, what follows for that one comes later: sched_begin_load() is false then, and
 * sched_next_load() returns the VM. NULL: that was all.
 */
bool sched_begin_load(struct vm *vm);
struct vm *sched_next_load(void);
void sched_lend(void); /* between the pieces */

/*
 * From any CPU: a note for the vCPU (ASKED_* of core/vm/vm.h), and its CPU is told: it comes out of its guest
 * or its wait and looks at it.
 */
void vcpu_ask(struct vcpu *v, uint32_t asked);

/*
 * to waits for a CPU: it runs before others that wait, unless it is far ahead of its share. from gives its
 * CPU away by itself (NEXT_YIELD). False: to does not wait.
 */
bool sched_yield_to(struct vcpu *from, struct vcpu *to);

bool sched_look(void);  /* for ASKED_RESCHED: true when the vCPU that runs must give way */
void sched_event(void); /* cpu->next_event has come; in root mode */

/*
 * Wherever a CPU can go round in root mode without an instruction of its guest: an interrupt of the host that
 * is pending would never be taken, nor the end of the slice be seen. Takes what is pending, looks at the
 * clock, and leaves the vCPU that runs here a note when something is wanted of the CPU.
 */
void sched_look_around(void);
