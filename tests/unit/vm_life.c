/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a VM: sched/vm_run.c and core/life/life.c against a model, through every situation that can be
 * reached by requests from two sides: the operator's, and those of two vCPUs that come, go, meet breakpoints
 * and end their VM. And what the model does not know: several VMs, and time.
 */
#include "tests/unit/fake_life.h"

/* --- the model: in words of its own --- */

struct model {
    enum { STANDS, LIVES, COMES_TO_REST, RESTS, DIES } how;
    enum vm_pause pause;
    unsigned who;
    enum vm_end end;
    bool in[VCPUS];
    bool fresh, off;
    unsigned loads;
};

static bool starts_again(enum vm_end end)
{
    return end == VM_END_RESET || (end == VM_END_CRASH && configs[0].on_crash == ENDING_RESTART) ||
           (end == VM_END_OFF && configs[0].on_exit == ENDING_RESTART);
}

static void m_settle(struct model *m)
{
    if (m->in[0] || m->in[1])
        return;
    if (m->how == COMES_TO_REST) {
        m->how = RESTS;
    } else if (m->how == DIES && starts_again(m->end)) {
        m->loads++;
        m->fresh = false;
        m->how = m->pause ? RESTS : LIVES;
    } else if (m->how == DIES) {
        m->how = STANDS;
        m->pause = PAUSE_NONE;
        m->off |= m->end != VM_END_STOP &&
                  (m->end == VM_END_CRASH ? configs[0].on_crash : configs[0].on_exit) == ENDING_POWEROFF;
    }
}

static void m_end(struct model *m, enum vm_end end)
{
    if (m->how == STANDS || m->how == DIES)
        return;
    m->how = DIES;
    m->end = end;
    m->pause = m->pause == PAUSE_USER || m->pause == PAUSE_LOOK ? m->pause : PAUSE_NONE;
}

static void m_all_leave(struct model *m)
{
    while (m->how == COMES_TO_REST && (m->in[0] || m->in[1])) {
        unsigned i = m->in[0] ? 0 : 1;

        if (ends_while_leaving)
            m_end(m, (enum vm_end)ends_while_leaving);
        m->in[i] = false;
        m_settle(m);
    }
    m_settle(m);
}

static void m_rest(struct model *m, enum vm_pause why)
{
    m->how = COMES_TO_REST;
    m->pause = why;
    m_all_leave(m);
}

static void m_live(struct model *m)
{
    m->how = LIVES;
    m->pause = PAUSE_NONE;
}

/* Until it rests, in whichever way. */
static void m_hold(struct model *m)
{
    for (;;) {
        if (m->how == LIVES)
            m_rest(m, PAUSE_LOOK);
        else if (m->how == COMES_TO_REST)
            m_all_leave(m);
        else if (m->how == DIES) { /* cpu_pause() in vm_hold() */
            m->pause = m->pause ? m->pause : PAUSE_LOOK;
            if (m->in[0] || m->in[1])
                m->in[m->in[0] ? 0 : 1] = false;
            m_settle(m);
        } else {
            return;
        }
    }
}

/* The same for one that stopped: if it has ended meanwhile and started again, it goes on. */
static bool m_hold_stopped(struct model *m)
{
    m_hold(m);
    if (m->how == RESTS && m->pause == PAUSE_LOOK)
        m_live(m);
    return m->how == RESTS;
}

/* --- requests --- */

enum request {
    R_START,
    R_STOP,
    R_RESET,
    R_PAUSE,
    R_RESUME,
    R_CONTINUE,
    R_STEP,
    R_LOOK,
    R_NEXT_STOP,
    R_IN_0,
    R_IN_1,
    R_OUT_0,
    R_OUT_1,
    R_BREAK_0,
    R_BREAK_1,
    R_OFF_0,
    R_CRASH_1,
    R_RESET_1,
    REQUESTS
};

static bool at_breakpoint(const struct model *m)
{
    return m->pause == PAUSE_STOP || m->pause == PAUSE_SHOWN;
}

static bool m_end_from_outside(struct model *m, enum vm_end end)
{
    if (m->how == STANDS || (m->how == DIES && end != VM_END_STOP))
        return false;
    m_end(m, end);
    m->end = end;
    m_settle(m);
    return true;
}

static bool m_step(struct model *m)
{
    unsigned who;

    if (m->how == STANDS || m->how == LIVES || m->how == DIES ||
        (m->how == COMES_TO_REST && !at_breakpoint(m)))
        return false;
    if (!m_hold_stopped(m))
        return false;
    who = m->pause == PAUSE_SHOWN ? m->who : 0;
    if (step_does == STEP_BREAKS) {
        m->pause = m->pause == PAUSE_SHOWN && m->who == who ? PAUSE_SHOWN : PAUSE_STOP;
        m->who = who;
    } else if (step_does >= STEP_ENDS) {
        m_end(m, (enum vm_end)(step_does - STEP_ENDS));
        m_settle(m);
    }
    return true;
}

/* What a request does in the model, and whether it is taken. */
static bool m_do(struct model *m, enum request r)
{
    unsigned i = r == R_IN_1 || r == R_OUT_1 || r == R_BREAK_1 || r == R_CRASH_1 || r == R_RESET_1;

    switch (r) {
    case R_START:
        if (m->how != STANDS)
            return false;
        m->loads += !m->fresh;
        m->fresh = m->off = false;
        m_live(m);
        return true;
    case R_STOP: return m_end_from_outside(m, VM_END_STOP);
    case R_RESET: return m_end_from_outside(m, VM_END_RESET);
    case R_PAUSE:
        if (m->how == DIES)
            m->pause = PAUSE_USER;
        else if (m->how == LIVES)
            m_rest(m, PAUSE_USER);
        else
            return false;
        return true;
    case R_RESUME:
        if (m->how != RESTS || m->pause != PAUSE_USER)
            return false;
        m_live(m);
        return true;
    case R_CONTINUE:
        if (!at_breakpoint(m) || !m_hold_stopped(m))
            return false;
        m_live(m);
        return true;
    case R_STEP: return m_step(m);
    case R_LOOK:
        m_hold(m);
        if (m->how == RESTS && m->pause == PAUSE_LOOK)
            m_live(m);
        return true;
    case R_NEXT_STOP:
        if (m->pause != PAUSE_STOP)
            return false;
        if (!m_hold_stopped(m) || m->pause != PAUSE_STOP)
            return false;
        m->pause = PAUSE_SHOWN;
        return true;
    case R_IN_0:
    case R_IN_1: m->in[i] = m->how == LIVES; return m->in[i];
    case R_OUT_0:
    case R_OUT_1: break;
    case R_BREAK_0:
    case R_BREAK_1:
        if (m->how != LIVES)
            break;
        m->how = COMES_TO_REST;
        m->pause = PAUSE_STOP;
        m->who = i;
        m->in[i] = false;
        m_settle(m);
        return true;
    case R_OFF_0: m_end(m, VM_END_OFF); break;
    case R_CRASH_1: m_end(m, VM_END_CRASH); break;
    default: m_end(m, VM_END_RESET); break;
    }
    m->in[i] = false;
    m_settle(m);
    return false;
}

/* Whether it can be made at all: a vCPU that runs does not begin, one that does not cannot do anything. */
static bool possible(enum request r)
{
    switch (r) {
    case R_IN_0: return !in[0];
    case R_IN_1: return !in[1];
    case R_OUT_0:
    case R_BREAK_0:
    case R_OFF_0: return in[0];
    case R_OUT_1:
    case R_BREAK_1:
    case R_CRASH_1:
    case R_RESET_1: return in[1];
    default: return true;
    }
}

static bool leave_with(unsigned i, bool result)
{
    leave_guest(i);
    return result;
}

static bool come(unsigned i)
{
    in[i] = vm_begin_run(vm);
    if (!in[i])
        vm_end_run(vm);
    return in[i];
}

static bool look(void)
{
    bool held;
    const char *why = vm_hold(vm, &held);

    vm_let_go(vm, held);
    return !why;
}

static bool really_do(enum request r)
{
    switch (r) {
    case R_START: return !vm_start(vm);
    case R_STOP: return !vm_stop(vm);
    case R_RESET: return !vm_reset(vm);
    case R_PAUSE: return !vm_pause(vm);
    case R_RESUME: return !vm_resume(vm);
    case R_CONTINUE: return !vm_continue(vm);
    case R_STEP: return !vm_step(vm);
    case R_LOOK: return look();
    case R_NEXT_STOP: return vm_next_stop() == vm;
    case R_IN_0:
    case R_IN_1: return come(r - R_IN_0);
    case R_OUT_0:
    case R_OUT_1: return leave_with(r - R_OUT_0, false);
    case R_BREAK_0:
    case R_BREAK_1: return leave_with(r - R_BREAK_0, vm_break(&vcpus[0][r - R_BREAK_0], "int3"));
    case R_OFF_0: vm_request_end(vm, VM_END_OFF, "off"); return leave_with(0, false);
    case R_CRASH_1: vm_request_end(vm, VM_END_CRASH, "crash"); return leave_with(1, false);
    default: vm_request_end(vm, VM_END_RESET, "reset"); return leave_with(1, false);
    }
}

/* --- every situation --- */

struct situation_of_all {
    struct vm vm;
    struct model model;
    bool in[VCPUS], off;
    unsigned loads;
};

static struct situation_of_all seen[4096];
static unsigned seen_count;

/* The same but for counts that only grow. */
static bool is_seen(void)
{
    for (unsigned i = 0; i < seen_count; i++) {
        const struct situation_of_all *s = &seen[i];

        if (s->vm.state.word == vm->state.word && s->vm.fresh == vm->fresh &&
            !memcmp(s->in, in, sizeof(in)) && s->off == power_off_asked)
            return true;
    }
    return false;
}

static void note(const struct model *m)
{
    if (is_seen())
        return;
    assert_true(seen_count < ARRAY_SIZE(seen));
    seen[seen_count++] = (struct situation_of_all){*vm, *m, {in[0], in[1]}, power_off_asked, loads};
}

static void go_to(const struct situation_of_all *s, struct model *m)
{
    *vm = s->vm;
    *m = s->model;
    memcpy(in, s->in, sizeof(in));
    power_off_asked = s->off;
    loads = s->loads;
}

static void agrees(const struct model *m, enum request r)
{
    static const uint8_t phases[] = {VM_STOPPED, VM_RUNS, VM_PAUSING, VM_PAUSED, VM_ENDING};
    union vm_state s = vm_state(vm);

    if (s.phase != phases[m->how] || s.pause != m->pause)
        fail_msg("request %u: phase %u pause %u, the model says %u and %u", r, s.phase, s.pause,
                 phases[m->how], m->pause);
    assert_int_not_equal(s.pause, PAUSE_LOOK); /* a look ends with the request */
    assert_int_equal(s.running, in[0] + in[1]);
    assert_memory_equal(in, m->in, sizeof(in));
    assert_int_equal(loads, m->loads);
    assert_int_equal(vm->fresh, m->fresh);
    assert_int_equal(power_off_asked, m->off);
    assert_int_equal(vm_all_ended(), m->how == STANDS || m->off);
    assert_int_equal(vm_may_run(vm), m->how == LIVES);
    if (at_breakpoint(m) && m->how != STANDS)
        assert_int_equal(s.vcpu, m->who);
}

static void try_all(unsigned from)
{
    static const int leaves[] = {0, VM_END_OFF, VM_END_RESET},
                     steps[] = {STEP_NOTHING, STEP_BREAKS, STEP_ENDS + VM_END_OFF, STEP_ENDS + VM_END_RESET};

    for (unsigned r = 0; r < REQUESTS; r++) {
        for (unsigned k = 0; k < ARRAY_SIZE(leaves) * ARRAY_SIZE(steps); k++) {
            struct model m;
            bool expected;

            go_to(&seen[from], &m);
            ends_while_leaving = leaves[k % ARRAY_SIZE(leaves)];
            step_does = steps[k / ARRAY_SIZE(leaves)];
            if (!possible((enum request)r))
                break;
            expected = m_do(&m, (enum request)r);
            if (really_do((enum request)r) != expected)
                fail_msg("request %u in phase %u pause %u: taken or not, the model says %u", r,
                         seen[from].vm.state.phase, seen[from].vm.state.pause, expected);
            agrees(&m, (enum request)r);
            note(&m);
        }
    }
}

static void every_situation(enum ending on_exit, enum ending on_crash)
{
    struct model m = {.how = STANDS, .fresh = true};

    set_up(NULL);
    configs[0].on_exit = on_exit;
    configs[0].on_crash = on_crash;
    seen_count = 0;
    note(&m);
    for (unsigned i = 0; i < seen_count; i++)
        try_all(i);
    assert_true(seen_count > 20);
}

static void agrees_with_the_model(void **state)
{
    (void)state;
    every_situation(ENDING_STOP, ENDING_STOP);
    every_situation(ENDING_RESTART, ENDING_STOP);
    every_situation(ENDING_STOP, ENDING_RESTART);
    every_situation(ENDING_POWEROFF, ENDING_RESTART);
}

/* --- what the model does not know --- */

static void off(struct vm *of)
{
    assert_true(vm_begin_run(of));
    vm_request_end(of, VM_END_OFF, "off");
    vm_end_run(of);
    assert_int_equal(vm_state(of).phase, VM_STOPPED);
}

/* It was a count: the second end brought it below 0, and the machine stayed on for ever. */
static void power_off_outlasts_another_end(void **state)
{
    (void)state;
    vms[1] = &worlds[1];
    configs[0].on_exit = ENDING_POWEROFF;
    vm_start(&worlds[0]);
    vm_start(&worlds[1]);
    assert_false(vm_all_ended());
    off(&worlds[0]);
    assert_true(vm_all_ended());
    off(&worlds[1]);
    assert_true(vm_all_ended());
}

static void machine_goes_on_for_a_vm_that_is_started(void **state)
{
    (void)state;
    configs[0].on_exit = ENDING_POWEROFF;
    vm_start(vm);
    off(vm);
    assert_true(vm_all_ended());
    assert_null(vm_start(vm));
    assert_false(vm_all_ended());
}

/* A reset in the middle of a pause: the budget is that of the new life, which begins when the VM goes on. */
static void budget_begins_anew(void **state)
{
    struct budget *b = &vcpus[0][0].budget;

    (void)state;
    configs[0].exit_budget = (struct exit_budget){10, 0};
    vm_start(vm);
    fake_tsc += HZ;
    assert_null(vm_pause(vm));
    fake_tsc += 5 * (uint64_t)HZ;
    assert_null(vm_reset(vm));
    fake_tsc += 2 * (uint64_t)HZ;
    assert_null(vm_resume(vm));
    assert_int_equal(b->window, fake_tsc);
    assert_int_equal(budget_spend(b, fake_tsc), BUDGET_KEPT);
    assert_int_equal(b->used, 1);
}

static void time_stands_still_in_a_pause(void **state)
{
    (void)state;
    vm_start(vm);
    assert_true(come(0));
    assert_null(vm_pause(vm));
    fake_tsc += 7;
    shifted = 0;
    assert_null(vm_resume(vm));
    assert_int_equal(shifted, 7);
}

/* A vCPU that does not leave: the operator hears of it, and the VM goes on. */
static void pause_is_given_up(void **state)
{
    (void)state;
    vm_start(vm);
    assert_true(come(0));
    stuck = true;
    assert_non_null(vm_pause(vm));
    assert_true(vm_may_run(vm));
    assert_int_equal(vm_state(vm).running, 1);
}

static void restarts_end(void **state)
{
    (void)state;
    configs[0].on_exit = ENDING_RESTART;
    configs[0].max_restarts = 2;
    vm_start(vm);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(vm_begin_run(vm));
        vm_request_end(vm, VM_END_OFF, "off");
        vm_end_run(vm);
    }
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    assert_int_equal(loads, 2);
}

/* Whatever its configuration says, and the operator. */
static void lost_memory(void **state)
{
    (void)state;
    configs[0].on_crash = configs[0].on_exit = ENDING_RESTART;
    vm_start(vm);
    loads = 0;
    vm->lost_memory = true;
    assert_true(vm_request_end(vm, VM_END_CRASH, "memory error"));
    vm_begin_request(vm);
    vm_end_request(vm);
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    assert_non_null(strstr(vm_start(vm), "destroy"));
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    assert_int_equal(loads, 0);
}

static void dead_to_the_last(void **state)
{
    (void)state;
    vm_start(vm);
    assert_true(vm_begin_run(vm));
    vcpu_dead(&vcpus[0][0]);
    assert_true(vm_may_run(vm));
    vcpu_dead(&vcpus[0][1]);
    assert_int_equal(vm_state(vm).end, VM_END_OFF);
    vm_end_run(vm);
}

/* --- the operator and a guest that resets itself --- */

static void resets_itself(void)
{
    in[0] = vm_begin_run(vm);
    assert_true(in[0]);
    assert_true(vm_request_end(vm, VM_END_RESET, "resets itself"));
}

static void stop_wins(void **state)
{
    (void)state;
    assert_null(vm_start(vm));
    resets_itself();
    assert_null(vm_stop(vm)); /* it has asked first */
    leave_guest(0);
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    assert_int_equal(loads, 0);
    assert_null(vm_start(vm));
    while_loading = vm_stop;
    resets_itself();
    leave_guest(0);
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    assert_true(vm->fresh);
    assert_int_equal(loads, 2);
    while_loading = NULL;
    assert_null(vm_start(vm)); /* it is loaded already */
    assert_int_equal(loads, 2);
    assert_non_null(vm_destroy(vm));
    resets_itself();
    assert_null(vm_stop(vm));
    leave_guest(0);
    assert_null(vm_destroy(vm));
}

static void pause_wins(void **state)
{
    (void)state;
    assert_null(vm_start(vm));
    resets_itself();
    assert_null(vm_pause(vm));
    leave_guest(0);
    assert_int_equal(vm_state(vm).phase, VM_PAUSED);
    assert_int_equal(loads, 1);
    assert_null(vm_resume(vm));
    while_loading = vm_pause;
    resets_itself();
    leave_guest(0);
    assert_int_equal(vm_state(vm).phase, VM_PAUSED);
    assert_string_equal(vm_situation(vm), "paused");
}

/* A look that gives up leaves nothing behind. */
static void look_gives_up(void **state)
{
    bool held;

    (void)state;
    assert_null(vm_start(vm));
    resets_itself();
    stuck = true;
    assert_non_null(vm_hold(vm, &held));
    assert_false(held);
    stuck = false;
    leave_guest(0);
    assert_int_equal(vm_state(vm).phase, VM_RUNS);
    /* One that does not give up finds it at its beginning. */
    resets_itself();
    assert_null(vm_hold(vm, &held));
    assert_true(held);
    assert_int_equal(vm_state(vm).phase, VM_PAUSED);
    vm_let_go(vm, held);
    assert_int_equal(vm_state(vm).phase, VM_RUNS);
}

/* --- the operator's requests load nothing: vCPU 0 does, where it comes --- */

static void request_only_asks(void **state)
{
    bool held;

    (void)state;
    assert_null(vm_start(vm));
    comes_late = true;
    assert_null(vm_pause(vm));
    assert_null(vm_reset(vm));
    assert_int_equal(loads, 0);
    assert_int_equal(vm_state(vm).phase, VM_ENDING);
    assert_string_equal(vm_situation(vm), "ending");
    assert_non_null(vm_reset(vm));
    vm->loader = &boot_cpu; /* it would wait for itself */
    assert_string_equal(vm_hold(vm, &held), "is being loaded");
    assert_int_equal(vm_state(vm).pause, PAUSE_USER);
    vcpu_0_comes();
    assert_int_equal(loads, 1);
    assert_int_equal(vm_state(vm).phase, VM_PAUSED); /* as it was */
    assert_null(vm_resume(vm));
}

static void start_only_asks(void **state)
{
    (void)state;
    assert_null(vm_start(vm));
    assert_null(vm_stop(vm)); /* nothing is loaded: done at once */
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    configs[0].max_restarts = 1;
    configs[0].on_exit = ENDING_POWEROFF;
    vm->resets = 5; /* the guest's own restarts are limited, the operator's are not */
    comes_late = true;
    assert_null(vm_start(vm));
    assert_int_equal(loads, 0);
    assert_non_null(vm_start(vm));
    assert_non_null(vm_destroy(vm));
    assert_false(vm_all_ended());
    vcpu_0_comes();
    assert_int_equal(loads, 1);
    assert_int_equal(vm->resets, 6);
    assert_int_equal(vm_state(vm).phase, VM_RUNS);
}

/* What the operator says before vCPU 0 has come holds, and it does not come in vain. */
static void wishes_before_it_is_loaded(void **state)
{
    (void)state;
    assert_null(vm_start(vm));
    assert_null(vm_stop(vm));
    comes_late = true;
    assert_null(vm_start(vm));
    assert_null(vm_stop(vm));
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    assert_int_equal(loads, 0);
    assert_null(vm_start(vm));
    assert_null(vm_pause(vm));
    assert_int_equal(vm_state(vm).phase, VM_ENDING);
    vcpu_0_comes();
    assert_int_equal(vm_state(vm).phase, VM_PAUSED);
    assert_int_equal(loads, 1);
}

/* vCPU 0 came while a requester counted as running, and went away again: it is called once more. */
static void called_again_behind_a_request(void **state)
{
    (void)state;
    assert_null(vm_start(vm));
    assert_null(vm_stop(vm));
    comes_late = true;
    assert_null(vm_start(vm));
    vm_begin_request(vm);
    assert_false(vm_calls(vm->vcpus[0]));
    assert_false(vm_begin_run(vm));
    vm_end_run(vm);
    assert_int_equal(vm_state(vm).phase, VM_ENDING);
    calls = NULL;
    vm_end_request(vm);
    vcpu_0_comes();
    assert_int_equal(vm_state(vm).phase, VM_RUNS);
}

/* Of ends without end the log tells the first, and then few, however fast they come. */
static void few_are_told(void **state)
{
    unsigned told = 0;

    (void)state;
    configs[0].on_crash = ENDING_RESTART;
    assert_null(vm_start(vm));
    for (unsigned i = 0; i < 10000; i++) {
        in[0] = vm_begin_run(vm);
        fake_tsc += HZ / 10000;
        assert_true(vm_request_end(vm, VM_END_CRASH, "crashes"));
        told += vm->told;
        leave_guest(0);
    }
    assert_in_range(told, 12, 17);
    in[0] = vm_begin_run(vm);
    assert_true(vm_request_end(vm, VM_END_OFF, "is off")); /* the last word always */
    assert_true(vm->told);
    leave_guest(0);
}

static enum vm_end triple_fault_after(uint64_t ticks)
{
    const char *what = NULL;
    enum vm_end end;

    in[0] = vm_begin_run(vm);
    fake_tsc += ticks;
    end = vm_triple_fault(vm, &what);
    assert_non_null(what);
    vm_request_end(vm, end, "%s", what);
    leave_guest(0);
    return end;
}

/* A guest that gets further in between may reset itself so as often as it likes. */
static void triple_faults_reset(void **state)
{
    (void)state;
    assert_null(vm_start(vm));
    for (unsigned i = 0; i < 3 * TRIPLE_FAULTS; i++)
        assert_int_equal(triple_fault_after(i % 5 == 0 ? HZ : HZ / 2), VM_END_RESET);
    assert_int_equal(triple_fault_after(HZ), VM_END_RESET);
    for (unsigned i = 1; i < TRIPLE_FAULTS; i++)
        assert_int_equal(triple_fault_after(HZ - 1), VM_END_RESET);
    assert_int_equal(triple_fault_after(HZ - 1), VM_END_CRASH);
    assert_int_equal(vm_state(vm).phase, VM_STOPPED);
    assert_null(vm_start(vm)); /* as often again */
    assert_int_equal(triple_fault_after(0), VM_END_RESET);
    configs[0].crash_on_triple_fault = true;
    assert_int_equal(triple_fault_after(HZ), VM_END_CRASH);
}

/* How long a stop took is known; an end that nobody asked for is none. */
static void stop_is_timed(void **state)
{
    (void)state;
    assert_null(vm_start(vm));
    assert_true(come(0));
    assert_null(vm_stop(vm));
    assert_int_equal(noted[LATENCY_STOP], 0);
    fake_tsc += 10;
    leave_guest(0);
    assert_int_equal(noted[LATENCY_STOP], 1);
    assert_null(vm_start(vm));
    assert_true(come(0));
    vm_request_end(vm, VM_END_OFF, "off");
    leave_guest(0);
    assert_int_equal(noted[LATENCY_STOP], 1);
    assert_null(vm_start(vm));
    assert_null(vm_pause(vm));
    assert_int_equal(noted[LATENCY_PAUSE], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stop_wins, set_up),
        cmocka_unit_test_setup(stop_is_timed, set_up),
        cmocka_unit_test_setup(pause_wins, set_up),
        cmocka_unit_test_setup(look_gives_up, set_up),
        cmocka_unit_test_setup(request_only_asks, set_up),
        cmocka_unit_test_setup(start_only_asks, set_up),
        cmocka_unit_test_setup(wishes_before_it_is_loaded, set_up),
        cmocka_unit_test_setup(called_again_behind_a_request, set_up),
        cmocka_unit_test_setup(few_are_told, set_up),
        cmocka_unit_test_setup(triple_faults_reset, set_up),
        cmocka_unit_test_setup(agrees_with_the_model, set_up),
        cmocka_unit_test_setup(power_off_outlasts_another_end, set_up),
        cmocka_unit_test_setup(machine_goes_on_for_a_vm_that_is_started, set_up),
        cmocka_unit_test_setup(budget_begins_anew, set_up),
        cmocka_unit_test_setup(time_stands_still_in_a_pause, set_up),
        cmocka_unit_test_setup(pause_is_given_up, set_up),
        cmocka_unit_test_setup(restarts_end, set_up),
        cmocka_unit_test_setup(lost_memory, set_up),
        cmocka_unit_test_setup(dead_to_the_last, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
