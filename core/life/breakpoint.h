/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM stops in the monitor: at an int3 of its guest or where one of its breakpoints is. It is paused then,
 * as by the monitor's `pause`, until vm_continue(); its end takes that away, but not the breakpoints.
 *
 *     v, on its CPU:  vm_break() (sched/vm_run.h) -> VM paused, mates kicked, work for the boot CPU ->
 * NEXT_LEAVE boot CPU:       monitor_work() -> vm_next_stop(), once all have left -> the report
 */
#pragma once

#include "core/vm/vm.h"

/* For the monitor, on the boot CPU. */

/* A VM that has stopped and of which nobody has been told yet; NULL: none. It is at rest. */
struct vm *vm_next_stop(void);

/* NULL, or the reason why not (core/life/life.h). */
const char *vm_continue(struct vm *vm);
const char *vm_break_at_int3(struct vm *vm, bool on);
const char *vm_break_at(struct vm *vm, uint64_t linear);
const char *vm_break_delete(struct vm *vm, unsigned mask); /* of breakpoints */

/* One instruction of the vCPU that stopped, or of vCPU 0; the others stand still. */
const char *vm_step(struct vm *vm);
struct vcpu *vm_stopped_vcpu(const struct vm *vm);
