/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated machine: sched/sched.c and sched/vm_run.c as they are, above CPUs that are simulated. Each
 * has a stack of its own, and goes on in the order of the times at which something happens to it: in
 * backend.run(), which is a guest, and in wait_for_interrupt(). Between these no time passes and no other CPU
 * does anything; that they use their locks in the right order is looked at all the same.
 */
#include "tests/unit/unit.h"

#define wait_for_interrupt real_wait_for_interrupt
#define let_interrupts_in  real_let_interrupts_in
#include "tests/unit/fake_cpu.h"
#undef wait_for_interrupt
#undef let_interrupts_in
#define spin_lock   real_spin_lock
#define spin_unlock real_spin_unlock
#include "arch/x86/spinlock.h"
#undef spin_lock
#undef spin_unlock

#include "sched/balance.h"

static void wait_for_interrupt(void);
static void let_interrupts_in(void);
static void spin_lock(struct spinlock *l);
static void spin_unlock(struct spinlock *l);
static struct fair_entity *simulated_steal(struct fair_queue *from,
                                           bool (*allowed)(struct fair_entity *e, void *context),
                                           void *context, uint64_t now);
static struct fair_entity *simulated_pick(const struct fair_queue *from, uint64_t load,
                                          bool (*allowed)(struct fair_entity *e, void *context),
                                          void *context, bool *soon);

#ifndef SCHED_C /* or a variant with a mistake in it */
#define SCHED_C "sched/sched.c"
#endif
#define fair_steal   simulated_steal
#define balance_pick simulated_pick
#include SCHED_C
#undef fair_steal
#undef balance_pick
#include "sched/lend.c"
#include "sched/vm_run.c"

#include <string.h>

#include "tests/unit/fiber.h"
#include "tests/unit/sched_rules.h"

#define TSC_HZ 1000000 /* while it is built: a slice of the configuration is in ticks then */

/* A vCPU, and the VM that it belongs to, or that begins with it. */
struct world {
    struct vcpu vcpu;
    struct vm vm;
    struct vm_config config;
    struct vcpu_statistics statistics;
};

static struct sim_machine *sim;
static struct world worlds[SIM_VCPUS];
static struct cpu physical[SIM_CPUS], outside; /* the one that sends what comes from nowhere else */
static struct fiber fibers[SIM_CPUS], clockwork;
static uint8_t stacks[SIM_CPUS][FIBER_STACK] ALIGNED(64);
static interrupt_handler *handlers[256];
static struct spinlock *held[2];
static unsigned holds, pages_used;
static const char *failure; /* to be said on the stack of the test */

struct machine machine;
struct cpu *cpus[MAX_CPUS];
unsigned cpu_count;
struct account memory_host;

/* --- the end of a test --- */

void sim_fail(const char *text)
{
    static char copy[300];

    snprintf(copy, sizeof(copy), "%s", text);
    failure = copy;
    if (fake_this_cpu && fake_this_cpu != &outside)
        fiber_switch(&fibers[fake_this_cpu->id], &clockwork);
    fail_msg("%s", copy);
    abort();
}

void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\n", stderr);
    sim_fail("broken: assertion");
}

/* xorshift: the same numbers on every host. */
uint64_t sim_random(struct sim_machine *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

/* --- vCPUs that are sent something, by the time --- */

static void call_at(struct sim_machine *m, struct sim_vcpu *v, uint64_t time)
{
    unsigned at = m->sleepers++;

    for (; at && m->sleeping[(at - 1) / 2].time > time; at = (at - 1) / 2)
        m->sleeping[at] = m->sleeping[(at - 1) / 2];
    m->sleeping[at].time = time;
    m->sleeping[at].v = v;
}

static struct sim_vcpu *first_called(struct sim_machine *m)
{
    struct sim_vcpu *v = m->sleeping[0].v;
    unsigned at = 0, child, last = --m->sleepers;

    while ((child = 2 * at + 1) < last) {
        child += child + 1 < last && m->sleeping[child + 1].time < m->sleeping[child].time;
        if (m->sleeping[child].time >= m->sleeping[last].time)
            break;
        m->sleeping[at] = m->sleeping[child];
        at = child;
    }
    m->sleeping[at] = m->sleeping[last];
    return v;
}

/* --- the hardware below the scheduler --- */

static struct sim_cpu *sim_cpu_of(const struct cpu *cpu)
{
    return &sim->cpu[cpu->id];
}

static struct sim_vcpu *sim_vcpu_of(const struct vcpu *v)
{
    return &sim->vcpu[(const struct world *)v - worlds];
}

_Static_assert(offsetof(struct world, vcpu) == 0, "for sim_vcpu_of()");

static struct run_queue *queue_with(struct spinlock *l)
{
    return (struct run_queue *)((char *)l - offsetof(struct run_queue, lock));
}

/* The lower CPU's first, and none twice. */
static void spin_lock(struct spinlock *l)
{
    if (l->next != l->served)
        sim_broken(sim, "locks", "CPU %u's is taken twice", queue_with(l)->cpu->id);
    if (holds == ARRAY_SIZE(held) || (holds && queue_with(held[0])->cpu->id > queue_with(l)->cpu->id))
        sim_broken(sim, "locks", "CPU %u's is taken too late", queue_with(l)->cpu->id);
    held[holds++] = l;
    l->next++;
}

static void spin_unlock(struct spinlock *l)
{
    if (!holds || (held[0] != l && held[holds - 1] != l))
        sim_broken(sim, "locks", "one is given back that is not held");
    if (held[0] == l)
        held[0] = held[1];
    holds--;
    l->served++;
}

static void interrupt_cpu(const struct cpu *cpu, unsigned vector)
{
    struct sim_cpu *c = sim_cpu_of(cpu);

    c->pending |= BIT(vector - VECTOR_TIMER);
    c->seen = MIN(c->seen, sim->time + sim_random(sim, SIM_LATE));
    if (c->open)
        c->look = MIN(c->look, c->seen);
}

void cpu_kick(const struct cpu *cpu)
{
    interrupt_cpu(cpu, VECTOR_KICK);
}

void lapic_timer_set(enum timer_user user, uint64_t tsc)
{
    assert_int_equal(user, TIMER_SCHED);
    sim_cpu_of(this_cpu())->timer = tsc;
}

void lapic_timer_go_on(void)
{
    fail_msg("the processor's own timer ends slices here");
}

bool lapic_has_tsc_deadline(void)
{
    return true;
}

void interrupt_install(unsigned vector, interrupt_handler *handler, void *context UNUSED)
{
    handlers[vector] = handler;
}

/* Until then the others have the time; an interrupt of a CPU that is open makes it shorter. */
static void pass_time(struct sim_cpu *c, uint64_t until, bool open)
{
    if (holds)
        sim_broken(sim, "locks", "CPU %u's is kept", queue_with(held[0])->cpu->id);
    c->look = open ? MAX(sim->time, MIN(until, c->seen)) : until;
    c->open = open;
    fiber_switch(&fibers[c - sim->cpu], &clockwork);
    c->open = false;
}

static void take_interrupts(struct sim_cpu *c)
{
    unsigned pending = c->pending;

    c->pending = 0;
    c->seen = SIM_NEVER;
    for (; pending; pending &= pending - 1)
        handlers[VECTOR_TIMER + (unsigned)__builtin_ctz(pending)](NULL);
}

static uint64_t late(uint64_t deadline)
{
    return deadline ? MAX(deadline, sim->time) + sim_random(sim, SIM_LATE) : SIM_NEVER;
}

/* Another one runs now on this CPU, or none. */
static void follow_switch(struct sim_cpu *c, struct sim_vcpu *next)
{
    struct sim_vcpu *old = c->last;

    if (old && next == old && c->must)
        sim_broken(sim, "switch", "goes on with one that should give way");
    if (next == old)
        return;
    c->last = next;
    if (old) {
        bool sleeps = old->fair->state == FAIR_ASLEEP;

        old->ready = sleeps ? old->wakes : sim->time;
        old->woken = sleeps && old->kind == SIM_PERIODIC;
        rules_stops(sim, old);
    }
    if (next)
        rules_starts(sim, c, next);
    if (next && sim->switch_cost)
        pass_time(c, sim->time + sim->switch_cost, false);
}

static void wait_for_interrupt(void)
{
    struct sim_cpu *c = sim_cpu_of(this_cpu());

    follow_switch(c, NULL);
    pass_time(c, late(c->timer), true);
    if (c->timer && c->timer <= sim->time)
        c->pending |= BIT(0);
    take_interrupts(c);
}

static void let_interrupts_in(void)
{
    take_interrupts(sim_cpu_of(this_cpu()));
}

static struct fair_entity *simulated_steal(struct fair_queue *from,
                                           bool (*allowed)(struct fair_entity *e, void *context),
                                           void *context, uint64_t now)
{
    struct fair_entity *e = fair_steal(from, allowed, context, now);

    if (e) {
        sim_figures.steals++;
        sim_vcpu_of(vcpu_of(e)->v)->home = this_cpu()->id;
    }
    return e;
}

static struct fair_entity *simulated_pick(const struct fair_queue *from, uint64_t load,
                                          bool (*allowed)(struct fair_entity *e, void *context),
                                          void *context, bool *soon)
{
    struct fair_entity *e = balance_pick(from, load, allowed, context, soon);

    if (e) {
        sim_figures.pulls++;
        sim_vcpu_of(vcpu_of(e)->v)->home = this_cpu()->id;
    }
    return e;
}

/* --- what is around --- */

void *memory_alloc_zeroed(struct account *account UNUSED, enum memory_kind kind UNUSED, uint64_t count)
{
    static uint8_t pages[SIM_VCPUS + 8 * SIM_CPUS][PAGE_SIZE] ALIGNED(PAGE_SIZE);
    unsigned first = pages_used;

    pages_used += (unsigned)count;
    assert_true(pages_used <= ARRAY_SIZE(pages));
    return memset(pages[first], 0, count * PAGE_SIZE);
}

void console_timer(void)
{
}
void log_info(const char *fmt UNUSED, ...)
{
}
void log_error(const char *fmt UNUSED, ...)
{
}
void trace_note(enum trace_kind kind UNUSED, unsigned reason UNUSED, uint32_t who UNUSED)
{
}
void blackbox_note_crash(unsigned id UNUSED)
{
}

/* --- guests --- */

/* What it got since the last time. */
static void settle(struct sim_cpu *c)
{
    uint64_t ran = sim->time - c->since;

    c->since = sim->time;
    if (!c->now)
        return;
    c->now->received += ran;
    c->now->in_window += ran;
    c->now->left -= MIN(ran, c->now->left);
}

static uint64_t around(struct sim_machine *m, uint64_t mean)
{
    return 1 + sim_random(m, 2 * mean);
}

static struct sim_vcpu *random_mate(struct sim_machine *m, const struct sim_vcpu *v)
{
    for (unsigned tries = 0; tries < 8; tries++) {
        struct sim_vcpu *o = &m->vcpu[sim_random(m, m->vcpus)];

        if (o != v && o->kind == SIM_SPINNER && o->home == v->home)
            return o;
    }
    return NULL;
}

/* It names another one, or only says that it spins. */
static enum run_end end_spinning(struct sim_machine *m, struct sim_vcpu *v)
{
    struct sim_vcpu *mate;

    sim_figures.yields++;
    mate = !v->gang && sim_random(m, 2) ? random_mate(m, v) : NULL;
    if (mate && sched_yield_to(&worlds[v - m->vcpu].vcpu, &worlds[mate - m->vcpu].vcpu))
        return RUN_PREEMPTED;
    return RUN_YIELDED;
}

static enum run_end end_until(struct sim_machine *m, struct sim_vcpu *v, uint64_t wakes, bool by_timer)
{
    v->wakes = wakes;
    if (!by_timer)
        call_at(m, v, wakes);
    return RUN_BLOCKED;
}

/* What it does at the end of a burst. */
static enum run_end end_burst(struct sim_machine *m, struct sim_vcpu *v)
{
    switch (v->kind) {
    case SIM_PERIODIC:
        v->left = v->burst;
        v->period += v->pause * (1 + (m->time - v->period) / v->pause);
        return end_until(m, v, v->period, true);
    case SIM_NAPPER: v->left = v->burst; return end_until(m, v, m->time + v->pause, true);
    case SIM_SPINNER:
        v->left = around(m, v->burst);
        if (v->gang || sim_random(m, 64))
            return end_spinning(m, v);
        return end_until(m, v, m->time + around(m, v->pause), false);
    default: v->left = around(m, v->burst); return end_until(m, v, m->time + around(m, v->pause), false);
    }
}

/* An exit: the end of the burst, or why the processor was left, as vcpu/ and vmx/ take that up. */
static enum run_end after_exit(struct sim_cpu *c, struct sim_vcpu *v)
{
    const struct cpu *cpu = this_cpu();

    take_interrupts(c);
    if (v->kind != SIM_HOG && !v->left)
        return end_burst(sim, v);
    if (!cpu->next_event || cpu->next_event > sim->time)
        return RUN_ON;
    if (cpu->next_event == cpu->slice_end)
        return RUN_PREEMPTED;
    sched_event();
    return RUN_ON;
}

/* Until the next exit. */
static enum run_end stay_in_guest(struct sim_cpu *c, struct sim_vcpu *v)
{
    uint64_t until = late(this_cpu()->next_event);

    if (v->kind != SIM_HOG)
        until = MIN(until, sim->time + v->left);
    c->now = v;
    c->since = sim->time;
    pass_time(c, until, true);
    settle(c);
    c->now = NULL;
    if (sim->exit_cost)
        pass_time(c, sim->time + sim->exit_cost, false);
    return after_exit(c, v);
}

static enum run_end run_guest(struct vcpu *vcpu)
{
    struct sim_cpu *c = sim_cpu_of(this_cpu());
    struct sim_vcpu *v = sim_vcpu_of(vcpu);
    enum run_end end = RUN_ON;

    follow_switch(c, v);
    v->mail = false;
    vcpu_take(vcpu, ASKED_MAIL | ASKED_NMI);
    while (end == RUN_ON) {
        if (vcpu->asked & ASKED_RESCHED) {
            vcpu_take(vcpu, ASKED_RESCHED);
            end = sched_look() ? RUN_PREEMPTED : RUN_ON;
        }
        if (end == RUN_ON)
            end = stay_in_guest(c, v);
    }
    c->must = c->queue->count && (end == RUN_YIELDED || fair_slice(c->queue, sim->time) == 0);
    return end;
}

static bool block_guest(struct vcpu *vcpu, uint64_t *wake_at)
{
    struct sim_vcpu *v = sim_vcpu_of(vcpu);

    *wake_at = v->kind == SIM_PERIODIC || v->kind == SIM_NAPPER ? v->wakes : 0;
    return !v->mail;
}

static void unblock_guest(struct vcpu *v UNUSED)
{
    sim_figures.wakes++;
}

static bool guest_has_mail(const struct vcpu *v)
{
    return sim_vcpu_of(v)->mail;
}

struct backend backend = {
    .run = run_guest, .block = block_guest, .unblock = unblock_guest, .has_mail = guest_has_mail};

/* --- the machine --- */

void sim_init(struct sim_machine *m, uint64_t seed, unsigned count, uint64_t clock)
{
    memset(m, 0, sizeof(*m));
    m->random = seed * 0x9e3779b97f4a7c15 + 1;
    m->cpus = count;
    for (unsigned c = 0; c < count; c++)
        m->cpu[c].clock = clock;
}

struct sim_vcpu *sim_vcpu(struct sim_machine *m, enum sim_kind kind, unsigned weight, uint64_t burst,
                          uint64_t pause)
{
    struct sim_vcpu *v = &m->vcpu[m->vcpus];

    assert_true(m->vcpus < SIM_VCPUS);
    v->kind = kind;
    v->weight = weight;
    v->slice = SIM_SLICE;
    v->burst = burst;
    v->pause = pause;
    v->left = burst;
    v->home = m->vcpus++ % m->cpus;
    v->allowed = kind == SIM_HOPPER ? (1u << m->cpus) - 1 : 1u << v->home;
    return v;
}

static void sit_idle(void)
{
}

static void be_cpu(void)
{
    static const struct loop_hooks hooks = {.idle = sit_idle};

    fiber_enter(&clockwork);
    sched_loop(&hooks);
}

static void set_time(struct sim_machine *m, uint64_t time)
{
    m->time = fake_tsc = time;
}

/* CPUs do not balance together. */
static void build_cpu(struct sim_machine *m, unsigned c)
{
    physical[c] = (struct cpu){.id = c, .shared = true};
    cpus[c] = &physical[c];
    assert_non_null(queue_of(cpus[c]));
    cpus[c]->queue->fair.clock = m->cpu[c].clock;
    cpus[c]->queue->balance_at = m->pull ? m->pull + sim_random(m, m->pull) : 0;
    m->cpu[c].queue = &cpus[c]->queue->fair;
    m->cpu[c].look = m->time;
    m->cpu[c].seen = SIM_NEVER;
    fiber_create(&fibers[c], be_cpu, stacks[c]);
}

static void build_vm(struct world *w, const struct sim_vcpu *v)
{
    w->config = (struct vm_config){.sched = SCHED_SHARED,
                                   .weight = v->weight,
                                   .slice_us = (unsigned)v->slice,
                                   .vcpus = v->gang ? CONFIG_MAX_VCPUS : 1,
                                   .cpus_line = 1};
    w->config.cpus.bits[0] = v->allowed;
    w->vm = (struct vm){.config = &w->config};
    w->vm.state.phase = VM_RUNS;
    assert_true(sched_create(&w->vm, NULL));
}

static void build_vcpu(struct sim_machine *m, struct sim_vcpu *v, struct vm **gang)
{
    struct world *w = &worlds[v - m->vcpu];
    struct placement place = {&cpus[v->home], 1};
    struct vm *vm = v->gang && *gang ? *gang : &w->vm;

    if (vm == &w->vm)
        build_vm(w, v);
    if (v->gang)
        *gang = vm;
    w->statistics = (struct vcpu_statistics){0};
    w->vcpu = (struct vcpu){.vm = vm, .id = vm->vcpu_count, .stats = &w->statistics};
    vm->vcpus[vm->vcpu_count++] = &w->vcpu;
    assert_true(sched_create_vcpu(&w->vcpu, &place));
    v->fair = &w->vcpu.sched->fair;
    v->weight = v->fair->weight;
    v->slice = v->fair->slice;
}

static void start_vcpu(struct sim_machine *m, struct sim_vcpu *v)
{
    struct vm *vm = worlds[v - m->vcpu].vcpu.vm;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        sim_vcpu_of(vm->vcpus[i])->started = true;
        sim_vcpu_of(vm->vcpus[i])->ready = m->time;
    }
    sim_figures.wakes += vm->vcpu_count;
    sched_start(vm);
}

/* A TSC of 0 would mean that there is no deadline. */
static void build(struct sim_machine *m)
{
    struct vm *gang = NULL;

    sim = m;
    fake_this_cpu = &outside;
    failure = NULL;
    holds = pages_used = 0;
    set_time(m, 1);
    machine.tsc_hz = TSC_HZ;
    cpu_count = m->cpus;
    for (unsigned c = 0; c < m->cpus; c++)
        build_cpu(m, c);
    sched_enable();
    for (unsigned i = 0; i < m->vcpus; i++)
        build_vcpu(m, &m->vcpu[i], &gang);
    machine.tsc_hz = m->pull * BALANCE_HZ;
}

static void start(struct sim_machine *m)
{
    for (unsigned i = 0; i < m->vcpus; i++) {
        struct sim_vcpu *v = &m->vcpu[i];

        if (v->kind == SIM_HOG)
            start_vcpu(m, v);
        else
            call_at(m, v, v->period = m->time + sim_random(m, v->pause));
    }
}

/* Its VM starts, or it is sent something: by another CPU, or by a device that tells the CPU on which it
 * waits. */
static struct sim_cpu *happen(struct sim_machine *m, struct sim_vcpu *v)
{
    struct vcpu *vcpu = &worlds[v - m->vcpu].vcpu;

    if (!v->started) {
        start_vcpu(m, v);
    } else if (sim_random(m, 2)) {
        v->mail = true;
        vcpu_ask(vcpu, ASKED_NMI);
    } else {
        v->mail = true;
        interrupt_cpu(vcpu->cpu, VECTOR_WAKEUP);
    }
    return &m->cpu[v->home];
}

static struct sim_cpu *first_to_look(struct sim_machine *m)
{
    struct sim_cpu *first = &m->cpu[0];

    for (unsigned c = 1; c < m->cpus; c++)
        if (m->cpu[c].look < first->look)
            first = &m->cpu[c];
    return first;
}

static void go_on(struct sim_machine *m, struct sim_cpu *c)
{
    unsigned number = (unsigned)(c - m->cpu);

    fake_this_cpu = cpus[number];
    fiber_switch(&clockwork, &fibers[number]);
    fake_this_cpu = &outside;
    if (failure)
        fail_msg("%s", failure);
}

static void settle_all(struct sim_machine *m)
{
    for (unsigned c = 0; c < m->cpus; c++)
        settle(&m->cpu[c]);
}

void sim_run(struct sim_machine *m, uint64_t until)
{
    uint64_t window = SIM_WINDOW;

    build(m);
    start(m);
    for (;;) {
        struct sim_cpu *c = first_to_look(m);
        uint64_t happens = m->sleepers ? m->sleeping[0].time : SIM_NEVER;

        set_time(m, MIN(window, MIN(c->look, happens)));
        if (m->time >= until)
            break;
        if (m->time == window) {
            settle_all(m);
            rules_window(m);
            window += SIM_WINDOW;
        } else if (m->time == happens) {
            c = happen(m, first_called(m));
        } else {
            go_on(m, c);
        }
        rules_cpu(m, c);
        rules_machine(m);
    }
    settle_all(m);
    rules_end(m);
}
