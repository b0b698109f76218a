/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's CPUs: their private pages and stacks, and how the others are started. */
#pragma once

#include "arch/x86/percpu.h"

/* Makes cpus[0] out of the CPU that runs; call once, before anything uses this_cpu(). */
void smp_setup_boot_cpu(void);

/* On this CPU, whose local APIC is on: the machine's NMIs, if it is the one that takes them. */
void smp_open_nmi(void);

/*
 * Starts every enabled CPU of the MADT by INIT-SIPI-SIPI (SDM volume 3, "MP initialization protocol"), one
 * after the other; each runs prepare() and then entry() on its own stack. One that does not answer within a
 * second, or says in prepare() why it is unfit (false), is left out with an error line, and gets an INIT: it
 * waits for a SIPI then, in no memory at all. prepare may be NULL.
 */
void smp_start_others(bool (*prepare)(const char **why), void (*entry)(void));

/* INIT to all others, which are out of VMX operation (it blocks INIT): they wait for a SIPI, in no memory at
 * all. */
void smp_reset_others(void);
