/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM's vCPUs have done so far, in words: for people at the monitor. */
#pragma once

struct vm;

void report_statistics(const struct vm *vm);

/* One line per vCPU of how its exit budget was kept, if it has one. */
void report_budgets(const struct vm *vm);
