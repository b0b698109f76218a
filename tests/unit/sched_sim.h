/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine of CPUs and vCPUs in simulated time. Each CPU executes sched_loop() of sched/sched.c; what a vCPU
 * does between two entries of that, and when interrupts come, is simulated.
 */
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
#define SIM_NEVER  UINT64_MAX

enum sim_kind {
    SIM_HOG,      /* never stops */
    SIM_PERIODIC, /* runs `burst` every `pause`: its timer wakes it */
    SIM_IO,       /* runs and sleeps for random times around these, until somebody wakes it */
    SIM_HOPPER,   /* the same; may run everywhere */
    SIM_SPINNER,  /* yields, half of the time to one that it names, after `burst`; every 64th time sleeps */
    SIM_KINDS,
    SIM_NAPPER = SIM_KINDS, /* runs `burst`, and `pause` later its timer wakes it */
};

struct sim_vcpu {
    enum sim_kind kind;
    unsigned weight;
    uint64_t slice, burst, pause;
    unsigned allowed; /* CPUs, a bit each */
    bool gang;        /* a spinner of one VM with all others of the gang, that never sleeps */

    const struct fair_entity *fair;
    unsigned home;        /* CPU in whose queue it is */
    bool started;         /* its VM was */
    bool mail;            /* it was sent something that wakes it */
    uint64_t left;        /* of its burst */
    uint64_t wakes;       /* when it wakes, if it sleeps */
    uint64_t period;      /* start of the present one */
    bool woken;           /* by its timer, and has not run since */
    uint64_t ready;       /* since when it can run, and does not */
    uint64_t beside_idle; /* since when it waits though an idle CPU may take it; 0: it does not */
    uint64_t received, in_window;
    double ahead; /* most that it ever was ahead of its guaranteed time */
};

struct sim_cpu {
    struct fair_queue *queue;
    fair_clock clock;      /* of its queue, at the start */
    struct sim_vcpu *now;  /* in its guest */
    struct sim_vcpu *last; /* that ran last, if it has not been idle since, */
    bool must;             /* and had to give way */
    uint64_t since;        /* when the time of the one in its guest was last taken off its burst */
    uint64_t look;         /* when it goes on: an exit, or its wait ends */
    bool open;             /* an interrupt makes that earlier: it is in a guest or waits */
    unsigned pending;      /* interrupts, a bit each, */
    uint64_t seen;         /* and when it sees the first of them */
    uint64_t timer;        /* the scheduler's deadline; 0: none */
};

struct sim_machine {
    uint64_t random, time;
    unsigned cpus, vcpus;
    bool moves;                      /* vCPUs may run on several CPUs */
    unsigned idle;                   /* CPUs that were a moment ago */
    uint64_t pull;                   /* how often a CPU looks at the others' load; 0: never */
    uint64_t exit_cost, switch_cost; /* ticks at the end of each stay in a guest, and before another vCPU */
    struct sim_cpu cpu[SIM_CPUS];
    struct sim_vcpu vcpu[SIM_VCPUS];
    struct {
        uint64_t time;
        struct sim_vcpu *v;
    } sleeping[SIM_VCPUS]; /* a heap of its own: whose VM is to start, or who is sent something */
    unsigned sleepers;
};

struct sim_figures {
    uint64_t switches, wakes, steals, pulls, yields, beside_idle;
    double wait_bound;   /* longest wait as part of what is promised */
    double longest_wait; /* slices */
    double longest_beside_idle;
    double fairness_error; /* most that a window's share was off, of one CPU, in percent */
};

extern struct sim_figures sim_figures;

/* Counted by the variant of sched/fair.c that the simulation is linked with (tests/unit/sched_variant). */
extern uint64_t fair_comparisons;

/* An empty machine, all of whose clocks start there; the same seed, the same run. */
void sim_init(struct sim_machine *m, uint64_t seed, unsigned cpus, uint64_t clock);
struct sim_vcpu *sim_vcpu(struct sim_machine *m, enum sim_kind kind, unsigned weight, uint64_t burst,
                          uint64_t pause);
void sim_run(struct sim_machine *m, uint64_t until); /* once */
uint64_t sim_random(struct sim_machine *m, uint64_t below);

/* Latencies between waking and running since the last sim_latencies_reset(), in ticks: the part in 1000
 * below. */
uint64_t sim_latency(unsigned per_mille);
void sim_latencies_reset(void);

/* A rule does not hold: says which, and fails the test. */
void sim_broken(const struct sim_machine *m, const char *rule, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
