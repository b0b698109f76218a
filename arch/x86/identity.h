/* SPDX-License-Identifier: BSD-2-Clause */
/* Who the CPU that runs this is, by CPUID. */
#pragma once

#include "arch/x86/cpu.h"

/* "GenuineIntel". */
static inline bool cpu_is_intel(void)
{
    struct cpuid c = cpuid(0, 0);

    return c.ebx == 0x756e6547 && c.edx == 0x49656e69 && c.ecx == 0x6c65746e;
}

/* Its APIC ID: all 32 bits where leaf 0Bh has them, else 8. */
static inline uint32_t cpu_apic_id(void)
{
    bool has_topology = cpuid(0, 0).eax >= 0xb && cpuid(0xb, 0).ebx;

    return has_topology ? cpuid(0xb, 0).edx : cpuid(1, 0).ebx >> 24;
}

/* Of a signature: leaf 1 EAX. */
static inline unsigned cpu_family(uint32_t signature)
{
    unsigned family = signature >> 8 & 15;

    return family == 15 ? family + (signature >> 20 & 0xff) : family;
}

static inline unsigned cpu_model(uint32_t signature)
{
    unsigned family = signature >> 8 & 15;

    return (signature >> 4 & 15) | (family == 6 || family == 15 ? signature >> 12 & 0xf0 : 0);
}

static inline unsigned cpu_stepping(uint32_t signature)
{
    return signature & 15;
}

#define MSR_SMI_COUNT 0x34u

/* From Nehalem on, but for the first Atoms: another model may fault (SDM volume 4). A hypervisor has its own
 * idea. */
static inline bool cpu_counts_smis(void)
{
    struct cpuid one = cpuid(1, 0);
    unsigned model = cpu_model(one.eax);

    if (!cpu_is_intel() || cpu_family(one.eax) != 6 || one.ecx >> 31)
        return false;
    return (model == 0x1a || model >= 0x1e) && model != 0x26 && model != 0x27 && model != 0x35 &&
           model != 0x36;
}
