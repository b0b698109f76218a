/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast the TSC runs, and what time it is. CPUID leaves 15h and 16h are not believed alone: emulators lie
 * there. */
#pragma once

#include "arch/x86/types.h"

struct tsc_source {
    const char *timer;   /* NULL: none counts */
    bool cpuid;          /* the rate is CPUID's, which the timer bears out to 1 % */
    uint32_t spread_ppm; /* from the lowest of the timer's samples to the highest */
};

/*
 * Measures the TSC against the ACPI PM timer at I/O port pm_timer (0: there is none), else against PIT
 * channel 2: of some samples, that with the readings closest together. The rate of CPUID 15h is taken instead
 * where it is the same but for the error of the measurement, and, or that of 16h, where no timer counts.
 * Returns Hz, and by what; 0 when nothing gives a rate that a processor can have.
 */
uint64_t clock_measure_tsc(uint16_t pm_timer, struct tsc_source *by);

/* Seconds since 1970 by the CMOS clock, taken as UTC. */
uint64_t clock_read_cmos(void);
