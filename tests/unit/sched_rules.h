/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules that the simulated machine keeps, and what is measured of it. */
#pragma once

#include "tests/unit/sched_sim.h"

/* A vCPU begins to run on a CPU where another one ran, or none; has stopped, and another one runs, or none.
 */
void rules_starts(const struct sim_machine *m, const struct sim_cpu *c, struct sim_vcpu *v);
void rules_stops(const struct sim_machine *m, struct sim_vcpu *v);

/* Something happened on a CPU or to its queue; anywhere. */
void rules_cpu(const struct sim_machine *m, const struct sim_cpu *c);
void rules_machine(struct sim_machine *m);

/* Behind each SIM_WINDOW, and at the end; who runs has been told its time. */
void rules_window(struct sim_machine *m);
void rules_end(struct sim_machine *m);

/* Ends the test: on whichever stack. */
void sim_fail(const char *text) __attribute__((noreturn));
