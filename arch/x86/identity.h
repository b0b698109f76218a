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
