/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor: commands on the console for the administrator of the machine. Ctrl-\ opens and closes it. Keys
 * come by interrupt to the boot CPU, and wait there for the moment between two runs of a vCPU; so it works
 * whatever the guests do, and no vCPU is loaded where a command runs.
 */
#pragma once

#include "core/config/config.h"

struct vm;

/* Takes the console's keys. */
void monitor_setup(const struct config *config);

/* Takes what was typed, at most up to the end of one command. On the boot CPU, when cpu->work is set. */
void monitor_work(void);

bool monitor_is_open(void);

/* Closes it; the console goes to this VM, or to the one that had it. */
void monitor_close(struct vm *focus);

/* --- monitor_commands.c --- */

/* Runs one line. */
void monitor_run(const struct config *config, char *line);

/* What could stand for the word that ends at text[length]: the n-th candidate, until the next
 * call, or NULL. */
const char *monitor_candidate(const struct config *config, const char *text, unsigned length, unsigned n);
