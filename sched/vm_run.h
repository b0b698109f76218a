/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's life as the code that runs its vCPUs sees it. vm_move() is the only way from one phase to another:
 *
 *     from                            to        by
 *     stopped                         runs      boot CPU: vm_start(), when it is loaded already
 *     stopped                         ending    boot CPU: vm_request_start()
 *     runs                            pausing   boot CPU: vm_pause(), vm_hold(); a vCPU: vm_break()
 *     pausing                         paused    the last one out
 *     pausing                         runs      boot CPU, when a vCPU does not leave
 *     paused                          runs      boot CPU: vm_resume(), vm_continue(), vm_let_go()
 *     paused                          steps     boot CPU: vm_step(); and back
 *     runs, pausing, paused, steps    ending    anybody: vm_request_end()
 *     ending                          loading   the last one out, which does what follows (life hook):
 *     loading                         runs, or paused if that is wanted, or stopped
 *
 * In ending and loading the operator may still say what follows: vm_wish().
 *
 * The last one out is the CPU that finds the count of those that run at 0 when it leaves. A requester counts
 * as one of them (vm_begin_request), so a VM of which no vCPU runs has a last one out, too. But a requester
 * does not load: that takes long, and the operator waits. It calls vCPU 0 instead, which comes, may not run,
 * and is the last one out (vm_calls()).
 */
#pragma once

#include "core/vm/vm.h"

/* What the last one out of a VM that ends does, on its CPU: core/life's. The phase is VM_LOADING. */
typedef void vm_ended_fn(struct vm *vm);
void vm_set_ended(vm_ended_fn *ended);

/*
 * Moves a VM from one of these phases (BIT(phase) each) to another; the count of those that run stays. False:
 * it was in none of them. That the operator paused it, or looks at it, is kept through its end.
 */
bool vm_move(struct vm *vm, unsigned from, union vm_state to);

/* The same, of a VM that is in this very state and no other. */
bool vm_move_from(struct vm *vm, union vm_state was, union vm_state to);

/*
 * What the operator wants of a VM that ends or is loaded again: to be off then, or paused. It outlasts what
 * the guest asked for. end: VM_END_STOP, or VM_END_NONE for a pause. False: the VM is in neither phase.
 */
bool vm_wish(struct vm *vm, enum vm_end end, enum vm_pause pause);

/* Whether its vCPUs may run now. */
static inline bool vm_may_run(const struct vm *vm)
{
    return __atomic_load_n(&vm->state.phase, __ATOMIC_SEQ_CST) == VM_RUNS;
}

#define VM_ONE_RUNS (UINT64_C(1) << 32) /* in union vm_state */

/* Before a vCPU runs. False: it must not after all. vm_end_run() follows in any case. */
static inline bool vm_begin_run(struct vm *vm)
{
    union vm_state s = {.word = __atomic_add_fetch(&vm->state.word, VM_ONE_RUNS, __ATOMIC_SEQ_CST)};

    return s.phase == VM_RUNS;
}

void vm_left(struct vm *vm);

static inline void vm_end_run(struct vm *vm)
{
    union vm_state s = {.word = __atomic_sub_fetch(&vm->state.word, VM_ONE_RUNS, __ATOMIC_SEQ_CST)};

    if (unlikely(s.phase != VM_RUNS))
        vm_left(vm);
}

/* It has ended, and what follows is left to this vCPU. */
static inline bool vm_calls(const struct vcpu *v)
{
    union vm_state s = {.word = __atomic_load_n(&v->vm->state.word, __ATOMIC_SEQ_CST)};

    return v->id == 0 && s.phase == VM_ENDING && !s.running;
}

/* Another CPU wants something of the VM: counts like a vCPU that runs, until vm_end_request(). */
static inline void vm_begin_request(struct vm *vm)
{
    __atomic_add_fetch(&vm->state.word, VM_ONE_RUNS, __ATOMIC_SEQ_CST);
}

void vm_end_request(struct vm *vm);

/* Of one that has stopped: it is loaded and starts, as at a reset. False: it has not stopped. */
bool vm_request_start(struct vm *vm);

/*
 * Asks a VM to end, from one of its vCPUs, whose handler then returns NEXT_LEAVE, or between
 * vm_begin_request() and vm_end_request(). The text is for the log, one line. The first request wins. False:
 * it has been asked already. Most ends of a VM that starts again for ever are not told (vm->told): neither
 * the line nor what else a guest can cause to be printed.
 */
bool vm_request_end(struct vm *vm, enum vm_end end, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * A triple fault of one of its vCPUs: how the VM ends by it, and in *what the words for it. On a PC it resets
 * the machine, and some systems reboot by one on purpose; the configuration may call it a crash. It is one,
 * too, when TRIPLE_FAULTS follow each other within a second of their VM's start: such a guest does not get
 * any further.
 */
#define TRIPLE_FAULTS 10
enum vm_end vm_triple_fault(struct vm *vm, const char **what);

/* It starts again when it has ended like that. */
bool vm_wants_restart(const struct vm *vm, enum vm_end end);

/*
 * A vCPU has met a breakpoint, says its exit handler, which returns NEXT_LEAVE then. what is for the report.
 * False: the VM is being stopped already; the vCPU must meet its breakpoint again when it goes on.
 */
bool vm_break(struct vcpu *v, const char *what);

/* Only INIT, SIPI and NMI can wake this vCPU; a VM of which that is true for all has ended. */
void vcpu_dead(struct vcpu *v);

/* Each vCPU looks at the state before it runs on. */
void vm_kick(struct vm *vm);
