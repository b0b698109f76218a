/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of every CPU. A CPU belongs to one dedicated vCPU, which halts in place and is never scheduled
 * out, or has a run queue for all that share it; which vCPU is next is a matter of sched/fair.c. A vCPU waits
 * on the CPU on which it halted. The steps around the mailbox are those of tests/model/mailbox.pml.
 */
#include "sched/sched.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/trap.h"
#include "core/base/machine.h"
#include "core/vm/backend.h"
#include "sched/run_queue.h"
#include "sched/vm_run.h"

#define BALANCE_HZ 100 /* times a second and CPU */
#define SOON       16  /* parts of that time */

/* --- with the lock of the queue --- */

/* When this CPU wants to be back: the slice ends, it has to balance, or the timer of a vCPU that waits
 * fires. */
static inline void set_next_event(struct run_queue *q, uint64_t slice_end)
{
    uint64_t first = slice_end;

    if (q->fair.running && q->balance_at && (!first || q->balance_at < first))
        first = q->balance_at;

    q->cpu->slice_end = slice_end;
    for (struct sched_vcpu *s = q->waiting; s; s = s->next) {
        if (s->wake_at && (!first || s->wake_at < first))
            first = s->wake_at;
    }
    q->cpu->next_event = first;
}

/* Makes the CPU look at its queue again, from whichever CPU. */
static void disturb(struct run_queue *q)
{
    if (q->fair.running)
        vcpu_note(vcpu_of(q->fair.running)->v, ASKED_RESCHED);
    if (q->cpu != this_cpu())
        cpu_kick(q->cpu);
}

static bool may_move(struct fair_entity *e, void *to)
{
    const struct run_queue *q = to;
    const struct vm_config *c = vcpu_of(e)->v->vm->config;

    if (vcpu_of(e)->home->loader == vcpu_of(e))
        return false;
    return !c->cpus_line || cpu_set_has(&c->cpus, q->cpu->id);
}

/*
 * e has to wait here, or may have to soon: an idle CPU where it may run comes and steals, at once or when it
 * looks again by itself. Which CPUs are idle, called or on the watch is read without a lock: a CPU says so,
 * and then looks at the queues before it halts; a kick ends the halt. The fence keeps what this CPU has
 * changed before what it reads; each of them has one, too. False: there is none that has not been called yet.
 */
static COLD bool call_thief(struct run_queue *q, struct fair_entity *e, bool at_once)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < cpu_count; i++) {
        struct run_queue *other = cpus[i]->queue;

        if (!other || other == q || other->fair.running || other->called || !may_move(e, other))
            continue;
        if (at_once || !other->watches) {
            other->called = true;
            cpu_kick(cpus[i]);
        }
        return true;
    }
    return false;
}

/* For one of those that wait, or for the one that runs, in whose place one of them may run. */
static COLD void call_thief_for_any(struct run_queue *q)
{
    for (unsigned at = 0; at < q->fair.count; at++) {
        if (call_thief(q, q->fair.heap[at].entity, true))
            return;
    }
    if (q->fair.running)
        call_thief(q, q->fair.running, false);
}

/* s waits, or displaces the one that runs; of those that are ready when their CPU comes, one runs. */
static COLD void call_thief_behind(struct run_queue *q, struct sched_vcpu *s)
{
    if (!q->fair.running)
        call_thief_for_any(q);
    else if (!call_thief(q, &s->fair, true))
        call_thief(q, q->fair.running, false);
}

static void make_ready(struct run_queue *q, struct sched_vcpu *s, uint64_t now)
{
    if (fair_add(&q->fair, &s->fair, now))
        disturb(q);
    if (q->fair.running || q->fair.count > 1)
        call_thief_behind(q, s);
}

static void unlink_waiting(struct sched_vcpu *s)
{
    s->waits = false;
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
}

/* wake */
static void wake(struct run_queue *q, struct sched_vcpu *s, uint64_t now)
{
    unlink_waiting(s);
    backend.unblock(s->v);
    make_ready(q, s, now);
}

static void wake_due(struct run_queue *q, uint64_t now)
{
    for (struct sched_vcpu *s = q->waiting, *next; s; s = next) {
        next = s->next;
        if (s->wake_at && s->wake_at <= now)
            wake(q, s, now);
    }
}

/*
 * block: listed first, then the mailbox points here, then a last look; its VMCS is clear by now. False: there
 * is something for it already.
 */
static bool wait_here(struct run_queue *q, struct sched_vcpu *s)
{
    s->waits = true;
    s->next = q->waiting;
    s->link = &q->waiting;
    if (s->next)
        s->next->link = &s->next;
    q->waiting = s;
    if (backend.block(s->v, &s->wake_at) && !(s->v->asked & ASKED_WAKES))
        return true;
    unlink_waiting(s);
    backend.unblock(s->v);
    return false;
}

static enum fair_stop stop_reason(struct run_queue *q, struct sched_vcpu *s, enum run_end end)
{
    switch (end) {
    case RUN_PREEMPTED: return FAIR_PREEMPTED;
    case RUN_YIELDED: return FAIR_YIELDED;
    case RUN_BLOCKED: return wait_here(q, s) ? FAIR_BLOCKED : FAIR_PREEMPTED;
    default: return FAIR_BLOCKED;
    }
}

static INLINED struct sched_vcpu *pick(struct run_queue *q, enum fair_stop why, uint64_t now)
{
    struct fair_entity *e = fair_next(&q->fair, why, now);
    uint64_t ticks = e ? fair_turn(&q->fair) : FAIR_NO_LIMIT;

    set_next_event(q, ticks == FAIR_NO_LIMIT ? 0 : now + ticks);
    return e ? vcpu_of(e) : NULL;
}

/* --- the owner of the queue --- */

/* s, if any, stops of its own, or its VM does. */
static NOINLINE struct sched_vcpu *stop_and_pick(struct run_queue *q, struct sched_vcpu *s, enum run_end end,
                                                 uint64_t now)
{
    struct sched_vcpu *next;

    if (s && !vm_may_run(s->v->vm) && s != q->loader)
        end = vm_calls(s->v) ? RUN_PREEMPTED : RUN_LEFT;
    else if (end == RUN_LEFT)
        end = RUN_PREEMPTED; /* its VM started again */
    next = pick(q, s ? stop_reason(q, s, end) : FAIR_BLOCKED, now);
    if (s && end == RUN_LEFT) /* fair_next() left it asleep */
        fair_remove(&q->fair, &s->fair, now);
    return next;
}

/* s, if any, has run and stops; what runs now? NULL: nothing here. */
static INLINED struct sched_vcpu *change_over(struct run_queue *q, struct sched_vcpu *s, enum run_end end)
{
    struct sched_vcpu *next;
    uint64_t now;

    spin_lock(&q->lock);
    now = rdtsc();
    wake_due(q, now);
    if (likely(end == RUN_PREEMPTED && vm_may_run(s->v->vm)))
        next = pick(q, FAIR_PREEMPTED, now);
    else
        next = stop_and_pick(q, s, end, now);
    spin_unlock(&q->lock);
    return next;
}

static void move_entity(struct run_queue *from, struct run_queue *to, struct fair_entity *e, uint64_t now)
{
    fair_remove(&from->fair, e, now);
    vcpu_of(e)->home = to;
    fair_add(&to->fair, e, now);
}

static COLD struct sched_vcpu *steal_from(struct run_queue *from, struct run_queue *q)
{
    uint64_t now = rdtsc();

    if (!q->fair.count) {
        struct fair_entity *e = fair_steal(&from->fair, may_move, q, now);

        if (!e)
            return NULL;
        vcpu_of(e)->home = q;
        fair_add(&q->fair, e, now);
    }
    return pick(q, FAIR_BLOCKED, now);
}

/* The lower CPU's first. */
static void lock_two(struct run_queue *a, struct run_queue *b)
{
    spin_lock(a->cpu->id < b->cpu->id ? &a->lock : &b->lock);
    spin_lock(a->cpu->id < b->cpu->id ? &b->lock : &a->lock);
}

static void unlock_two(struct run_queue *a, struct run_queue *b)
{
    spin_unlock(&a->lock);
    spin_unlock(&b->lock);
}

/* This CPU does not come any more: one idle CPU for each queue in which some still wait. */
static COLD void pass_calls_on(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct run_queue *q = cpus[i]->queue;

        if (!q || q->fair.count <= !q->fair.running)
            continue;
        spin_lock(&q->lock);
        call_thief_for_any(q);
        spin_unlock(&q->lock);
    }
}

/* Called, or on the watch, for one that waits elsewhere; but this CPU may have one of its own to run. */
static COLD void answer_call(struct run_queue *q)
{
    bool busy;

    q->called = true; /* nobody calls it meanwhile */
    spin_lock(&q->lock);
    wake_due(q, rdtsc());
    busy = q->fair.count;
    spin_unlock(&q->lock);
    if (busy)
        pass_calls_on();
    q->called = q->watches = false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* From the first other queue with a vCPU to spare. */
static COLD struct sched_vcpu *steal(struct run_queue *q)
{
    struct sched_vcpu *got = NULL;

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* of call_thief() */
    for (unsigned i = 0; i < cpu_count && !got; i++) {
        struct run_queue *from = cpus[i]->queue;

        if (!from || from == q || !from->fair.count)
            continue;
        lock_two(from, q);
        got = steal_from(from, q);
        unlock_two(from, q);
    }
    q->watches = !got;
    pass_calls_on();
    return got;
}

/* Read without locks: the queue that is chosen is looked at again. */
static struct run_queue *most_loaded(const struct run_queue *q)
{
    struct run_queue *most = NULL;
    uint64_t load = q->fair.load;

    for (unsigned i = 1; i < cpu_count; i++) {
        struct run_queue *other = cpus[(q->cpu->id + i) % cpu_count]->queue;

        if (other && other->fair.count && other->fair.load > load) {
            most = other;
            load = other->fair.load;
        }
    }
    return most;
}

static bool anybody_waits(const struct run_queue *q)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i]->queue && cpus[i]->queue != q && cpus[i]->queue->fair.count)
            return true;
    }
    return false;
}

/* One at most, and no CPU is interrupted for it. */
static COLD void balance(struct run_queue *q, uint64_t now)
{
    uint64_t period = machine.tsc_hz / BALANCE_HZ;
    struct run_queue *from = most_loaded(q);
    struct fair_entity *e;
    bool soon = false;

    if (from) {
        lock_two(from, q);
        e = balance_pick(&from->fair, q->fair.load, may_move, q, &soon);
        if (e) {
            move_entity(from, q, e, now);
            call_thief(q, q->fair.running, false);
        }
        unlock_two(from, q);
    }
    q->balance_at = now + (soon ? period / SOON : period);
}

/* Locks the queue that s belongs to; it may move until that is done. */
static struct run_queue *lock_home(struct sched_vcpu *s)
{
    for (;;) {
        struct run_queue *q = __atomic_load_n(&s->home, __ATOMIC_ACQUIRE);

        spin_lock(&q->lock);
        if (q == s->home)
            return q;
        spin_unlock(&q->lock);
    }
}

bool sched_yield_to(struct vcpu *from, struct vcpu *to)
{
    struct sched_vcpu *s = to->sched;
    struct run_queue *q;
    bool waits;

    if (from == to || !s || s->fair.state != FAIR_WAITING)
        return false;
    q = lock_home(s);
    waits = s->fair.state == FAIR_WAITING;
    if (waits && fair_favour(&q->fair, &s->fair, rdtsc()))
        disturb(q);
    spin_unlock(&q->lock);
    return waits;
}

/*
 * v spins for another vCPU of its VM: perhaps for one that waits for a CPU, and rather for one that was
 * preempted, as it may have a lock, than for one that has spun itself. Those of a VM are tried in turn.
 */
static COLD void favour_mate(struct vcpu *v)
{
    struct vm *vm = v->vm;
    unsigned *last = &vm->vcpus[0]->sched->favoured;

    for (unsigned spins = 0; spins < 2; spins++) {
        for (unsigned i = 1; i <= vm->vcpu_count; i++) {
            struct vcpu *mate = vm->vcpus[(*last + i) % vm->vcpu_count];

            if (mate->sched->spins != spins || !sched_yield_to(v, mate))
                continue;
            *last = mate->id;
            return;
        }
    }
}

static NOINLINE enum run_end run_traced(struct vcpu *v)
{
    enum run_end end;

    if (!v->aside)
        trace_note(TRACE_IN, 0, v->trace_who);
    end = backend.run(v);
    v->aside = end == RUN_LEFT && vm_may_run(v->vm); /* for the monitor, and goes on behind its command */
    if (!v->aside)
        trace_note(TRACE_OUT, end, v->trace_who);
    return end;
}

static const struct loop_hooks *loop;

bool sched_heed(struct cpu *cpu)
{
    if (!loop || cpu->at_work)
        return false;
    cpu->at_work = true;
    if (cpu->leave)
        loop->leave();
    if (cpu->work)
        loop->work();
    cpu->at_work = false;
    return true;
}

static INLINED enum run_end run_vcpu(struct cpu *cpu, struct vcpu *v)
{
    enum run_end end = RUN_LEFT;

    v->cpu = cpu;
    cpu->vcpu = v;
    if (v->sched)
        v->stats->counts[COUNT_STEAL] = v->sched->fair.waited;
    if (vm_begin_run(v->vm))
        end = v->vm->traced ? run_traced(v) : backend.run(v);
    cpu->vcpu = NULL;
    return end;
}

/* Until there is nobody left to run. One call of change_over(), which becomes part of the loop. */
static void run_shared(struct run_queue *q)
{
    struct sched_vcpu *s = NULL;
    enum run_end end = RUN_LEFT;

    for (;;) {
        s = change_over(q, s, end);
        if (unlikely(q->cpu->work))
            sched_heed(q->cpu);
        if ((!s && !(s = steal(q))) || q->cpu->leave)
            return;
        end = run_vcpu(q->cpu, s->v);
        if (unlikely(end != RUN_PREEMPTED))
            let_interrupts_in(); /* those that wait again and again may all do so without an entry */
        s->spins = end == RUN_YIELDED;
        if (unlikely(s->spins))
            favour_mate(s->v);
        vm_end_run(s->v->vm); /* may load the VM again, with s still counted as running here */
    }
}

/*
 * While somebody waits elsewhere this CPU looks again, as often as it would balance: whom it could not take,
 * as that one ran, may wait next, and nobody calls at the end of each slice.
 */
static uint64_t end_of_wait(struct run_queue *q)
{
    uint64_t first = q->cpu->next_event, again;

    q->watches = false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* of call_thief() */
    if (!q->balance_at || !anybody_waits(q))
        return first;
    q->watches = true;
    again = rdtsc() + machine.tsc_hz / BALANCE_HZ;
    return first && first < again ? first : again;
}

COLD struct sched_vcpu *sched_run_lent(struct run_queue *q, struct sched_vcpu *s)
{
    enum run_end end = RUN_PREEMPTED;

    if (s != q->loader) {
        end = run_vcpu(q->cpu, s->v);
        let_interrupts_in();
        s->spins = end == RUN_YIELDED;
        vm_end_run(s->v->vm);
    }
    return change_over(q, s, end);
}

static NOINLINE void idle(struct run_queue *q)
{
    lapic_timer_set(TIMER_SCHED, end_of_wait(q));
    if (!q->fair.count) /* else this CPU itself has made a vCPU ready */
        wait_for_interrupt();
    lapic_timer_set(TIMER_SCHED, 0);
}

NOINLINE bool sched_look(void)
{
    struct run_queue *q = this_cpu()->queue;
    uint64_t now = rdtsc(), ticks;

    if (q->cpu->slice_end && q->cpu->slice_end <= now)
        return true; /* change_over() finds out which vCPU is next */
    if (q->balance_at && q->balance_at <= now)
        balance(q, now);
    spin_lock(&q->lock);
    wake_due(q, now);
    ticks = fair_slice(&q->fair, now);
    set_next_event(q, ticks == FAIR_NO_LIMIT ? 0 : now + ticks);
    if (ticks == 0)
        call_thief(q, q->fair.running, true);
    spin_unlock(&q->lock);
    return ticks == 0;
}

void sched_event(void)
{
    if (this_cpu()->vcpu)
        vcpu_note(this_cpu()->vcpu, ASKED_RESCHED);
}

COLD void sched_look_around(void)
{
    const struct cpu *cpu = this_cpu();

    let_interrupts_in();
    if (cpu->next_event && rdtsc() >= cpu->next_event)
        sched_event();
    if (cpu->vcpu && (cpu->work || cpu->leave))
        vcpu_note(cpu->vcpu, ASKED_LEAVE);
}

/* --- from anywhere --- */

static void tell_cpu(struct vcpu *v)
{
    struct run_queue *q;

    if (!v->sched) {
        if (v->cpu != this_cpu())
            cpu_kick(v->cpu);
        return;
    }
    q = lock_home(v->sched);
    if (v->sched->waits)
        wake(q, v->sched, rdtsc());
    else if (v->sched->fair.state == FAIR_RUNNING && q->cpu != this_cpu())
        cpu_kick(q->cpu);
    spin_unlock(&q->lock);
}

void vcpu_ask(struct vcpu *v, uint32_t asked)
{
    vcpu_note(v, asked);
    tell_cpu(v);
}

/* --- interrupts --- */

static void wake_those_with_mail(struct run_queue *q)
{
    spin_lock(&q->lock);
    for (struct sched_vcpu *s = q->waiting, *next; s; s = next) {
        next = s->next;
        if (backend.has_mail(s->v))
            wake(q, s, rdtsc());
    }
    spin_unlock(&q->lock);
}

static inline void timer_came(void)
{
    if (this_cpu()->next_event && rdtsc() >= this_cpu()->next_event)
        sched_event();
    if (this_cpu()->vcpu)
        this_cpu()->vcpu->due |= DUE_TIMER;
}

/* Those that wait for it set it anew. */
static void on_timer(void *context UNUSED)
{
    timer_came();
    console_timer();
}

/* It may have come early, or for one while another waits and does nothing for it: set again for all. */
static void on_common_timer(void *context UNUSED)
{
    timer_came();
    lapic_timer_go_on();
    console_timer();
}

/* A processor that sends by itself (IPI virtualization) leaves no note. */
static void look_for_mail(struct vcpu *v)
{
    if (v && !(v->asked & ASKED_MAIL) && backend.has_mail(v))
        vcpu_note(v, ASKED_MAIL);
}

static void on_kick(void *context UNUSED)
{
    struct cpu *cpu = this_cpu();

    look_for_mail(cpu->vcpu);
    if (cpu->vcpu && (cpu->work || cpu->leave))
        vcpu_note(cpu->vcpu, ASKED_LEAVE);
}

/*
 * It came while the processor does not collect: the vCPU that it was for was scheduled out or blocks, and
 * looks at its mail by itself; or its local APIC has changed its mode.
 */
static void on_posted(void *context UNUSED)
{
    look_for_mail(this_cpu()->vcpu);
}

static void on_wakeup(void *context UNUSED)
{
    look_for_mail(this_cpu()->vcpu);
    if (this_cpu()->queue)
        wake_those_with_mail(this_cpu()->queue);
}

void sched_enable(void)
{
    bool common = backend.host_slices || !lapic_has_tsc_deadline();

    interrupt_install(VECTOR_TIMER, common ? on_common_timer : on_timer, NULL);
    interrupt_install(VECTOR_KICK, on_kick, NULL);
    interrupt_install(VECTOR_POSTED, on_posted, NULL);
    interrupt_install(VECTOR_WAKEUP, on_wakeup, NULL);
}

/* --- VMs come and go --- */

static struct run_queue *queue_of(struct cpu *cpu)
{
    const uint64_t pages = ALIGN_UP(sizeof(struct run_queue), PAGE_SIZE) / PAGE_SIZE;

    if (!cpu->queue) {
        cpu->queue = memory_alloc_zeroed(&memory_host, MEMORY_STATE, pages);
        if (cpu->queue) {
            cpu->queue->cpu = cpu;
            cpu->queue->balance_at = cpu_count > 1 ? rdtsc() : 0;
            fair_queue_init(&cpu->queue->fair);
        }
    }
    return cpu->queue;
}

bool sched_create(struct vm *vm, const struct placement *p UNUSED)
{
    uint64_t pages = ALIGN_UP(vm->config->vcpus * sizeof(struct sched_vcpu), PAGE_SIZE) / PAGE_SIZE;

    if (vm->config->sched != SCHED_SHARED)
        return true;
    vm->sched = memory_alloc_zeroed(&vm->account, MEMORY_STATE, pages);
    return vm->sched;
}

bool sched_create_vcpu(struct vcpu *v, const struct placement *p)
{
    const struct vm_config *c = v->vm->config;
    struct sched_vcpu *s;

    if (c->sched != SCHED_SHARED)
        return true;
    s = &v->vm->sched[v->id];
    s->v = v;
    s->home = queue_of(p->cpus[(v->vm->id + v->id) % p->count]);
    if (!s->home)
        return false;
    v->cpu = s->home->cpu;
    v->sched = s;
    fair_entity_init(&s->fair, c->weight, machine.tsc_hz / 1000000 * c->slice_us);
    return true;
}

/* One that runs, as its end brought us here, goes on by itself; one that waits may have done so for an event
 * that came while its VM was paused. */
static void bring_vcpu(struct vcpu *v)
{
    struct sched_vcpu *s = v->sched;
    struct run_queue *q;

    if (!s) {
        tell_cpu(v);
        return;
    }
    q = lock_home(s);
    if (s->waits)
        wake(q, s, rdtsc());
    else if (s->fair.state == FAIR_ASLEEP)
        make_ready(q, s, rdtsc());
    spin_unlock(&q->lock);
}

void sched_start(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        bring_vcpu(vm->vcpus[i]);
}

void sched_call(struct vm *vm)
{
    bring_vcpu(vm->vcpus[0]);
}

bool sched_holds(const struct vm *vm)
{
    bool held = false;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct sched_vcpu *s = vm->vcpus[i]->sched;
        struct run_queue *q;

        if (!s)
            continue;
        q = lock_home(s);
        held |= s->waits || s->fair.queue;
        spin_unlock(&q->lock);
    }
    return held;
}

/* The one that ran last is at its end, here; one that another CPU has just taken finds its VM ended, and lets
 * go. */
static void stop_vcpu(struct sched_vcpu *s)
{
    for (;;) {
        struct run_queue *q = lock_home(s);
        bool running = s->fair.state == FAIR_RUNNING;

        if (s->waits)
            unlink_waiting(s);
        if (!running && s->fair.queue)
            fair_remove(&q->fair, &s->fair, rdtsc());
        spin_unlock(&q->lock);
        if (!running || q->cpu == this_cpu())
            return;
        while (__atomic_load_n(&s->fair.state, __ATOMIC_RELAXED) == FAIR_RUNNING)
            cpu_pause();
    }
}

void sched_stop(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (vm->vcpus[i]->sched)
            stop_vcpu(vm->vcpus[i]->sched);
    }
}

static void run_dedicated(struct cpu *cpu)
{
    struct vm *vm = cpu->owner->vm;

    run_vcpu(cpu, cpu->owner);
    vm_end_run(vm);
}

NORETURN void sched_loop(const struct loop_hooks *hooks)
{
    struct cpu *cpu = this_cpu();

    loop = hooks;
    for (;;) {
        sched_heed(cpu);
        if (cpu->owner && (vm_may_run(cpu->owner->vm) || vm_calls(cpu->owner))) {
            run_dedicated(cpu);
            continue;
        }
        if (cpu->queue && (cpu->queue->called || cpu->queue->watches))
            answer_call(cpu->queue);
        if (cpu->queue)
            run_shared(cpu->queue);
        hooks->idle();
        if (cpu->queue)
            idle(cpu->queue);
        else if (!cpu->work)
            wait_for_interrupt();
    }
}
