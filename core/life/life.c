/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operator may do with a VM, and what follows its end. */
#include "core/life/life.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "core/base/latency.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "core/life/breakpoint.h"
#include "core/report/report.h"
#include "core/report/trace_show.h"
#include "core/vm/backend.h"
#include "sched/sched.h"
#include "sched/vm_run.h"

#define PAUSE_SECONDS  2
#define SHOWN_OF_CRASH 16 /* events of the trace */

static bool power_off_asked; /* a VM with poweroff has ended; by the CPU of its last vCPU */

/* --- what is refused when --- */

enum situation { STOPPED, RUNS, PAUSING, PAUSED, AT_BREAKPOINT, ENDING, SITUATIONS };

static enum situation situation(const struct vm *vm)
{
    union vm_state s = vm_state(vm);
    bool breakpoint = s.pause == PAUSE_STOP || s.pause == PAUSE_SHOWN;

    switch (s.phase) {
    case VM_STOPPED: return STOPPED;
    case VM_RUNS: return RUNS;
    case VM_PAUSING: return breakpoint ? AT_BREAKPOINT : PAUSING;
    case VM_ENDING:
    case VM_LOADING: return ENDING;
    default: return breakpoint ? AT_BREAKPOINT : PAUSED;
    }
}

const char *vm_situation(const struct vm *vm)
{
    static const char *const names[SITUATIONS] = {"stopped", "runs",       "pausing",
                                                  "paused",  "breakpoint", "ending"};

    return vm ? names[situation(vm)] : "not built";
}

/* What the operator may ask for; NULL: it is done. */
enum verb { START, STOP, RESET, PAUSE, RESUME, CONTINUE, STEP, INTERRUPT, DESTROY, VERBS };

static const char *const refusals[VERBS][SITUATIONS] = {
    [START] = {NULL, "has been started", "has been started", "has been started", "has been started",
               "has been started"},
    [STOP] = {"does not run", NULL, NULL, NULL, NULL, NULL},
    [RESET] = {"does not run", NULL, NULL, NULL, NULL, "is ending already"},
    [PAUSE] = {"does not run", NULL, "is being paused", "is paused already", "is paused already", NULL},
    [RESUME] = {"does not run", "is not paused", "is not at rest yet", NULL,
                "has stopped at a breakpoint: 'continue' it", "is ending"},
    [CONTINUE] = {"has not stopped", "has not stopped", "has not stopped", "is paused: 'resume' it", NULL,
                  "is ending"},
    [STEP] = {"does not run", "runs: pause it, or break into it", "is not at rest yet", NULL, NULL,
              "is ending"},
    [INTERRUPT] = {"does not run", NULL, NULL, NULL, NULL, "is ending"},
    [DESTROY] = {NULL, "runs: stop it first", "runs: stop it first", "runs: stop it first",
                 "runs: stop it first", "is not at rest yet"},
};

_Static_assert(SITUATIONS == 6 && ARRAY_SIZE(refusals[0]) == 6,
               "a row that is shorter allows what is not in it");

static const char *refuse_verb(const struct vm *vm, enum verb verb)
{
    return refusals[verb][situation(vm)];
}

/* --- start --- */

static void start_budgets(struct vm *vm)
{
    const struct exit_budget *budget = &vm->config->exit_budget;
    uint64_t from = rdtsc() + machine.tsc_hz / 1000 * budget->after_ms;

    ASSERT(machine.tsc_hz > 0); /* the length of a second of a budget */
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        budget_start(&vm->vcpus[i]->budget, budget->exits, machine.tsc_hz, from);
}

/* Its guest begins a life, which a VM that shall be paused still has before it. False: it shall be off
 * instead. */
static bool begin_vm_life(struct vm *vm)
{
    union vm_state s, to;

    start_budgets(vm);
    vm->begun = rdtsc();
    trace_note(TRACE_START, 0, TRACE_WHO(vm->id, 0));
    vm->rests_since = rdtsc();
    do {
        s = vm_state(vm);
        if (s.end == VM_END_STOP && s.phase == VM_LOADING)
            return false;
        to = s.pause ? (union vm_state){.phase = VM_PAUSED, .pause = s.pause}
                     : (union vm_state){.phase = VM_RUNS};
        vm->fresh = false;
    } while (!vm_move_from(vm, s, to));
    if (!s.pause)
        sched_start(vm);
    return true;
}

const char *vm_start(struct vm *vm)
{
    const char *why = refuse_verb(vm, START);

    if (why)
        return why;
    if (vm->lost_memory)
        return "has lost a page of its memory: destroy it";
    vm->stop_asked = 0;
    vm->triple_faults = 0;
    power_off_asked = false; /* an administrator that starts a VM wants the machine on */
    if (vm->fresh)
        begin_vm_life(vm);
    else
        vm_request_start(vm);
    return NULL;
}

/* --- end --- */

bool vm_all_ended(void)
{
    for (const struct vm *vm = vm_next(NULL); vm && !power_off_asked; vm = vm_next(vm)) {
        if (vm_state(vm).phase != VM_STOPPED)
            return false;
    }
    return true;
}

/* The requester is one more to leave: when no vCPU runs, it is the last one out. One that ends by itself just
 * now, or is loaded again, shall be off all the same. */
const char *vm_stop(struct vm *vm)
{
    const char *refused = refuse_verb(vm, STOP);
    bool told;

    if (refused)
        return refused;
    vm->stop_asked = rdtsc();
    vm_begin_request(vm);
    do {
        told = vm_request_end(vm, VM_END_STOP, "is stopped from outside");
    } while (!vm_wish(vm, VM_END_STOP, PAUSE_NONE) && vm_state(vm).phase != VM_STOPPED);
    if (!told)
        log_info("[vm %s] ends, and is stopped from outside", vm->config->name);
    vm_end_request(vm);
    return NULL;
}

const char *vm_reset(struct vm *vm)
{
    const char *refused = refuse_verb(vm, RESET);

    if (refused)
        return refused;
    vm_begin_request(vm);
    vm_request_end(vm, VM_END_RESET, "is reset from outside");
    vm_end_request(vm);
    return NULL;
}

const char *vm_nmi(struct vm *vm)
{
    const char *why = refuse_verb(vm, INTERRUPT);

    if (!why)
        vcpu_ask(vm->vcpus[0], ASKED_NMI);
    return why;
}

static void give_focus_away(const struct vm *from)
{
    if (console_focused() != &from->console)
        return;
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (vm != from && vm_lives(vm)) {
            console_focus(&vm->console);
            log_info("console: %s", vm->config->name);
            return;
        }
    }
}

static void come_to_rest(struct vm *vm)
{
    if (vm->stop_asked)
        latency_note(LATENCY_STOP, vm->stop_asked);
    vm->stop_asked = 0;
    console_guest_end(&vm->console);
    vm_audit(vm);
    vm->rests_since = rdtsc();
    report_end(vm);
    give_focus_away(vm);
    vm_move(vm, BIT(VM_LOADING), (union vm_state){.phase = VM_STOPPED});
}

static bool may_restart(const struct vm *vm, enum vm_end end)
{
    if (!vm_wants_restart(vm, end))
        return false;
    if (end == VM_END_START || !vm->config->max_restarts || vm->resets < vm->config->max_restarts)
        return true;
    log_info("[vm %s] has been started again %u times, its max-restarts", vm->config->name, vm->resets);
    return false;
}

static bool start_again(struct vm *vm)
{
    vm->resets++;
    vm_account_is_as_built(vm);
    if (!vm_load(vm) || !begin_vm_life(vm))
        return false;
    if (vm->told)
        log_info("[vm %s] starts again (%u)", vm->config->name, vm->resets);
    return true;
}

static enum ending what_follows(const struct vm *vm, enum vm_end end)
{
    if (end == VM_END_STOP || end == VM_END_START)
        return ENDING_STOP;
    return end == VM_END_CRASH ? vm->config->on_crash : vm->config->on_exit;
}

/* On the CPU that was the last to leave it; in VM_LOADING nobody else does anything with the VM. */
static void life_ended(struct vm *vm)
{
    union vm_state s = vm_state(vm);
    enum vm_end end = (enum vm_end)s.end;

    vm_rest_parts(vm);
    if (end == VM_END_CRASH && vm->told)
        trace_show_vm(vm->id, SHOWN_OF_CRASH);
    if (may_restart(vm, end) && start_again(vm))
        return;
    end = (enum vm_end)vm_state(vm).end; /* the operator may have stopped it meanwhile */
    come_to_rest(vm);
    if (what_follows(vm, end) != ENDING_POWEROFF)
        return;
    power_off_asked = true;
    cpus[0]->work = true; /* the others may run on and on, and nobody have nothing to run */
    cpu_kick(cpus[0]);
}

/* --- pause --- */

static bool at_rest(const struct vm *vm)
{
    uint8_t phase = vm_state(vm).phase;

    return phase == VM_STOPPED || phase == VM_PAUSED;
}

static const char *wait_until_left(struct vm *vm, bool asked)
{
    uint64_t start = rdtsc();

    while (vm_state(vm).phase == VM_PAUSING) {
        if (rdtsc() - start > machine.tsc_hz * PAUSE_SECONDS) {
            if (asked && vm_move(vm, BIT(VM_PAUSING), (union vm_state){.phase = VM_RUNS}))
                sched_start(vm);
            return "has a vCPU that does not give its CPU up";
        }
        cpu_pause();
    }
    latency_note(LATENCY_PAUSE, start);
    return NULL;
}

/* The requester counts as one of those that have to leave, as in vm_stop(). One that ends by itself just now
 * is paused when it has been loaded again. */
static const char *pause_for(struct vm *vm, enum vm_pause why)
{
    const union vm_state paused = {.phase = VM_PAUSING, .pause = (uint8_t)why};
    bool asked;

    vm_begin_request(vm);
    do {
        asked = vm_move(vm, BIT(VM_RUNS), paused);
    } while (!asked && !vm_wish(vm, VM_END_NONE, why) && vm_state(vm).phase == VM_RUNS);
    if (asked)
        vm_kick(vm);
    vm_end_request(vm);
    return wait_until_left(vm, asked);
}

/* It was not waited for to the end: it shall not stop when nobody looks any more. */
static void look_no_more(struct vm *vm)
{
    union vm_state s = vm_state(vm);

    if (s.pause == PAUSE_LOOK && !vm_wish(vm, VM_END_NONE, PAUSE_NONE))
        vm_let_go(vm, true);
}

const char *vm_pause(struct vm *vm)
{
    const char *why = refuse_verb(vm, PAUSE);

    return why ? why : pause_for(vm, PAUSE_USER);
}

/* What counts a guest's time in host ticks. */
static void shift_counts(struct vm *vm, uint64_t ticks)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        budget_shift(&vm->vcpus[i]->budget, ticks);
        vm->vcpus[i]->observed.since += ticks;
    }
}

/* Nothing of a paused VM is active anywhere, and only the boot CPU can end that. */
static void leave_pause(struct vm *vm)
{
    uint64_t gone = rdtsc() - vm->rests_since;

    ASSERT(vm_state(vm).phase == VM_PAUSED);
    backend.vm_shift_time(vm, gone);
    shift_counts(vm, gone);
    vm_move(vm, BIT(VM_PAUSED), (union vm_state){.phase = VM_RUNS});
    sched_start(vm);
}

const char *vm_resume(struct vm *vm)
{
    const char *why = refuse_verb(vm, RESUME);

    if (!why)
        leave_pause(vm);
    return why;
}

/* It comes to rest when this CPU has loaded it, which goes on with that when the operator is done. */
static bool waits_for_us(const struct vm *vm)
{
    union vm_state s = vm_state(vm);

    return (s.phase == VM_LOADING || (s.phase == VM_ENDING && !s.running)) && vm->loader == this_cpu();
}

static const char *why_not_at_rest(const struct vm *vm, uint64_t since)
{
    if (waits_for_us(vm))
        return "is being loaded";
    return rdtsc() - since > machine.tsc_hz * PAUSE_SECONDS ? "does not come to rest" : NULL;
}

/* One that is about to end may start again before it comes to rest. */
const char *vm_hold(struct vm *vm, bool *held)
{
    uint64_t start = rdtsc();

    *held = false;
    while (!at_rest(vm)) {
        const char *why = why_not_at_rest(vm, start);

        if (!why && !vm_state(vm).pause)
            why = pause_for(vm, PAUSE_LOOK);
        if (why) {
            look_no_more(vm);
            return why;
        }
        cpu_pause();
    }
    *held = vm_state(vm).pause == PAUSE_LOOK;
    return NULL;
}

void vm_let_go(struct vm *vm, bool held)
{
    union vm_state s = vm_state(vm);

    if (held && s.phase == VM_PAUSED && s.pause == PAUSE_LOOK)
        leave_pause(vm);
}

/* --- breakpoints --- */

/* Waits until one that has stopped rests. It may end meanwhile, and start again: then it goes on. */
static const char *hold_stopped(struct vm *vm)
{
    bool held;
    const char *why = vm_hold(vm, &held);

    if (why)
        return why;
    vm_let_go(vm, held);
    return vm_state(vm).phase == VM_PAUSED ? NULL : "has ended meanwhile";
}

const char *vm_continue(struct vm *vm)
{
    const char *why = refuse_verb(vm, CONTINUE);

    if (!why)
        why = hold_stopped(vm);
    if (!why)
        leave_pause(vm);
    return why;
}

struct vcpu *vm_stopped_vcpu(const struct vm *vm)
{
    return vm->vcpus[situation(vm) == AT_BREAKPOINT ? vm_state(vm).vcpu : 0];
}

static union vm_state with_phase(union vm_state s, enum vm_phase phase)
{
    s.phase = (uint8_t)phase;
    return s;
}

/* Its clock goes on while the instruction does. The vCPU that steps counts as running: it may end the VM. */
const char *vm_step(struct vm *vm)
{
    const char *why = refuse_verb(vm, STEP);
    union vm_state s;

    if (!why)
        why = hold_stopped(vm);
    if (why)
        return why;
    s = vm_state(vm);
    vm_move(vm, BIT(VM_PAUSED), with_phase(s, VM_STEPS));
    backend.vm_shift_time(vm, rdtsc() - vm->rests_since);
    vm_begin_request(vm);
    why = backend.step(vm->vcpus[s.pause == PAUSE_SHOWN ? s.vcpu : 0]);
    vm->rests_since = rdtsc();
    vm_move(vm, BIT(VM_STEPS), with_phase(vm_state(vm), VM_PAUSED));
    vm_end_request(vm);
    return why;
}

struct vm *vm_next_stop(void)
{
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        union vm_state s;

        if (vm_state(vm).pause != PAUSE_STOP || hold_stopped(vm))
            continue;
        s = vm_state(vm);
        s.pause = PAUSE_SHOWN;
        if (vm_state(vm).pause == PAUSE_STOP && vm_move(vm, BIT(VM_PAUSED), s))
            return vm;
    }
    return NULL;
}

/* --- destroy and create --- */

static void give_cpus_back(const struct vm *vm)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i]->owner && cpus[i]->owner->vm == vm)
            cpus[i]->owner = NULL;
    }
}

const char *vm_destroy(struct vm *vm)
{
    struct account account = vm->account;
    const char *why = refuse_verb(vm, DESTROY);

    if (why)
        return why;
    if (sched_holds(vm))
        return "is not at rest yet";
    ASSERT(vms[vm->id] == vm);
    give_cpus_back(vm);
    __atomic_store_n(&vms[vm->id], NULL, __ATOMIC_RELEASE);
    vm_count--;
    vm_destroy_parts(vm);
    memory_release(&account);
    return NULL;
}

const char *vm_create(const struct config *config, unsigned id)
{
    ASSERT(id < config->vm_count);
    if (vms[id])
        return "is there already";
    if (!config->vms[id].valid)
        return "has errors in the configuration";
    return vm_build(&config->vms[id], id) ? NULL : "cannot be built";
}

void life_setup(const struct vm_part *parts, unsigned count)
{
    vm_set_ended(life_ended);
    load_set_between(sched_lend);
    vm_set_parts(parts, count);
}
