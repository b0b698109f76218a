/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How promptly the operator is obeyed, whatever guests do: the longest that each kind of wish has waited
 * since the machine was started. A line says it when the CPUs are taken back.
 */
#pragma once

#include "arch/x86/types.h"

enum latency {
    LATENCY_KEY,   /* from the interrupt of a key for the monitor until it is taken */
    LATENCY_STOP,  /* until no vCPU of the VM runs */
    LATENCY_PAUSE, /* the same */
    LATENCY_LEAVE, /* power off, reboot, release: until every other CPU has left VMX operation */
    LATENCIES
};

/* One that began at this TSC is over. */
void latency_note(enum latency kind, uint64_t since);

void latency_report(void); /* a line, if there were any: the worst of each in microseconds, rounded up */
