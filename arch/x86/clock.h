/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast the TSC runs, and what time it is. CPUID leaves 15h and 16h are not believed: emulators lie there.
 */
#pragma once

#include "arch/x86/types.h"

/*
 * Measures the TSC against the ACPI PM timer at I/O port pm_timer, or against PIT channel 2 if pm_timer is 0.
 * Returns Hz.
 */
uint64_t clock_measure_tsc(uint16_t pm_timer);

/* Seconds since 1970 by the CMOS clock, taken as UTC. */
uint64_t clock_read_cmos(void);
