/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu/prepare.c: each reason is taken by its own step, once, in the order of the bits, and no other; waits
 * in HLT and for SIPI, and what ends them.
 */
#include "tests/unit/unit.h"

#define wait_for_interrupt real_wait_for_interrupt
#include "tests/unit/fake_cpu.h"
#undef wait_for_interrupt
static void wait_for_interrupt(void);

#include "vcpu/prepare.c"

#include <string.h>

#define BOTH(asked, due) ((uint64_t)(due) << 32 | (asked))

static struct vm_config config;
static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_state state;
static struct cpu cpu;
static uint64_t rflags;

/* What was done, a letter each, and what comes while it is. */
static char done[64];
static unsigned done_count;
static bool gives_way, interrupt_in_work;
static int pending_vector;
static uint32_t asked_in_sleep, asked_in_mail, due_in_timer, due_in_settle, due_in_delivery;
static void (*in_sleep)(void);

static void note(char what)
{
    assert_true(done_count < sizeof(done) - 1);
    done[done_count++] = what;
    done[done_count] = 0;
}

static void wait_for_interrupt(void)
{
    note('z');
    vcpu_note(&vcpu, asked_in_sleep);
    if (in_sleep)
        in_sleep();
}

static uint64_t get(const struct vcpu *v UNUSED, enum guest_register which)
{
    assert_int_equal(which, GUEST_RFLAGS);
    return rflags;
}

static void sync_tables(struct vcpu *v UNUSED)
{
    note('F');
}
static void deadline_moved(struct vcpu *v UNUSED)
{
    note('d');
}
static void deliver_event(struct vcpu *v)
{
    note('D');
    v->due |= due_in_delivery;
}
static void backend_init(struct vcpu *v UNUSED)
{
    note('I');
}
static void backend_startup(struct vcpu *v UNUSED, unsigned vector)
{
    note('U');
    assert_int_equal(vector, 0x9a);
}

/* A device may have something for the guest. */
static void device_work(struct vm *of)
{
    assert_ptr_equal(of, &vm);
    note('V');
    if (interrupt_in_work)
        pending_vector = 0x41;
}

struct backend backend = {.get = get,
                          .sync_tables = sync_tables,
                          .deadline_moved = deadline_moved,
                          .deliver = deliver_event,
                          .init = backend_init,
                          .startup = backend_startup};

void lapic_timer_set(enum timer_user user UNUSED, uint64_t tsc UNUSED)
{
}

static unsigned refused; /* by mail that is there */
static uint32_t asked_in_look;
void console_idle(void)
{
}

void sched_look_around(void)
{
    note('l');
    vcpu_note(&vcpu, asked_in_look);
}
bool sched_look(void)
{
    note('R');
    return gives_way;
}
bool vlapic_block(struct vcpu *v UNUSED)
{
    note('b');
    return !refused || !refused--;
}
void vlapic_unblock(struct vcpu *v UNUSED)
{
    note('u');
}
void vlapic_timer_to_host(struct vcpu *v UNUSED)
{
    note('h');
}
void vlapic_timer_from_host(struct vcpu *v UNUSED)
{
    note('g');
}
void vlapic_update(struct vcpu *v UNUSED)
{
}
int vlapic_pending(const struct vcpu *v UNUSED)
{
    return pending_vector;
}
void vlapic_init(struct vcpu *v UNUSED)
{
    note('i');
}
void vlapic_collect(struct vcpu *v)
{
    note('M');
    vcpu_note(v, asked_in_mail);
}
void vlapic_settle_eoi(struct vcpu *v)
{
    note('E');
    v->due &= ~DUE_EOI;
    v->due |= due_in_settle;
}
void vlapic_timer_fire_if_due(struct vcpu *v)
{
    note('T');
    v->due |= due_in_timer;
}
void vcpu_set_tsc_offset(struct vcpu *v UNUSED, uint64_t offset)
{
    note('t');
    assert_int_equal(offset, vm.tsc_offset);
}
void vcpu_dead(struct vcpu *v)
{
    note('x');
    v->dead = true;
}
bool vm_request_end(struct vm *of, enum vm_end end, const char *fmt UNUSED, ...)
{
    note('!');
    assert_int_equal(end, VM_END_RESET);
    of->state.phase = VM_ENDING;
    return true;
}

struct machine machine = {.entry_tsc = 100};
static unsigned first_entries; /* that were told of */

void log_info(const char *fmt UNUSED, ...)
{
    first_entries++;
}

static int set_up(void **unused)
{
    (void)unused;
    config = (struct vm_config){.vcpus = 2};
    vm = (struct vm){.config = &config, .vcpu_count = 2, .tsc_offset = 77, .device_work = device_work};
    vm.state.phase = VM_RUNS;
    memset(&state, 0, sizeof(state));
    memset(&cpu, 0, sizeof(cpu));
    fake_this_cpu = &cpu;
    vcpu = (struct vcpu){.vm = &vm, .id = 1, .backend = &state, .cpu = &cpu};
    vcpu.sched = (struct sched_vcpu *)&vcpu; /* it shares its CPU: nobody looks inside */
    rflags = BIT(1);
    done_count = 0;
    done[0] = 0;
    gives_way = interrupt_in_work = false;
    pending_vector = -1;
    asked_in_sleep = asked_in_mail = 0;
    due_in_timer = due_in_settle = due_in_delivery = 0;
    in_sleep = NULL;
    refused = asked_in_look = 0;
    return 0;
}

static void prepares(uint64_t which, bool goes_on, const char *expected)
{
    done_count = 0;
    done[0] = 0;
    assert_int_equal(vcpu_prepare(&vcpu, which), goes_on);
    assert_string_equal(done, expected);
}

/* --- steps --- */

/* Those that ask nothing of the vCPU's activity; d: the deadline may have moved. */
static const struct step_of_one {
    uint64_t bit;
    const char *does;
    bool moves;
} plain[] = {
    {BOTH(ASKED_LEAVE, 0), "", false},    {BOTH(ASKED_FLUSH, 0), "F", false},
    {BOTH(ASKED_RESCHED, 0), "R", true},  {BOTH(ASKED_UNHALT, 0), "", false},
    {BOTH(ASKED_DEVICES, 0), "V", false}, {BOTH(ASKED_MAIL, 0), "M", false},
    {BOTH(0, DUE_RUN), "", true},         {BOTH(0, DUE_EOI), "E", false},
    {BOTH(0, DUE_TIMER), "T", true},      {BOTH(0, DUE_IRQ), "D", false},
    {BOTH(0, DUE_EVENT), "D", false},
};

static void each_alone(void **unused)
{
    for (unsigned i = 0; i < ARRAY_SIZE(plain); i++) {
        char expected[4];

        set_up(unused);
        vcpu.pending = plain[i].bit;
        snprintf(expected, sizeof(expected), "%s%s", plain[i].does, plain[i].moves ? "d" : "");
        prepares(PREPARE_ALL, true, expected);
        assert_int_equal(vcpu.pending, 0);
        prepares(PREPARE_ALL, true, "");
        /* It is not asked for: nothing happens, and it stays. */
        vcpu.pending = plain[i].bit;
        prepares(~plain[i].bit, true, "");
        assert_int_equal(vcpu.pending, plain[i].bit);
    }
    set_up(unused);
    vcpu.asked = ASKED_UNHALT;
    prepares(PREPARE_ALL, true, "");
    assert_true(vcpu.pv.unhalted); /* for the next HLT */
    set_up(unused);
    vcpu.asked = ASKED_NMI;
    prepares(PREPARE_ALL, true, "D");
    assert_int_equal(state.nmis, 1);
    assert_int_equal(vcpu.pending, 0);
    vcpu.asked = ASKED_NMIS; /* one handled, one kept, and no third */
    prepares(PREPARE_ALL, true, "D");
    assert_int_equal(state.nmis, 2);
    assert_int_equal(vcpu.pending, 0);
    set_up(unused);
    vcpu.sched = NULL; /* alone on its CPU: nobody to give way to */
    vcpu.asked = ASKED_RESCHED;
    gives_way = true;
    prepares(PREPARE_ALL, true, "d");
}

static void any_set(void **unused)
{
    uint32_t seed = 1;

    for (unsigned round = 0; round < 20000; round++) {
        uint64_t which = 0, all = 0;
        char expected[32] = "";
        bool moves = false, delivers = false;

        set_up(unused);
        for (unsigned i = 0; i < ARRAY_SIZE(plain); i++) {
            seed = seed * 1664525 + 1013904223;
            vcpu.pending |= seed >> 30 ? plain[i].bit : 0;
            which |= seed >> 28 & 3 ? plain[i].bit : 0;
            all |= plain[i].bit;
            if (!(vcpu.pending & which & plain[i].bit))
                continue;
            moves |= plain[i].moves;
            if (*plain[i].does != 'D' || !delivers)
                strcat(expected, plain[i].does);
            delivers |= *plain[i].does == 'D';
        }
        all = vcpu.pending & ~which;
        if (moves)
            strcat(expected, "d");
        prepares(which, true, expected);
        assert_int_equal(vcpu.pending, delivers ? all & ~BOTH(0, DUE_IRQ | DUE_EVENT) : all);
    }
}

/* A step may make a later one due, and that is taken, too; what comes behind its step is for the next exit.
 */
static void due_meanwhile(void **unused)
{
    (void)unused;
    vcpu.due = DUE_TIMER;
    due_in_timer = DUE_IRQ;
    prepares(PREPARE_ALL, true, "TDd");
    assert_int_equal(vcpu.pending, 0);
    vcpu.due = DUE_EOI;
    due_in_settle = DUE_TIMER;
    prepares(PREPARE_ALL, true, "ETDd");
    assert_int_equal(vcpu.pending, 0);
    vcpu.due = DUE_IRQ;
    due_in_delivery = DUE_EOI;
    prepares(PREPARE_ALL, true, "D");
    assert_int_equal(vcpu.due, DUE_EOI);
    due_in_settle = due_in_delivery = 0;
    prepares(PREPARE_ALL, true, "E");
    /* The same bit again behind its own step: not now. */
    vcpu.due = DUE_TIMER;
    due_in_timer = DUE_TIMER;
    prepares(PREPARE_ALL, true, "Td");
    assert_int_equal(vcpu.due, DUE_TIMER);
}

static void single_step(void **unused)
{
    (void)unused;
    vcpu.pending = BOTH(ASKED_LEAVE | ASKED_MAIL | ASKED_NMI, DUE_ALL | DUE_EOI);
    prepares(PREPARE_STEP, true, "D");
    assert_int_equal(state.nmis, 1);
    assert_int_equal(vcpu.pending, BOTH(ASKED_LEAVE | ASKED_MAIL, DUE_RUN | DUE_EOI | DUE_TIMER));
}

/* --- runs that end: what is behind the step stays --- */

static void ends(uint64_t pending, enum run_end why, uint64_t left, const char *expected)
{
    vcpu.pending = pending;
    state.end = RUN_ON;
    prepares(PREPARE_ALL, false, expected);
    assert_int_equal(state.end, why);
    assert_int_equal(vcpu.pending, left);
}

static void run_ends(void **unused)
{
    uint64_t rest = BOTH(ASKED_FLUSH | ASKED_MAIL | ASKED_NMI, DUE_TIMER | DUE_EVENT);

    vm.state.phase = VM_PAUSING;
    ends(rest | ASKED_LEAVE, RUN_LEFT, rest, "");
    ends(BOTH(0, DUE_RUN | DUE_IRQ), RUN_LEFT, BOTH(0, DUE_IRQ), "");
    set_up(unused);
    cpu.leave = true;
    ends(rest | ASKED_LEAVE, RUN_LEFT, rest, "");
    set_up(unused);
    cpu.work = true;
    ends(rest | ASKED_LEAVE, RUN_LEFT, rest, "");
    set_up(unused);
    gives_way = true;
    ends(rest | ASKED_RESCHED, RUN_PREEMPTED, rest & ~(uint64_t)ASKED_FLUSH, "FR");
    set_up(unused);
    vcpu.activity = HALTED;
    rflags = RFLAGS_IF;
    ends(BOTH(0, DUE_INACTIVE | DUE_IRQ), RUN_BLOCKED, BOTH(0, DUE_IRQ), "");
    assert_int_equal(vcpu.activity, HALTED);
    set_up(unused);
    vcpu.activity = WAIT_FOR_SIPI;
    vcpu.dead = true;
    ends(BOTH(ASKED_MAIL, DUE_INACTIVE | DUE_IRQ), RUN_BLOCKED, BOTH(0, DUE_IRQ), "M");
    assert_int_equal(vcpu.activity, WAIT_FOR_SIPI);
}

/* --- HLT --- */

static void woken(void)
{
    assert_int_equal(vcpu.activity, ACTIVE);
    assert_false(vcpu.dead);
    assert_int_equal(vcpu.due & (DUE_TIMER | DUE_IRQ), DUE_IRQ); /* the timer has been looked at */
}

static void halt_is_over_at_once(void **unused)
{
    static const uint32_t notes[] = {ASKED_NMI, ASKED_INIT, ASKED_UNHALT};

    for (unsigned i = 0; i < ARRAY_SIZE(notes); i++) { /* with interrupts off, too */
        set_up(unused);
        vcpu.asked = notes[i];
        assert_true(vcpu_halt(&vcpu));
        woken();
        assert_int_equal(vcpu.asked, notes[i] & ~ASKED_UNHALT);
        assert_string_equal(done, "d");
    }
    set_up(unused);
    state.nmis = 1;
    assert_true(vcpu_halt(&vcpu));
    set_up(unused);
    vcpu.pv.unhalted = true;
    assert_true(vcpu_halt(&vcpu));
    assert_false(vcpu.pv.unhalted);
    set_up(unused);
    rflags = RFLAGS_IF;
    pending_vector = 0x41;
    assert_true(vcpu_halt(&vcpu));
    woken();
}

static void with_interrupts_off(void **unused)
{
    (void)unused;
    pending_vector = 0x41; /* does not count */
    assert_false(vcpu_halt(&vcpu));
    assert_string_equal(done, "x"); /* told once that nobody may ever wake it */
    assert_int_equal(state.end, RUN_BLOCKED);
    assert_int_equal(vcpu.activity, HALTED);
    vcpu.sched = NULL;
    vcpu.dead = false;
    asked_in_sleep = ASKED_NMI;
    done_count = 0;
    assert_true(vcpu_halt(&vcpu));
    assert_string_equal(done, "xbhzgud"); /* asleep, between the timer's two moves */
    woken();
    assert_int_equal(vcpu.asked, ASKED_NMI);
}

static void an_interrupt(void)
{
    pending_vector = 0x41;
}

static void pause_it(void)
{
    vm.state.phase = VM_PAUSING;
    vcpu_note(&vcpu, ASKED_LEAVE);
}

static void waits_on_its_own_cpu(void **unused)
{
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    in_sleep = an_interrupt;
    assert_true(vcpu_halt(&vcpu));
    assert_string_equal(done, "bhzgud");
    woken();
    set_up(unused);
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    in_sleep = pause_it;
    assert_false(vcpu_halt(&vcpu));
    assert_int_equal(state.end, RUN_LEFT);
    assert_int_equal(vcpu.activity, HALTED);
    assert_int_equal(vcpu.asked, 0);
}

/* It sleeps only when nobody wants anything of it or of its CPU: what comes late must be seen. */
static void does_not_sleep(void **unused)
{
    (void)unused;
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    refused = 1;
    asked_in_look = ASKED_NMI;
    assert_true(vcpu_halt(&vcpu));
    assert_string_equal(done, "bld");
    set_up(unused);
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    refused = 2; /* each time it goes round, what is pending for the CPU is taken */
    in_sleep = an_interrupt;
    assert_true(vcpu_halt(&vcpu));
    assert_string_equal(done, "blblbhzgud");
    assert_int_equal(refused, 0);
    set_up(unused);
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    refused = 1;
    asked_in_look = ASKED_FLUSH; /* no reason to wake, but somebody waits for it */
    in_sleep = an_interrupt;
    assert_true(vcpu_halt(&vcpu));
    assert_string_equal(done, "blFbhzgud");
    assert_int_equal(vcpu.asked, 0);
}

static void an_interrupt_and_a_change(void)
{
    pending_vector = 0x41;
    vcpu_note(&vcpu, ASKED_FLUSH);
}

/* One that went on waiting when its run began, as it does behind a pause: FLUSH had its turn before. */
static void tables_change_in_the_wait(void **unused)
{
    (void)unused;
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    vcpu.activity = HALTED;
    vcpu.pending = BOTH(0, DUE_INACTIVE);
    in_sleep = an_interrupt_and_a_change;
    prepares(PREPARE_ALL, true, "bhzgudFDd");
    assert_int_equal(vcpu.pending, 0);
    set_up(unused);
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    in_sleep = an_interrupt_and_a_change;
    assert_true(vcpu_halt(&vcpu)); /* behind HLT the exit looks at what is pending */
    assert_string_equal(done, "bhzgud");
    assert_int_equal(vcpu.asked, ASKED_FLUSH);
}

/* --- INIT and SIPI --- */

#define SIPI (ASKED_STARTUP | 0x9a000000u)

static void init_and_startup(void **unused)
{
    (void)unused;
    vcpu.pending = BOTH(ASKED_INIT | SIPI, DUE_IRQ);
    prepares(PREPARE_ALL, true, "iIUtDd");
    assert_int_equal(vcpu.activity, ACTIVE);
    assert_int_equal(vcpu.pending, 0);
    vcpu.asked = SIPI; /* it runs: nothing */
    prepares(PREPARE_ALL, true, "");
    assert_int_equal(vcpu.pending, 0);
    vcpu.asked = ASKED_INIT;
    prepares(PREPARE_ALL, false, "iIx");
    assert_int_equal(vcpu.activity, WAIT_FOR_SIPI);
    assert_int_equal(state.end, RUN_BLOCKED);
    vcpu.pending = BOTH(ASKED_INIT, DUE_INACTIVE); /* again: nothing, and it waits on */
    prepares(PREPARE_ALL, false, "");
    vcpu.pending = BOTH(SIPI | ASKED_MAIL, DUE_INACTIVE);
    prepares(PREPARE_ALL, true, "Ud"); /* its TSC stays */
    assert_int_equal(vcpu.activity, ACTIVE);
    assert_false(vcpu.dead);
}

/* The second of INIT-SIPI-SIPI may come at any moment behind the step for the first: it waits for the next
 * time. */
static void second_startup(void **unused)
{
    (void)unused;
    vcpu.pending = BOTH(SIPI | ASKED_MAIL, DUE_IRQ);
    asked_in_mail = SIPI;
    prepares(PREPARE_ALL, true, "MD");
    assert_int_equal(vcpu.pending, SIPI);
    for (uint32_t vector = 1; vector < 256; vector++) { /* and one alone is nothing to take */
        vcpu.pending = vector << 24;
        prepares(PREPARE_ALL, true, "");
    }
    vcpu.pending = BOTH(SIPI, 0);
    prepares(PREPARE_ALL, true, "");
    assert_int_equal(vcpu.pending, 0);
}

static void reset_by_init(void **unused)
{
    (void)unused;
    vcpu.id = 0;
    vcpu.pending = BOTH(ASKED_INIT, DUE_IRQ);
    prepares(PREPARE_ALL, false, "!");
    assert_int_equal(state.end, RUN_LEFT);
    assert_int_equal(vcpu.due, DUE_IRQ);
}

static unsigned sleeps;

static void nmi_then_startup(void)
{
    vcpu_note(&vcpu, sleeps++ ? SIPI : ASKED_NMI);
}

/* An NMI waits for SIPI and comes behind it, though nothing else is to be delivered. */
static void nmi_before_startup(void **unused)
{
    (void)unused;
    sleeps = 0;
    vcpu.sched = NULL;
    in_sleep = nmi_then_startup;
    vcpu.asked = ASKED_INIT;
    prepares(PREPARE_ALL, true, "iIxbhzgubhzguUtDd");
    assert_int_equal(state.nmis, 1);
    assert_int_equal(vcpu.pending, 0);
}

/* A device that has something is worked on in HLT and in the wait for SIPI, and may end the first. */
static void devices_in_the_wait(void **unused)
{
    set_up(unused);
    rflags = RFLAGS_IF;
    vcpu.sched = NULL;
    asked_in_sleep = ASKED_DEVICES;
    interrupt_in_work = true;
    assert_true(vcpu_halt(&vcpu));
    assert_string_equal(done, "bhzguVd");
    woken();
    assert_int_equal(vcpu.asked, 0);
    set_up(unused);
    vcpu.activity = WAIT_FOR_SIPI;
    vcpu.pending = BOTH(ASKED_DEVICES, DUE_INACTIVE);
    assert_false(vcpu_prepare(&vcpu, PREPARE_ALL));
    assert_int_equal(state.end, RUN_BLOCKED);
    assert_int_equal(vcpu.asked, 0);
    assert_true(strchr(done, 'V') && strchr(done, 'V') == strrchr(done, 'V'));
}

/* The TSCs of a VM begin with its first vCPU, once in a life; the first entry of all is told. */
static void first_runs(void **unused)
{
    (void)unused;
    first_entries = 0;
    fake_tsc = 900;
    vcpu_begin_life(&vcpu);
    assert_string_equal(done, ""); /* not vCPU 0 */
    assert_false(vm.tsc_started);
    vcpu.id = 0;
    vcpu_begin_life(&vcpu);
    assert_string_equal(done, "t");
    assert_true(vm.tsc_started);
    assert_int_equal(vm.tsc_offset, -(uint64_t)900);
    fake_tsc = 1000;
    vcpu_begin_life(&vcpu);
    assert_string_equal(done, "t");
    assert_int_equal(first_entries, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_alone, set_up),
        cmocka_unit_test_setup(any_set, set_up),
        cmocka_unit_test_setup(due_meanwhile, set_up),
        cmocka_unit_test_setup(single_step, set_up),
        cmocka_unit_test_setup(run_ends, set_up),
        cmocka_unit_test_setup(halt_is_over_at_once, set_up),
        cmocka_unit_test_setup(with_interrupts_off, set_up),
        cmocka_unit_test_setup(waits_on_its_own_cpu, set_up),
        cmocka_unit_test_setup(does_not_sleep, set_up),
        cmocka_unit_test_setup(tables_change_in_the_wait, set_up),
        cmocka_unit_test_setup(init_and_startup, set_up),
        cmocka_unit_test_setup(second_startup, set_up),
        cmocka_unit_test_setup(reset_by_init, set_up),
        cmocka_unit_test_setup(nmi_before_startup, set_up),
        cmocka_unit_test_setup(devices_in_the_wait, set_up),
        cmocka_unit_test_setup(first_runs, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
