/* SPDX-License-Identifier: BSD-2-Clause */
/* What a rule says stands where it is looked at. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/sched_rules.h"

#define LATENCIES (1u << 20)

struct sim_figures sim_figures;

static uint64_t latencies[LATENCIES];
static unsigned latency_count;

void sim_broken(const struct sim_machine *m, const char *rule, const char *fmt, ...)
{
    char text[200], all[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(all, sizeof(all), "broken: %s: at %llu: %s", rule, (unsigned long long)m->time, text);
    sim_fail(all);
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

/* --- the rules --- */

static double slice_and_late(const struct sim_vcpu *v)
{
    return (double)(v->slice + SIM_LATE);
}

/* Sums over those who belong to a CPU: for each w * weight, and each slice times s. */
static double sum(const struct sim_machine *m, unsigned cpu, double w, double s)
{
    double total = 0;

    for (unsigned i = 0; i < m->vcpus; i++)
        if (m->vcpu[i].home == cpu || m->moves || m->vcpu[i].kind == SIM_HOPPER)
            total += w * m->vcpu[i].weight + s * slice_and_late(&m->vcpu[i]);
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
    bound = sum(m, v->home, (spins ? 3 : 2) * own / v->weight, spins ? 4 : 2);
    if (waited > bound)
        sim_broken(m, "starvation", "weight %u waited %.0f slices, at most %.0f were promised", v->weight,
                   waited / SIM_SLICE, bound / SIM_SLICE);
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
    double part = v->weight / sum(m, v->home, 1, 0);
    double ahead = (double)v->received - (double)m->time * part;
    double bound = 5 * part * sum(m, v->home, 0, 1) + 2 * slice_and_late(v);

    if (v->ahead - ahead > bound)
        sim_broken(m, "guarantee",
                   "weight %u got %.1f slices less than its share, at most %.1f may be missing", v->weight,
                   (v->ahead - ahead) / SIM_SLICE, bound / SIM_SLICE);
    if (ahead > v->ahead)
        v->ahead = ahead;
}

/* Fairness among those who always want to run: nobody is ahead of another by more than its own slice. */
static void check_fairness(const struct sim_machine *m, const struct sim_vcpu *v)
{
    double mine = (double)v->received / v->weight;

    for (unsigned i = 0; i < m->vcpus; i++) {
        const struct sim_vcpu *o = &m->vcpu[i];

        if (o->home == v->home && o->kind == SIM_HOG &&
            mine - (double)o->received / o->weight > slice_and_late(v) / v->weight + 1)
            sim_broken(m, "fairness", "weight %u got %llu, weight %u %llu", v->weight,
                       (unsigned long long)v->received, o->weight, (unsigned long long)o->received);
    }
}

/* Waits behind another one, though one of these CPUs may take it. */
static bool waits_beside(const struct sim_machine *m, const struct sim_vcpu *v, unsigned idle)
{
    return v->fair->state == FAIR_WAITING && (v->allowed & idle) && m->cpu[v->home].now;
}

/*
 * No idle CPU while somebody waits behind another one that may run there: one of them has been called, or
 * will look again by itself. Thieves call each other, and one that came in vain looks again when it would
 * balance.
 */
static void check_beside(const struct sim_machine *m, struct sim_vcpu *v, unsigned called)
{
    const uint64_t limit = m->pull + SIM_CPUS * SIM_LATE;
    double waited;

    if (!(v->allowed & called))
        sim_broken(m, "idle", "vCPU %u waits on CPU %u", (unsigned)(v - m->vcpu), v->home);
    if (!v->beside_idle) {
        v->beside_idle = m->time;
        sim_figures.beside_idle++;
    }
    waited = (double)(m->time - v->beside_idle);
    if (waited > (double)limit)
        sim_broken(m, "idle", "vCPU %u waits on CPU %u for %.1f slices", (unsigned)(v - m->vcpu), v->home,
                   waited / SIM_SLICE);
    if (waited / SIM_SLICE > sim_figures.longest_beside_idle)
        sim_figures.longest_beside_idle = waited / SIM_SLICE;
}

static void check_busy(struct sim_machine *m)
{
    unsigned idle = 0, called = 0;

    for (unsigned c = 0; c < m->cpus; c++) {
        if (m->cpu[c].now || !m->cpu[c].open)
            continue;
        idle |= 1u << c;
        called |= m->cpu[c].look != SIM_NEVER ? 1u << c : 0;
        called |= m->cpu[c].seen != SIM_NEVER ? ~0u : 0;
    }
    for (unsigned i = 0; (idle || m->idle) && i < m->vcpus; i++) {
        if (waits_beside(m, &m->vcpu[i], idle))
            check_beside(m, &m->vcpu[i], called);
        else
            m->vcpu[i].beside_idle = 0;
    }
    m->idle = idle;
}

/* A CPU that was not kicked looks again before it should change over. */
static void check_kick(const struct sim_machine *m, const struct sim_cpu *c)
{
    uint64_t slice = fair_slice(c->queue, m->time);

    if (slice != FAIR_NO_LIMIT && c->look > m->time + slice + SIM_LATE)
        sim_broken(m, "kick", "should change over in %llu ticks, and does not know",
                   (unsigned long long)slice);
}

/* --- when they are looked at --- */

void rules_starts(const struct sim_machine *m, const struct sim_cpu *c, struct sim_vcpu *v)
{
    unsigned cpu = (unsigned)(c - m->cpu);

    sim_figures.switches++;
    if (v->home != cpu || v->fair->queue != c->queue || !(v->allowed >> cpu & 1))
        sim_broken(m, "affinity", "CPU %u runs a vCPU of CPU %u", cpu, v->home);
    if (v->woken && latency_count < LATENCIES)
        latencies[latency_count++] = m->time - v->ready;
    v->woken = false;
    if (m->exit_cost || m->switch_cost)
        return;
    check_wait(m, v);
    if (v->kind == SIM_HOG && !m->moves)
        check_guarantee(m, v);
    if (fair_slice(c->queue, m->time) == 0)
        sim_broken(m, "progress", "should change over before it has begun");
}

/* All that it is charged is what it received, but where changing over takes time. */
void rules_stops(const struct sim_machine *m, struct sim_vcpu *v)
{
    if (m->exit_cost || m->switch_cost)
        return;
    if (v->fair->ran != v->received)
        sim_broken(m, "account", "charged %llu of %llu ticks", (unsigned long long)v->fair->ran,
                   (unsigned long long)v->received);
    if (v->kind == SIM_HOG && !m->moves) {
        check_guarantee(m, v);
        check_fairness(m, v);
    }
}

void rules_cpu(const struct sim_machine *m, const struct sim_cpu *c)
{
    check_heap(m, c->queue);
    if (c->now)
        check_kick(m, c);
}

void rules_machine(struct sim_machine *m)
{
    if (m->moves)
        check_busy(m);
}

static void end_window_of(struct sim_machine *m, unsigned cpu)
{
    double time = 0, weight = 0;

    for (unsigned i = 0; i < m->vcpus; i++)
        if (m->vcpu[i].home == cpu && m->vcpu[i].kind == SIM_HOG) {
            time += (double)m->vcpu[i].in_window;
            weight += m->vcpu[i].weight;
        }
    for (unsigned i = 0; i < m->vcpus; i++) {
        struct sim_vcpu *v = &m->vcpu[i];
        double error = ((double)v->in_window - time * v->weight / weight) * 100 / SIM_WINDOW;

        if (v->home != cpu)
            continue;
        if (v->kind == SIM_HOG && !m->moves && (error < 0 ? -error : error) > sim_figures.fairness_error)
            sim_figures.fairness_error = error < 0 ? -error : error;
        v->in_window = 0;
    }
}

void rules_window(struct sim_machine *m)
{
    for (unsigned cpu = 0; cpu < m->cpus; cpu++)
        end_window_of(m, cpu);
}

/* Who waits now, and perhaps would for ever, has been promised the same. Nobody sleeps too long. */
void rules_end(struct sim_machine *m)
{
    if (m->exit_cost || m->switch_cost)
        return;
    for (unsigned i = 0; i < m->vcpus; i++) {
        struct sim_vcpu *v = &m->vcpu[i];

        if (v->fair->state == FAIR_WAITING)
            check_wait(m, v);
        if (v->kind == SIM_HOG && !m->moves)
            check_guarantee(m, v);
        if (v->started && v->fair->state == FAIR_ASLEEP && v->ready + SIM_LATE < m->time)
            sim_broken(m, "wake", "sleeps, and should not since %llu", (unsigned long long)v->ready);
    }
}
