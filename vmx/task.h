/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task switches of 32-bit guests (SDM volume 3, "Task Management"), which the processor leaves to us
 * ("Treatment of Task Switches"): 32-bit kernels have a task gate for double faults. Not those of 16-bit
 * TSSs, and the T bit of a TSS is ignored.
 */
#pragma once

#include "vmx/state.h"

enum next vmx_switch_task(struct vcpu *v);
