/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine of CPUs and vCPUs in simulated time, scheduled by sched/fair.c and sched/balance.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/fair.h"

#define SIM_CPUS   8
#define SIM_VCPUS  512
#define SIM_SLICE  10000 /* ticks */
#define SIM_LATE   100   /* ticks that an exit comes too late, at most */
#define SIM_WINDOW (1000 * (uint64_t)SIM_SLICE)

enum sim_kind {
    SIM_HOG,      /* never stops */
    SIM_PERIODIC, /* runs `burst` every `pause` */
    SIM_IO,       /* runs and sleeps for random times around these */
    SIM_HOPPER,   /* wakes on the next CPU each time */
    SIM_SPINNER,  /* yields, half of the time to one that it names, after `burst`; every 64th time sleeps */
    SIM_KINDS
};

struct sim_vcpu {
    struct fair_entity fair; /* first */
    enum sim_kind kind;
    uint64_t burst, pause;
    unsigned allowed; /* CPUs, a bit each */
    bool gang;        /* a spinner that always names another one and never sleeps */

    unsigned home;   /* CPU in whose queue it is */
    uint64_t left;   /* of its burst */
    uint64_t wakes;  /* when it wakes, if it sleeps */
    uint64_t period; /* start of the present one */
    bool woken;      /* and has not run since */
    uint64_t ready;  /* since when it can run, and does not */
    uint64_t received, in_window;
    double ahead; /* most that it ever was ahead of its guaranteed time */
};

struct sim_cpu {
    struct fair_queue queue;
    struct sim_vcpu *now;
    uint64_t since; /* when that one's time was last taken off its burst */
    uint64_t slice_end;
    uint64_t look;    /* when it sees a kick or its timer */
    uint64_t balance; /* when it looks at the others' load */
};

struct sim_machine {
    uint64_t random, time;
    unsigned cpus, vcpus;
    bool moves;    /* idle CPUs steal, and who wakes goes to an idle CPU */
    uint64_t pull; /* how often a CPU looks at the others' load; 0: never */
    struct sim_cpu cpu[SIM_CPUS];
    struct sim_vcpu vcpu[SIM_VCPUS];
    struct {
        uint64_t time;
        struct sim_vcpu *v;
    } sleeping[SIM_VCPUS]; /* a heap of its own */
    unsigned sleepers;
};

struct sim_figures {
    uint64_t switches, wakes, steals, pulls, yields;
    double wait_bound;     /* longest wait as part of what is promised */
    double longest_wait;   /* slices */
    double fairness_error; /* most that a window's share was off, of one CPU, in percent */
};

extern struct sim_figures sim_figures;

/* Counted by the variant of sched/fair.c that the simulation is linked with (tests/unit/fair_variant). */
extern uint64_t fair_comparisons;

/* An empty machine, all of whose clocks start there; the same seed, the same run. */
void sim_init(struct sim_machine *m, uint64_t seed, unsigned cpus, uint64_t clock);
struct sim_vcpu *sim_vcpu(struct sim_machine *m, enum sim_kind kind, unsigned weight, uint64_t burst,
                          uint64_t pause);
void sim_run(struct sim_machine *m, uint64_t until);
uint64_t sim_random(struct sim_machine *m, uint64_t below);

/* Latencies between waking and running since the last sim_latencies_reset(), in ticks: the part in 1000
 * below. */
uint64_t sim_latency(unsigned per_mille);
void sim_latencies_reset(void);

/* A rule does not hold: says which, and fails the test. */
void sim_broken(const struct sim_machine *m, const char *rule, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
