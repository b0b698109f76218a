/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Before an entry: what is pending for the vCPU (core/vm/vm.h), each reason by its own step and nothing else,
 * in the order of its bits. A vCPU that waits, in HLT or for SIPI, waits in here, or ends its run for that on
 * a shared CPU.
 */
#pragma once

#include "arch/x86/lapic.h"
#include "core/vm/backend.h"

/* Takes what is pending of these bits of v->pending. False: the run ends. */
bool vcpu_prepare(struct vcpu *v, uint64_t which);
/* All that have a step. SIPI's vector has none: it is taken with its bit, or left with it for the next time
 * if it came behind that step. */
#define PREPARE_ALL (UINT64_MAX & ~(uint64_t)(ASKED_STARTUP_BITS & ~ASKED_STARTUP))
/* What is to be delivered, for a single step: all else waits until the vCPU runs. */
#define PREPARE_STEP ((uint64_t)(DUE_IRQ | DUE_EVENT) << 32 | ASKED_NMI)

/* What comes for the console from here on: the end of the guest's run, or an interrupt of this CPU. */
static inline void vcpu_console_time(struct cpu *cpu, bool in_guest)
{
    cpu->timer_in_guest = in_guest;
    if (unlikely(cpu->sends))
        lapic_timer_set(TIMER_CONSOLE, cpu->timer_deadlines[TIMER_CONSOLE]);
}

bool vcpu_end_run(struct vcpu *v, enum run_end end); /* false: the run ends, for this reason */
bool vcpu_halt(struct vcpu *v);                      /* HLT: waits. False: the run ends */
void vcpu_begin_life(struct vcpu *v);                /* its first run after a reset */
void vcpu_start_tsc(struct vcpu *v);                 /* at its first entry, vCPU 0's before the others' */
