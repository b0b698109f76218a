/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM costs and what its vCPUs have done so far, in words. */
#pragma once

struct vm;

void report_statistics(const struct vm *vm);

/* The same in few lines for the log, when it has ended; exits by reason when debug messages are on. */
void report_end(const struct vm *vm);

/* What it holds beside its RAM. */
void report_costs(const struct vm *vm);

/* One line per vCPU of how its exit budget was kept, if it has one. */
void report_budgets(const struct vm *vm);
