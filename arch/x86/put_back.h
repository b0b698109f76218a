/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Skerry changes of a CPU and of the chipset is noted before it does, and put back before another kernel
 * gets the machine. What belongs to a device is noted by its driver (local APIC, I/O APIC, UART); control
 * registers, EFER and tables are for boot/release.asm.
 */
#pragma once

#include "arch/x86/types.h"

#define NOTED_MSRS 12

struct cpu_note {
    uint64_t msrs[NOTED_MSRS];
};

/* On the CPU itself: before cpu_enable_protections(); and with its guests gone. */
void cpu_note_state(struct cpu_note *note);
void cpu_put_back(const struct cpu_note *note);

/* 8259 masks, which are set here when there are 8259s; the gate of PIT channel 2. */
void chipset_note_and_mask(bool pics);
void chipset_put_back(void);
