/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated machine: events in the order of their time, and the rules that are looked at with each of
 * them. What a rule says stands where it is looked at.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/balance.h"
#include "tests/unit/sched_sim.h"

#define NEVER     UINT64_MAX
#define LATENCIES (1u << 20)

struct sim_figures sim_figures;

static uint64_t latencies[LATENCIES];
static unsigned latency_count;

void panic(const char *fmt, ...);

void panic(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\n", stderr);
    fail_msg("broken: assertion");
    abort();
}

void sim_broken(const struct sim_machine *m, const char *rule, const char *fmt, ...)
{
    char text[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fail_msg("broken: %s: at %llu: %s", rule, (unsigned long long)m->time, text);
    abort();
}

/* xorshift: the same numbers on every host. */
uint64_t sim_random(struct sim_machine *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

/* --- latencies --- */

void sim_latencies_reset(void)
{
    latency_count = 0;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

uint64_t sim_latency(unsigned per_mille)
{
    assert_true(latency_count > 0 && latency_count < LATENCIES);
    qsort(latencies, latency_count, sizeof(latencies[0]), by_size);
    return latencies[(uint64_t)(latency_count - 1) * per_mille / 1000];
}

/* --- who sleeps, by the time of waking --- */

static void fall_asleep(struct sim_machine *m, struct sim_vcpu *v, uint64_t until)
{
    unsigned at = m->sleepers++;

    for (; at && m->sleeping[(at - 1) / 2].time > until; at = (at - 1) / 2)
        m->sleeping[at] = m->sleeping[(at - 1) / 2];
    m->sleeping[at].time = until;
    m->sleeping[at].v = v;
}

static struct sim_vcpu *first_to_wake(struct sim_machine *m)
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

/* --- the rules --- */

static double slice_and_late(const struct sim_vcpu *v)
{
    return (double)(v->fair.slice + SIM_LATE);
}

/* Sums over those who belong to a CPU: for each w * weight, and each slice times s. */
static double sum(const struct sim_machine *m, unsigned cpu, double w, double s)
{
    double total = 0;

    for (unsigned i = 0; i < m->vcpus; i++)
        if (m->vcpu[i].home == cpu || m->moves || m->vcpu[i].kind == SIM_HOPPER)
            total += w * m->vcpu[i].fair.weight + s * slice_and_late(&m->vcpu[i]);
    return total;
}

/* Nobody in the heap is due before the one above it. */
static void check_heap(const struct sim_machine *m, const struct fair_queue *q)
{
    for (unsigned i = 1; i < q->count; i++)
        if ((int64_t)(q->heap[i].due - q->heap[(i - 1) / 2].due) < 0)
            sim_broken(m, "heap", "slot %u of %u is due before its parent", i, q->count);
}

/*
 * Starvation: at most two own slices ahead of the clock (three after a yield), so that the others may use up
 * what that is for them by their weights, the credit that they wake with and the slice that they are in; a
 * favoured one two slices more.
 */
static void check_wait(const struct sim_machine *m, const struct sim_vcpu *v)
{
    double own = slice_and_late(v), waited = (double)(m->time - v->ready), bound;
    bool spins = false;

    for (unsigned i = 0; i < m->vcpus; i++)
        spins |= m->vcpu[i].kind == SIM_SPINNER;
    bound = sum(m, v->home, (spins ? 3 : 2) * own / v->fair.weight, spins ? 4 : 2);
    if (waited > bound)
        sim_broken(m, "starvation", "weight %u waited %.0f slices, at most %.0f were promised",
                   v->fair.weight, waited / SIM_SLICE, bound / SIM_SLICE);
    if (waited / bound > sim_figures.wait_bound)
        sim_figures.wait_bound = waited / bound;
    if (waited / SIM_SLICE > sim_figures.longest_wait)
        sim_figures.longest_wait = waited / SIM_SLICE;
}

/*
 * Guarantee: over any time that it wants to run, it gets what its weight is of all weights, those of sleepers
 * included, but for a few slices, whatever the others do.
 */
static void check_guarantee(const struct sim_machine *m, struct sim_vcpu *v)
{
    double part = v->fair.weight / sum(m, v->home, 1, 0);
    double ahead = (double)v->received - (double)m->time * part;
    double bound = 5 * part * sum(m, v->home, 0, 1) + 2 * slice_and_late(v);

    if (v->ahead - ahead > bound)
        sim_broken(m, "guarantee",
                   "weight %u got %.1f slices less than its share, at most %.1f may be missing",
                   v->fair.weight, (v->ahead - ahead) / SIM_SLICE, bound / SIM_SLICE);
    if (ahead > v->ahead)
        v->ahead = ahead;
}

/* Fairness among those who always want to run: nobody is ahead of another by more than its own slice. */
static void check_fairness(const struct sim_machine *m, const struct sim_vcpu *v)
{
    double mine = (double)v->received / v->fair.weight;

    for (unsigned i = 0; i < m->vcpus; i++) {
        const struct sim_vcpu *o = &m->vcpu[i];

        if (o->home == v->home && o->kind == SIM_HOG &&
            mine - (double)o->received / o->fair.weight > slice_and_late(v) / v->fair.weight + 1)
            sim_broken(m, "fairness", "weight %u got %llu, weight %u %llu", v->fair.weight,
                       (unsigned long long)v->received, o->fair.weight, (unsigned long long)o->received);
    }
}

/* No idle CPU while somebody waits behind another one that may run there. */
static void check_busy(const struct sim_machine *m)
{
    unsigned idle = 0;

    for (unsigned c = 0; c < m->cpus; c++)
        idle |= !m->cpu[c].now && m->cpu[c].look == NEVER ? 1u << c : 0;
    for (unsigned i = 0; idle && i < m->vcpus; i++)
        if (m->vcpu[i].fair.state == FAIR_WAITING && (m->vcpu[i].allowed & idle) &&
            m->cpu[m->vcpu[i].home].now)
            sim_broken(m, "idle", "vCPU %u waits on CPU %u", i, m->vcpu[i].home);
}

/* A CPU that was not kicked looks again before it should change over. */
static void check_kick(const struct sim_machine *m, struct sim_cpu *c)
{
    uint64_t slice = fair_slice(&c->queue, m->time);

    if (slice != FAIR_NO_LIMIT && c->look > m->time + slice + SIM_LATE)
        sim_broken(m, "kick", "should change over in %llu ticks, and does not know",
                   (unsigned long long)slice);
}

/* --- a CPU --- */

static void settle(struct sim_machine *m, struct sim_cpu *c)
{
    uint64_t ran = m->time - c->since;

    c->since = m->time;
    if (!c->now)
        return;
    c->now->received += ran;
    c->now->in_window += ran;
    c->now->left -= ran < c->now->left ? ran : c->now->left;
}

static void arm(struct sim_machine *m, struct sim_cpu *c)
{
    uint64_t slice = fair_slice(&c->queue, m->time);

    c->look = NEVER;
    if (!c->now)
        return;
    if (!slice)
        sim_broken(m, "progress", "should change over before it has begun");
    if (slice != FAIR_NO_LIMIT)
        c->look = m->time + slice + sim_random(m, SIM_LATE);
    if (c->now->kind != SIM_HOG && m->time + c->now->left < c->look)
        c->look = m->time + c->now->left;
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

/* What it does at the end of a burst. */
static enum fair_stop end_burst(struct sim_machine *m, struct sim_cpu *c, struct sim_vcpu *v)
{
    struct sim_vcpu *mate;

    switch (v->kind) {
    case SIM_PERIODIC:
        v->left = v->burst;
        v->period += v->pause * (1 + (m->time - v->period) / v->pause);
        v->wakes = v->period;
        return FAIR_BLOCKED;
    case SIM_SPINNER:
        v->left = around(m, v->burst);
        v->wakes = m->time + around(m, v->pause);
        if (!v->gang && sim_random(m, 64) == 0)
            return FAIR_BLOCKED;
        sim_figures.yields++;
        mate = v->gang || sim_random(m, 2) ? random_mate(m, v) : NULL;
        if (mate)
            fair_favour(&c->queue, &mate->fair, m->time);
        return FAIR_YIELDED;
    default:
        v->left = around(m, v->burst);
        v->wakes = m->time + around(m, v->pause);
        return FAIR_BLOCKED;
    }
}

static void starts(struct sim_machine *m, struct sim_cpu *c, struct sim_vcpu *v)
{
    sim_figures.switches++;
    if (v->home != (unsigned)(c - m->cpu) || !(v->allowed >> v->home & 1))
        sim_broken(m, "affinity", "CPU %u runs a vCPU of CPU %u", (unsigned)(c - m->cpu), v->home);
    if (v->woken && latency_count < LATENCIES)
        latencies[latency_count++] = m->time - v->ready;
    v->woken = false;
    check_wait(m, v);
    if (v->kind == SIM_HOG && !m->moves)
        check_guarantee(m, v);
}

static void stops(struct sim_machine *m, struct sim_vcpu *v, enum fair_stop why)
{
    if (v->fair.ran != v->received)
        sim_broken(m, "account", "charged %llu of %llu ticks", (unsigned long long)v->fair.ran,
                   (unsigned long long)v->received);
    if (v->kind == SIM_HOG && !m->moves) {
        check_guarantee(m, v);
        check_fairness(m, v);
    }
    v->ready = m->time;
    if (why == FAIR_BLOCKED)
        fall_asleep(m, v, v->wakes);
}

struct thief {
    const struct sim_machine *m;
    unsigned cpu;
};

static bool may_come(struct fair_entity *e, void *context)
{
    const struct thief *t = context;

    return ((struct sim_vcpu *)e)->allowed >> t->cpu & 1;
}

static bool steal(struct sim_machine *m, unsigned cpu, unsigned from)
{
    struct thief thief = {m, cpu};
    struct fair_entity *e;

    e = from == cpu ? NULL : fair_steal(&m->cpu[from].queue, may_come, &thief, m->time);
    if (!e)
        return false;
    sim_figures.steals++;
    ((struct sim_vcpu *)e)->home = cpu;
    fair_add(&m->cpu[cpu].queue, e, m->time);
    return true;
}

static struct fair_entity *steal_and_pick(struct sim_machine *m, unsigned cpu)
{
    for (unsigned i = 1; i < m->cpus; i++)
        if (steal(m, cpu, (cpu + i) % m->cpus))
            return fair_next(&m->cpu[cpu].queue, FAIR_BLOCKED, m->time);
    return NULL;
}

static void look(struct sim_machine *m, struct sim_cpu *c)
{
    struct sim_vcpu *old = c->now;
    enum fair_stop why = FAIR_PREEMPTED;
    struct fair_entity *next;
    bool must;

    settle(m, c);
    must = c->queue.count && fair_slice(&c->queue, m->time) == 0;
    if (old && old->kind != SIM_HOG && !old->left)
        why = end_burst(m, c, old);
    next = fair_next(&c->queue, why, m->time);
    if (old && next == &old->fair && (must || (why == FAIR_YIELDED && c->queue.count)))
        sim_broken(m, "switch", "goes on with one that should give way");
    if (!next && m->moves)
        next = steal_and_pick(m, (unsigned)(c - m->cpu));
    c->now = (struct sim_vcpu *)next;
    if (c->now != old && old)
        stops(m, old, why);
    if (c->now != old && c->now)
        starts(m, c, c->now);
    arm(m, c);
    check_heap(m, &c->queue);
}

/* Somebody waits, woken or displaced, and may perhaps run elsewhere: those who idle look for something to
 * steal. */
static void kick_idle(struct sim_machine *m, const struct sim_cpu *c)
{
    for (unsigned i = 0; m->moves && c->queue.count && i < m->cpus; i++)
        if (!m->cpu[i].now && m->cpu[i].look == NEVER)
            m->cpu[i].look = m->time + sim_random(m, SIM_LATE);
}

/* --- the machine --- */

static unsigned place(const struct sim_machine *m, const struct sim_vcpu *v)
{
    if (v->kind == SIM_HOPPER)
        return (v->home + 1) % m->cpus;
    if (!m->moves || (!m->cpu[v->home].now && !m->cpu[v->home].queue.count))
        return v->home;
    for (unsigned c = 0; c < m->cpus; c++)
        if (!m->cpu[c].now && !m->cpu[c].queue.count && (v->allowed >> c & 1))
            return c;
    return v->home;
}

static struct sim_cpu *wake(struct sim_machine *m, struct sim_vcpu *v)
{
    unsigned to = place(m, v);
    struct sim_cpu *c = &m->cpu[to];
    uint64_t seen = m->time + sim_random(m, SIM_LATE);

    if (to != v->home && v->fair.queue)
        fair_remove(&m->cpu[v->home].queue, &v->fair, m->time);
    sim_figures.wakes++;
    v->home = to;
    v->ready = m->time;
    v->woken = v->kind == SIM_PERIODIC && v->received;
    settle(m, c);
    if (fair_add(&c->queue, &v->fair, m->time))
        c->look = seen < c->look ? seen : c->look;
    check_kick(m, c);
    check_heap(m, &c->queue);
    return c;
}

/* What a CPU does now and then: the one that sched/balance.c picks from the most loaded other one comes to
 * it. */
static void pull(struct sim_machine *m, unsigned to)
{
    struct thief thief = {m, to};
    struct fair_entity *e;
    unsigned from = to;
    bool soon;

    for (unsigned i = 1; i < m->cpus; i++)
        if (m->cpu[(to + i) % m->cpus].queue.load > m->cpu[from].queue.load)
            from = (to + i) % m->cpus;
    e = balance_pick(&m->cpu[from].queue, m->cpu[to].queue.load, may_come, &thief, &soon);
    m->cpu[to].balance += soon ? m->pull / 16 : m->pull;
    if (!e)
        return;
    settle(m, &m->cpu[to]);
    sim_figures.pulls++;
    fair_remove(&m->cpu[from].queue, e, m->time);
    ((struct sim_vcpu *)e)->home = to;
    fair_add(&m->cpu[to].queue, e, m->time);
    m->cpu[to].look = m->time;
}

static unsigned first_to_balance(const struct sim_machine *m)
{
    unsigned first = 0;

    for (unsigned c = 1; c < m->cpus; c++)
        if (m->cpu[c].balance < m->cpu[first].balance)
            first = c;
    return first;
}

static void end_window(struct sim_machine *m)
{
    for (unsigned cpu = 0; cpu < m->cpus; cpu++) {
        double time = 0, weight = 0;

        settle(m, &m->cpu[cpu]);
        for (unsigned i = 0; i < m->vcpus; i++)
            if (m->vcpu[i].home == cpu && m->vcpu[i].kind == SIM_HOG) {
                time += (double)m->vcpu[i].in_window;
                weight += m->vcpu[i].fair.weight;
            }
        for (unsigned i = 0; i < m->vcpus; i++) {
            struct sim_vcpu *v = &m->vcpu[i];
            double error = ((double)v->in_window - time * v->fair.weight / weight) * 100 / SIM_WINDOW;

            if (v->home != cpu)
                continue;
            if (v->kind == SIM_HOG && !m->moves && (error < 0 ? -error : error) > sim_figures.fairness_error)
                sim_figures.fairness_error = error < 0 ? -error : error;
            v->in_window = 0;
        }
    }
}

void sim_init(struct sim_machine *m, uint64_t seed, unsigned cpus, uint64_t clock)
{
    memset(m, 0, sizeof(*m));
    m->random = seed * 0x9e3779b97f4a7c15 + 1;
    m->cpus = cpus;
    for (unsigned c = 0; c < cpus; c++) {
        fair_queue_init(&m->cpu[c].queue);
        m->cpu[c].queue.clock = clock;
        m->cpu[c].look = NEVER;
    }
}

struct sim_vcpu *sim_vcpu(struct sim_machine *m, enum sim_kind kind, unsigned weight, uint64_t burst,
                          uint64_t pause)
{
    struct sim_vcpu *v = &m->vcpu[m->vcpus];

    assert_true(m->vcpus < SIM_VCPUS);
    fair_entity_init(&v->fair, weight, SIM_SLICE);
    v->kind = kind;
    v->burst = burst;
    v->pause = pause;
    v->left = burst;
    v->home = m->vcpus++ % m->cpus;
    v->allowed = kind == SIM_HOPPER ? (1u << m->cpus) - 1 : 1u << v->home;
    return v;
}

static void start(struct sim_machine *m)
{
    for (unsigned c = 0; c < m->cpus; c++)
        m->cpu[c].balance = m->pull + sim_random(m, SIM_SLICE); /* CPUs do not start together */
    for (unsigned i = 0; i < m->vcpus; i++) {
        struct sim_vcpu *v = &m->vcpu[i];

        if (v->kind == SIM_HOG)
            wake(m, v);
        else
            fall_asleep(m, v, v->period = sim_random(m, v->pause));
    }
}

static struct sim_cpu *first_to_look(struct sim_machine *m)
{
    struct sim_cpu *first = &m->cpu[0];

    for (unsigned c = 1; c < m->cpus; c++)
        if (m->cpu[c].look < first->look)
            first = &m->cpu[c];
    return first;
}

/* Who waits now, and perhaps would for ever, has been promised the same. */
static void end(struct sim_machine *m)
{
    for (unsigned c = 0; c < m->cpus; c++)
        settle(m, &m->cpu[c]);
    for (unsigned i = 0; i < m->vcpus; i++) {
        if (m->vcpu[i].fair.state == FAIR_WAITING)
            check_wait(m, &m->vcpu[i]);
        if (m->vcpu[i].kind == SIM_HOG && !m->moves)
            check_guarantee(m, &m->vcpu[i]);
    }
}

void sim_run(struct sim_machine *m, uint64_t until)
{
    uint64_t window = SIM_WINDOW;

    start(m);
    for (;;) {
        struct sim_cpu *c = first_to_look(m);
        unsigned balancing = first_to_balance(m);
        uint64_t balance = m->pull ? m->cpu[balancing].balance : NEVER;
        uint64_t wakes = m->sleepers ? m->sleeping[0].time : NEVER;
        uint64_t next = c->look < wakes ? c->look : wakes;

        next = window < next ? window : next;
        m->time = balance < next ? balance : next;
        if (m->time >= until)
            break;
        if (m->time == balance) {
            pull(m, balancing);
        } else if (m->time == window) {
            end_window(m);
            window += SIM_WINDOW;
        } else if (m->time == wakes) {
            c = wake(m, first_to_wake(m));
        } else {
            look(m, c);
        }
        kick_idle(m, c);
        if (m->moves)
            check_busy(m);
    }
    end(m);
}
