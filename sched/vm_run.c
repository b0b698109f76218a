/* SPDX-License-Identifier: BSD-2-Clause */
#include "sched/vm_run.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "core/base/blackbox.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/base/trace.h"
#include "sched/sched.h"

#define REVIVES (ASKED_INIT | ASKED_STARTUP | ASKED_NMI | ASKED_UNHALT)

#define TOLD_ALWAYS   10 /* restarts */
#define TOLD_EACH     100
#define TOLD_A_SECOND 4 /* of those */

static vm_ended_fn *ended;

void vm_set_ended(vm_ended_fn *fn)
{
    ended = fn;
}

/* --- the one way to move --- */

#define TO(phase) BIT(VM_##phase)

static const uint8_t may_follow[VM_PHASES] = {
    [VM_STOPPED] = TO(RUNS) | TO(ENDING),
    [VM_RUNS] = TO(PAUSING) | TO(ENDING),
    [VM_PAUSING] = TO(PAUSED) | TO(RUNS) | TO(ENDING),
    [VM_PAUSED] = TO(RUNS) | TO(STEPS) | TO(PAUSED) | TO(ENDING),
    [VM_STEPS] = TO(PAUSED) | TO(STEPS) | TO(ENDING),
    [VM_ENDING] = TO(LOADING),
    [VM_LOADING] = TO(RUNS) | TO(PAUSED) | TO(STOPPED),
};

/* What the operator wants outlasts what the guest does; a stop at a breakpoint does not. */
static uint8_t kept_pause(union vm_state s)
{
    return s.pause == PAUSE_USER || s.pause == PAUSE_LOOK ? s.pause : PAUSE_NONE;
}

static union vm_state next_state(union vm_state was, union vm_state to)
{
    ASSERT(may_follow[was.phase] & BIT(to.phase));
    to.running = was.running;
    if (to.phase == VM_ENDING)
        to.pause = kept_pause(was);
    return to;
}

bool vm_move(struct vm *vm, unsigned from, union vm_state to)
{
    union vm_state was = vm_state(vm);
    uint64_t next;

    do {
        if (!(from & BIT(was.phase)))
            return false;
        next = next_state(was, to).word;
    } while (!__atomic_compare_exchange_n(&vm->state.word, &was.word, next, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return true;
}

bool vm_move_from(struct vm *vm, union vm_state was, union vm_state to)
{
    return __atomic_compare_exchange_n(&vm->state.word, &was.word, next_state(was, to).word, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool vm_wish(struct vm *vm, enum vm_end end, enum vm_pause pause)
{
    union vm_state was = vm_state(vm), to;

    do {
        if (was.phase != VM_ENDING && was.phase != VM_LOADING)
            return false;
        to = was;
        if (end)
            to.end = (uint8_t)end;
        else
            to.pause = (uint8_t)pause;
    } while (!__atomic_compare_exchange_n(&vm->state.word, &was.word, to.word, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return true;
}

/* With nobody running in the word: if it changes in between, the CPU that changed it comes here, or the
 * operator has a wish. */
static bool move_if_left(struct vm *vm, enum vm_phase from, enum vm_phase to)
{
    union vm_state s = vm_state(vm);

    for (; s.phase == from && !s.running; s = vm_state(vm)) {
        union vm_state next = s;

        next.phase = (uint8_t)to;
        if (vm_move_from(vm, s, next))
            return true;
    }
    return false;
}

COLD void vm_left(struct vm *vm)
{
    union vm_state s = vm_state(vm);

    if (s.running)
        return;
    if (s.phase == VM_PAUSING) {
        vm->rests_since = rdtsc();
        move_if_left(vm, VM_PAUSING, VM_PAUSED);
    } else if (s.phase == VM_ENDING && move_if_left(vm, VM_ENDING, VM_LOADING)) {
        vm->loader = this_cpu();
        sched_stop(vm);
        if (!sched_begin_load(vm))
            return;
        for (struct vm *next = vm; next; next = sched_next_load())
            ended(next);
    }
}

static void call_vcpu_0(struct vm *vm)
{
    vm->loader = vm->vcpus[0]->cpu;
    sched_call(vm);
}

COLD void vm_end_request(struct vm *vm)
{
    union vm_state s = {.word = __atomic_sub_fetch(&vm->state.word, VM_ONE_RUNS, __ATOMIC_SEQ_CST)};

    if (s.phase == VM_ENDING && !s.running && vm_wants_restart(vm, (enum vm_end)s.end))
        call_vcpu_0(vm);
    else if (s.phase != VM_RUNS)
        vm_left(vm);
}

bool vm_request_start(struct vm *vm)
{
    if (!vm_move(vm, TO(STOPPED), (union vm_state){.phase = VM_ENDING, .end = VM_END_START}))
        return false;
    vm->told = false;
    call_vcpu_0(vm);
    return true;
}

void vm_kick(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_ask(vm->vcpus[i], ASKED_LEAVE);
}

/* --- ends --- */

bool vm_wants_restart(const struct vm *vm, enum vm_end end)
{
    if (vm->lost_memory) /* loading it would touch that page */
        return false;
    switch (end) {
    case VM_END_RESET:
    case VM_END_START: return true;
    case VM_END_STOP: return false;
    case VM_END_CRASH: return vm->config->on_crash == ENDING_RESTART;
    default: return vm->config->on_exit == ENDING_RESTART;
    }
}

static bool power_of_ten(unsigned n)
{
    while (n && n % 10 == 0)
        n /= 10;
    return n == 1;
}

static bool shall_be_told(const struct vm *vm, enum vm_end end, uint64_t now)
{
    unsigned restart = vm->resets + 1;

    if (!vm_wants_restart(vm, end) || restart <= TOLD_ALWAYS || power_of_ten(restart))
        return true;
    return restart % TOLD_EACH == 0 && now - vm->told_at > machine.tsc_hz / TOLD_A_SECOND;
}

static void note_end(struct vm *vm, enum vm_end end)
{
    uint64_t now = rdtsc();

    vm->told = shall_be_told(vm, end, now);
    if (vm->told)
        vm->told_at = now;
    trace_note(TRACE_END, end, TRACE_WHO(vm->id, 0));
    if (end == VM_END_CRASH)
        blackbox_note_crash(vm->id);
}

bool vm_request_end(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
    char text[200];
    va_list args;

    if (!vm_move(vm, TO(RUNS) | TO(PAUSING) | TO(PAUSED) | TO(STEPS),
                 (union vm_state){.phase = VM_ENDING, .end = (uint8_t)end}))
        return false;
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    note_end(vm, end);
    if (vm->told && end == VM_END_CRASH)
        log_error("[vm %s] stopped: %s", vm->config->name, text);
    else if (vm->told)
        log_info("[vm %s] %s", vm->config->name, text);
    vm_kick(vm);
    return true;
}

/* Two vCPUs may be here at once: then one of the faults does not count. */
static bool gets_no_further(struct vm *vm)
{
    vm->triple_faults = rdtsc() - vm->begun < machine.tsc_hz ? vm->triple_faults + 1 : 0;
    return vm->triple_faults >= TRIPLE_FAULTS;
}

enum vm_end vm_triple_fault(struct vm *vm, const char **what)
{
    *what = "triple fault";
    if (vm->config->crash_on_triple_fault)
        return VM_END_CRASH;
    if (gets_no_further(vm)) {
        *what = "triple fault again and again, within a second of each start,";
        return VM_END_CRASH;
    }
    *what = "has reset itself by a triple fault";
    return VM_END_RESET;
}

void vcpu_dead(struct vcpu *v)
{
    struct vm *vm = v->vm;

    v->dead = true;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *other = vm->vcpus[i];

        if (!other->dead || (other->asked & REVIVES) || other->pv.unhalted)
            return;
    }
    vm_request_end(vm, VM_END_OFF, "has halted with interrupts off");
}

/* --- breakpoints --- */

/* True: the state says that it stopped for v. One that is stepped is paused already, and has met its own. */
static bool note_stop(struct vcpu *v)
{
    union vm_state s = vm_state(v->vm), to = {.pause = PAUSE_STOP, .vcpu = (uint8_t)v->id};

    if (s.phase != VM_STEPS) {
        to.phase = VM_PAUSING;
        return vm_move(v->vm, TO(RUNS), to);
    }
    to.phase = VM_STEPS;
    if (s.pause == PAUSE_SHOWN && s.vcpu == v->id)
        to.pause = PAUSE_SHOWN;
    return vm_move(v->vm, TO(STEPS), to);
}

bool vm_break(struct vcpu *v, const char *what)
{
    if (!note_stop(v))
        return false;
    v->vm->stop_reason = what;
    vm_kick(v->vm);
    cpus[0]->work = true;
    if (this_cpu() != cpus[0])
        cpu_kick(cpus[0]);
    return true;
}
