/* SPDX-License-Identifier: BSD-2-Clause */
/* Further CPUs. */
#pragma once

#include "guest.h"

#define OTHER_CPUS 3 /* at most, with APIC IDs from 1 */

/*
 * Starts the CPU with this APIC ID by INIT and SIPI, or starts it again. It runs function, which does not
 * return, on a stack of its own with the traps of the first CPU, interrupts off, its APIC as reset left it.
 * False when it does not come up.
 */
bool cpu_run(unsigned apic_id, void (*function)(void));
/* The same without INIT: for a CPU that waits for SIPI already. */
bool cpu_run_waiting(unsigned apic_id, void (*function)(void));
/* cpu_run() with APIC ID 1. */
bool second_cpu_run(void (*function)(void));
/* By the stack: 0 for the first CPU, else the APIC ID by which it was started. */
unsigned this_cpu(void);
/* What a SIPI says that leads to the start of cpu_run(). */
uint32_t cpu_startup_vector(void);
