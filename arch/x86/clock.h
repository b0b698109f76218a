/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast the TSC runs, and what time it is. CPUID leaves 15h and 16h are believed last: emulators lie
 * there. */
#pragma once

#include "arch/x86/types.h"

/*
 * Measures the TSC against the ACPI PM timer at I/O port pm_timer (0: there is none), else against PIT
 * channel 2, else asks CPUID. Returns Hz, and by what; 0 when nothing gives a rate that a processor can have.
 */
uint64_t clock_measure_tsc(uint16_t pm_timer, const char **source);

/* Seconds since 1970 by the CMOS clock, taken as UTC. */
uint64_t clock_read_cmos(void);
