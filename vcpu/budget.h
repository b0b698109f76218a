/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/base/trace.h"
#include "core/vm/vm.h"

/*
 * An exit has broken the budget of its VM (core/vm/budget.h): the VM ends, or a line says which exit it was.
 * instruction: its name, NULL when the exit is not about one. told: its length, 0 where the processor does
 * not tell.
 */
void vcpu_budget_broken(struct vcpu *v, const struct trace_event *e, const char *instruction, unsigned told,
                        uint64_t now);

/* From here on exits are looked at one by one (on), or no more: what is counted begins anew. */
void vcpu_begin_observation(struct vcpu *v, bool on);
