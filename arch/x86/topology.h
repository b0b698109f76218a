/* SPDX-License-Identifier: BSD-2-Clause */
/* Which CPUs are threads of one core: they share its caches, its buffers and its predictions. */
#pragma once

#include "arch/x86/percpu.h"

/* Of an APIC ID, by this CPU's CPUID: so many of its lowest bits tell threads of a core apart. */
unsigned topology_thread_bits(void);

static inline bool same_core(const struct cpu *a, const struct cpu *b)
{
    return a->thread_bits == b->thread_bits && a->apic_id >> a->thread_bits == b->apic_id >> b->thread_bits;
}
