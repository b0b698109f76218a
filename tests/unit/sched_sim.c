/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler at work: simulated machines with fixed seeds, the rules of tests/unit/sched_rules.c looked at
 * with each event, and what comes out of it as `sched-sim: KEY VALUE`. An argument divides the length of the
 * runs.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/sched_sim.h"

uint64_t fair_comparisons;

static struct sim_machine machine;
static uint64_t divisor = 1;

static void figure(const char *key, double value)
{
    printf("sched-sim: %s %.3f\n", key, value);
}

static void run_slices(uint64_t slices)
{
    sim_run(&machine, slices / divisor * SIM_SLICE);
}

static void reset_figures(void)
{
    sim_figures = (struct sim_figures){0};
    sim_latencies_reset();
}

static double part(const struct sim_vcpu *v)
{
    return (double)v->received / (double)machine.time;
}

static void at_least(const char *rule, double is, double least)
{
    if (is < least)
        sim_broken(&machine, rule, "%.4f, expected at least %.4f", is, least);
}

static void at_most(const char *rule, double is, double most)
{
    if (is > most)
        sim_broken(&machine, rule, "%.4f, expected at most %.4f", is, most);
}

/* Mostly the default, and now and then one of every order of size. */
static unsigned random_weight(void)
{
    static const unsigned few[] = {1, 10, 50, 200, 400, 1000, 10000};

    return sim_random(&machine, 2) ? FAIR_DEFAULT_WEIGHT : few[sim_random(&machine, ARRAY_SIZE(few))];
}

static struct sim_vcpu *hog(unsigned weight)
{
    return sim_vcpu(&machine, SIM_HOG, weight, 1, 1);
}

/* Somebody of any kind, whose time is from a hundredth of a slice to a few of them. */
static void random_vcpu(enum sim_kind kind)
{
    uint64_t burst = SIM_SLICE / 100 << sim_random(&machine, 9),
             pause = SIM_SLICE / 10 << sim_random(&machine, 9);

    struct sim_vcpu *v;

    if (kind == SIM_PERIODIC)
        v = sim_vcpu(&machine, kind, random_weight(), SIM_SLICE / 50, pause + SIM_SLICE);
    else
        v = sim_vcpu(&machine, kind, random_weight(), burst, pause);
    v->slice = SIM_SLICE / 8 << sim_random(&machine, 6);
}

/* All kinds on one CPU, from two to 240 of them. Clocks begin just before they wrap. */
static void mixes_on_one_cpu(void **state)
{
    static const unsigned sizes[] = {2, 3, 8, 24, 64, 240};

    (void)state;
    reset_figures();
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
        for (unsigned seed = 1; seed <= 8; seed++) {
            enum sim_kind kinds = seed % 2 ? SIM_HOPPER : SIM_KINDS;

            sim_init(&machine, seed, 1, UINT64_MAX - SIM_SLICE * (UINT64_C(1) << 20));
            hog(random_weight());
            for (unsigned n = 1; n < sizes[i]; n++)
                random_vcpu(n % 4 ? sim_random(&machine, kinds) : SIM_HOG);
            run_slices(4000);
        }
    figure("one-cpu-switches", (double)sim_figures.switches);
    figure("one-cpu-wakes", (double)sim_figures.wakes);
    figure("one-cpu-yields", (double)sim_figures.yields);
    figure("one-cpu-longest-wait-slices", sim_figures.longest_wait);
    figure("one-cpu-longest-wait-of-bound", sim_figures.wait_bound);
}

/* How exactly a share is met in windows of 1000 slices, in percent of a CPU. */
static void shares(void **state)
{
    static const unsigned sizes[] = {2, 8, 64};
    char key[40];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        reset_figures();
        for (unsigned seed = 1; seed <= 4; seed++) {
            sim_init(&machine, seed, 1, 0);
            for (unsigned n = 0; n < sizes[i]; n++)
                hog(random_weight());
            run_slices(10000 + 2000 * (divisor - 1));
        }
        snprintf(key, sizeof(key), "share-error-percent-%u", sizes[i]);
        figure(key, sim_figures.fairness_error);
        at_most("shares", sim_figures.fairness_error, 0.05 * sizes[i]);
    }
}

/* Sets of CPUs that overlap, or single ones. */
static unsigned random_affinity(unsigned home)
{
    unsigned all = (1u << machine.cpus) - 1;

    switch (sim_random(&machine, 3)) {
    case 0: return 1u << home;
    case 1: return all;
    default: return 1u << home | (unsigned)sim_random(&machine, all + 1);
    }
}

/* Up to eight CPUs and 512 vCPUs that go where they may. */
static void machines_that_move(void **state)
{
    (void)state;
    reset_figures();
    for (unsigned seed = 1; seed <= 24; seed++) {
        unsigned cpus = 2 + seed % 7, count;

        sim_init(&machine, seed, cpus, 0);
        machine.moves = true;
        machine.pull = (seed % 2 ? 256 : 16) * SIM_SLICE;
        count = seed < 4 || seed == 6 ? cpus * 64 : 2 + (unsigned)sim_random(&machine, 8 * cpus);
        for (unsigned n = 0; n < count; n++) {
            random_vcpu(sim_random(&machine, 6) ? SIM_PERIODIC + (n & 1) : sim_random(&machine, SIM_HOPPER));
            machine.vcpu[n].allowed = random_affinity(machine.vcpu[n].home);
        }
        run_slices(1400);
    }
    figure("moving-switches", (double)sim_figures.switches);
    figure("moving-steals", (double)sim_figures.steals);
    figure("moving-pulls", (double)sim_figures.pulls);
    figure("moving-longest-wait-slices", sim_figures.longest_wait);
    figure("moving-waits-beside-idle", (double)sim_figures.beside_idle);
    figure("moving-longest-beside-idle-slices", sim_figures.longest_beside_idle);
}

/* About as many of them as CPUs, half of which have nothing to do now and then: those who wait are called
 * for. */
static void machines_half_idle(void **state)
{
    (void)state;
    reset_figures();
    for (unsigned seed = 1; seed <= 24; seed++) {
        unsigned cpus = 2 + seed % 7;

        sim_init(&machine, seed, cpus, 0);
        machine.moves = true;
        machine.pull = 64 * SIM_SLICE;
        for (unsigned n = 0; n < cpus + seed % 3; n++) {
            enum sim_kind kind = n % 4 == 3 ? SIM_HOG : SIM_PERIODIC + (n & 1);

            sim_vcpu(&machine, kind, random_weight(), SIM_SLICE / 4 + sim_random(&machine, SIM_SLICE),
                     2 * SIM_SLICE)
                ->allowed = random_affinity(n % cpus);
        }
        run_slices(4000);
    }
    figure("half-idle-steals", (double)sim_figures.steals);
    figure("half-idle-waits-beside-idle", (double)sim_figures.beside_idle);
    figure("half-idle-longest-beside-idle-slices", sim_figures.longest_beside_idle);
}

/* One that uses a part of its share wakes among those who always want to run: it runs when the CPU next
 * looks. */
static void wakes_at_once(void **state)
{
    static const struct {
        unsigned hogs, hog_weight, weight;
    } cases[] = {{1, 100, 100}, {7, 100, 100}, {7, 10000, 100}, {7, 100, 10000},
                 {7, 1, 1},     {1, 1, 10000}, {7, 1, 10000}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        reset_figures();
        sim_init(&machine, 1 + i, 1, 0);
        for (unsigned n = 0; n < cases[i].hogs; n++)
            hog(cases[i].hog_weight);
        sim_vcpu(&machine, SIM_PERIODIC, cases[i].weight, SIM_SLICE / 20, 80 * SIM_SLICE);
        run_slices(20000);
        at_most("wakes at once", (double)sim_latency(1000), SIM_LATE);
    }
    figure("wake-alone-max-slices", (double)sim_latency(1000) / SIM_SLICE);
}

/* Three of them beside one that always wants to run: each waits for the other two at most. */
static void wake_in_turns(void **state)
{
    const uint64_t burst = SIM_SLICE / 20, limit = 2 * (burst + SIM_LATE) + SIM_LATE;

    (void)state;
    reset_figures();
    sim_init(&machine, 1, 1, 0);
    hog(100);
    for (unsigned n = 0; n < 3; n++)
        sim_vcpu(&machine, SIM_PERIODIC, 100, burst, 5 * SIM_SLICE + 17 * n);
    run_slices(20000);
    at_most("wake in turns", (double)sim_latency(1000), limit);
}

/* Those who are urgent at the same time do not displace each other with every look. */
static void calm(void **state)
{
    double each;

    (void)state;
    reset_figures();
    sim_init(&machine, 1, 1, 0);
    hog(100);
    for (unsigned n = 0; n < 8; n++)
        sim_vcpu(&machine, SIM_PERIODIC, 100, SIM_SLICE, 20 * SIM_SLICE + 17 * n);
    run_slices(20000);
    each = (double)sim_figures.switches / (double)sim_figures.wakes;
    figure("switches-per-long-wake", each);
    at_most("calm", each, 6);
}

/* One that slept for long and then wants all there is gets its share, and a slice. */
static void long_sleeper(void **state)
{
    (void)state;
    reset_figures();
    sim_init(&machine, 1, 1, 0);
    hog(100);
    sim_vcpu(&machine, SIM_IO, 100, 50 * SIM_SLICE, 500 * SIM_SLICE);
    run_slices(20000);
}

/* Many of them, and bullies that run as long as they may and come back at once. */
static void wakes_among_many(void **state)
{
    (void)state;
    reset_figures();
    for (unsigned seed = 1; seed <= 4; seed++) {
        sim_init(&machine, seed, 1, 0);
        for (unsigned n = 0; n < 4; n++)
            hog(100);
        for (unsigned n = 0; n < 4; n++)
            sim_vcpu(&machine, SIM_IO, 100, 3 * SIM_SLICE, SIM_SLICE / 50);
        for (unsigned n = 0; n < 56; n++)
            sim_vcpu(&machine, SIM_PERIODIC, 100, SIM_SLICE / 50, 3 * SIM_SLICE + n * SIM_SLICE / 7);
        run_slices(20000);
    }
    figure("wake-median-slices", (double)sim_latency(500) / SIM_SLICE);
    figure("wake-p99-slices", (double)sim_latency(990) / SIM_SLICE);
    figure("wake-max-slices", (double)sim_latency(1000) / SIM_SLICE);
    figure("wait-among-64-max-slices", sim_figures.longest_wait);
    at_most("wakes among many", (double)sim_latency(990), (double)SIM_SLICE / 8);
    at_most("wakes among many", (double)sim_latency(1000), SIM_SLICE);
}

/* A heavy one that always comes back at once does not lose its share to the light ones while it is away. */
static void short_naps(void **state)
{
    struct sim_vcpu *heavy;

    (void)state;
    reset_figures();
    sim_init(&machine, 1, 1, 0);
    heavy = sim_vcpu(&machine, SIM_IO, 1000, 2 * SIM_SLICE, SIM_SLICE / 100);
    hog(10);
    hog(10);
    run_slices(100000);
    figure("napping-share-of-98-percent", part(heavy) * 100);
    at_least("short naps", part(heavy), 0.94);
}

/*
 * One that naps for a moment again and again, beside one of the same weight that only computes: what is left
 * to that one where exits and changing over take time. Measured only, as yet.
 */
static void naps_that_cost(void **state)
{
    static const unsigned naps[] = {500, 1500, 5000, 20000};
    char key[60];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(naps); i++) {
        struct sim_vcpu *worker, *napper;

        reset_figures();
        sim_init(&machine, 1, 1, 0);
        machine.exit_cost = 600;
        machine.switch_cost = 1400;
        worker = hog(100);
        napper = sim_vcpu(&machine, SIM_NAPPER, 100, 100, naps[i]);
        worker->slice = napper->slice = 600 * SIM_SLICE; /* long beside the costs */
        run_slices(20000);
        snprintf(key, sizeof(key), "worker-beside-naps-of-%u-percent", naps[i]);
        figure(key, part(worker) * 100);
    }
}

/*
 * Nor does one that CPUs take from each other get more than its share of each, now and then or all the time.
 * Their virtual times are far apart.
 */
static void hoppers(void **state)
{
    static const struct {
        const char *key;
        uint64_t pull;
    } cases[] = {{"hopping-seldom-share-of-10-percent", 400 * SIM_SLICE},
                 {"hopping-share-of-10-percent", SIM_SLICE / 2}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sim_vcpu *hopper;

        reset_figures();
        sim_init(&machine, 1, 2, 0);
        machine.pull = cases[i].pull;
        machine.cpu[1].clock = (fair_clock)0x123456789 << 48;
        hopper = sim_vcpu(&machine, SIM_HOPPER, 100, SIM_SLICE / 2, 1);
        for (unsigned n = 0; n < 18; n++)
            hog(100);
        run_slices(20000);
        figure(cases[i].key, part(hopper) * 100);
        figure("hops", (double)sim_figures.pulls);
        at_least("hopper's share", part(hopper), 0.08);
        at_most("hopper's neighbours", part(hopper), 0.125);
    }
}

/* Those who spin leave their time to one that works, whomever they name, and get it back when they do not. */
static void spinners(void **state)
{
    struct sim_vcpu *worker;

    (void)state;
    reset_figures();
    sim_init(&machine, 1, 1, 0);
    worker = hog(100);
    for (unsigned n = 0; n < 3; n++)
        sim_vcpu(&machine, SIM_SPINNER, 100, SIM_SLICE / 100, SIM_SLICE);
    run_slices(20000);
    figure("worker-among-spinners-percent", part(worker) * 100);
    at_least("spinners give way", part(worker), 0.85);
}

/* Those who name each other in turn have no more of the CPU for it. */
static void gang(void **state)
{
    struct sim_vcpu *worker;

    (void)state;
    reset_figures();
    sim_init(&machine, 1, 1, 0);
    worker = hog(100);
    for (unsigned n = 0; n < 3; n++)
        sim_vcpu(&machine, SIM_SPINNER, 100, 2 * SIM_SLICE / 5, SIM_SLICE)->gang = true;
    run_slices(20000);
    figure("worker-among-gang-percent", part(worker) * 100);
    at_least("gang", part(worker), 0.25);
}

/* Heap and clock: the same few comparisons however many there are. */
static void cost(void **state)
{
    static const unsigned sizes[] = {2, 8, 64, 240};
    char key[40];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        double each;

        reset_figures();
        sim_init(&machine, 1, 1, 0);
        for (unsigned n = 0; n < sizes[i]; n++)
            random_vcpu(n % 2 ? SIM_IO : SIM_HOG);
        fair_comparisons = 0;
        run_slices(20000);
        each = (double)fair_comparisons / (double)sim_figures.switches;
        snprintf(key, sizeof(key), "comparisons-per-switch-%u", sizes[i]);
        figure(key, each);
        at_most("cost", each, 40);
    }
}

/* --- more of them than CPUs --- */

struct crowd {
    const char *name;
    unsigned cpus, count;
    struct {
        unsigned weight, allowed;
        double share; /* of a CPU */
    } of[9];
};

#define ANY (~0u)
#define EACH(w, s) \
    {              \
        w, ANY, s  \
    }
static const struct crowd crowds[] = {
    {"three-on-two", 2, 3, {EACH(100, 2. / 3), EACH(100, 2. / 3), EACH(100, 2. / 3)}},
    {"heavy-and-two-on-two", 2, 3, {EACH(200, 1), EACH(100, .5), EACH(100, .5)}},
    {"five-on-three", 3, 5, {EACH(7, .6), EACH(7, .6), EACH(7, .6), EACH(7, .6), EACH(7, .6)}},
    {"five-on-four", 4, 5, {EACH(1, .8), EACH(1, .8), EACH(1, .8), EACH(1, .8), EACH(1, .8)}},
    {"nine-on-eight",
     8,
     9,
     {EACH(100, 8. / 9), EACH(100, 8. / 9), EACH(100, 8. / 9), EACH(100, 8. / 9), EACH(100, 8. / 9),
      EACH(100, 8. / 9), EACH(100, 8. / 9), EACH(100, 8. / 9), EACH(100, 8. / 9)}},
    {"two-pinned-on-two", 2, 3, {{100, 1, .5}, {100, 2, 1}, {100, 1, .5}}},
    {"pairs", 2, 4, {EACH(100, .5), EACH(100, .5), EACH(100, .5), EACH(100, .5)}},
};

static void add_crowd(const struct crowd *c)
{
    sim_init(&machine, 1, c->cpus, 0);
    machine.moves = true;
    for (unsigned n = 0; n < c->count; n++)
        hog(c->of[n].weight)->allowed = c->of[n].allowed;
}

/* Where stealing alone would leave one with a CPU of its own for ever, CPUs that balance give each its share.
 */
static void crowds_on_few_cpus(void **state)
{
    char key[60];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(crowds); i++) {
        const struct crowd *c = &crowds[i];
        double worst = 0;

        reset_figures();
        add_crowd(c);
        machine.pull = 10 * SIM_SLICE;
        run_slices(20000);
        for (unsigned n = 0; n < c->count; n++) {
            double error = part(&machine.vcpu[n]) / c->of[n].share - 1;

            worst = error * error > worst * worst ? error : worst;
        }
        snprintf(key, sizeof(key), "%s-error-percent", c->name);
        figure(key, worst * 100);
        snprintf(key, sizeof(key), "%s-moves-per-1000-slices", c->name);
        figure(key, (double)sim_figures.pulls * 1000 * SIM_SLICE / (double)machine.time);
        at_most("balance", worst < 0 ? -worst : worst, 0.02);
        at_most("moves", (double)sim_figures.pulls, (double)(c->cpus * (machine.time / machine.pull + 1)));
        if (c->cpus < c->count && c->of[0].allowed == ANY)
            continue;
        at_most("needless moves", (double)sim_figures.pulls, 1);
    }
}

/* Those who wake among them do not wait longer for it. */
static void wakes_in_crowd(void **state)
{
    static const char *const keys[] = {"crowd-wake-p99-slices", "crowd-balanced-wake-p99-slices"};

    (void)state;
    for (unsigned pull = 0; pull < 2; pull++) {
        reset_figures();
        add_crowd(&crowds[0]);
        machine.pull = pull ? 10 * SIM_SLICE : 0;
        for (unsigned n = 0; n < 8; n++)
            sim_vcpu(&machine, SIM_PERIODIC, 100, SIM_SLICE / 50, 5 * SIM_SLICE + 17 * n)->allowed = ANY;
        run_slices(20000);
        figure(keys[pull], (double)sim_latency(990) / SIM_SLICE);
        at_most("wakes in crowd", (double)sim_latency(990), (double)SIM_SLICE / 8);
    }
    figure("crowd-longest-wait-slices", sim_figures.longest_wait);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixes_on_one_cpu),
        cmocka_unit_test(shares),
        cmocka_unit_test(machines_that_move),
        cmocka_unit_test(machines_half_idle),
        cmocka_unit_test(wakes_at_once),
        cmocka_unit_test(wake_in_turns),
        cmocka_unit_test(calm),
        cmocka_unit_test(long_sleeper),
        cmocka_unit_test(wakes_among_many),
        cmocka_unit_test(short_naps),
        cmocka_unit_test(naps_that_cost),
        cmocka_unit_test(hoppers),
        cmocka_unit_test(spinners),
        cmocka_unit_test(gang),
        cmocka_unit_test(cost),
        cmocka_unit_test(crowds_on_few_cpus),
        cmocka_unit_test(wakes_in_crowd),
    };

    if (argc > 1)
        divisor = strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
