/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/cpu.h with a time-stamp counter, MSRs, CPUID and CR2 that a test sets. For tests that include the
 * source they test; include it before any header of the hypervisor.
 */
#pragma once

#define cpuid     real_cpuid
#define rdmsr     real_rdmsr
#define rdtsc     real_rdtsc
#define this_cpu  real_this_cpu
#define write_cr2 real_write_cr2
#include "arch/x86/cpu.h"
#include "arch/x86/percpu.h"
#undef cpuid
#undef rdmsr
#undef rdtsc
#undef this_cpu
#undef write_cr2

#include <stdio.h>
#include <stdlib.h>

static uint64_t fake_tsc, fake_cr2;
static struct cpu *fake_this_cpu;

static inline struct cpu *this_cpu(void)
{
    return fake_this_cpu;
}

static inline uint64_t rdtsc(void)
{
    return fake_tsc;
}

static inline void write_cr2(uint64_t value)
{
    fake_cr2 = value;
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static struct cpuid fake_leaf_1;

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf UNUSED)
{
    return leaf == 1 ? fake_leaf_1 : (struct cpuid){0, 0, 0, 0};
}

static struct {
    uint32_t msr;
    uint64_t value;
} fake_msrs[128];
static unsigned fake_msr_count;

static inline uint64_t *fake_msr(uint32_t msr)
{
    for (unsigned i = 0; i < fake_msr_count; i++) {
        if (fake_msrs[i].msr == msr)
            return &fake_msrs[i].value;
    }
    return NULL;
}

static inline void fake_msr_set(uint32_t msr, uint64_t value)
{
    if (!fake_msr(msr))
        fake_msrs[fake_msr_count++].msr = msr;
    *fake_msr(msr) = value;
}

/* On a real CPU an MSR that is not there faults. */
static inline uint64_t rdmsr(uint32_t msr)
{
    if (!fake_msr(msr)) {
        fprintf(stderr, "rdmsr of %x, which this CPU does not have\n", msr);
        abort();
    }
    return *fake_msr(msr);
}
