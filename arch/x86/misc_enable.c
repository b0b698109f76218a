/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/misc_enable.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"

#define LAST_LEAF_OF_LIMIT 3u
#define CPUID_NX           BIT(20)

/* "GenuineIntel"; each with 64-bit mode has the MSR. */
static bool is_intel(void)
{
    struct cpuid c = cpuid(0, 0);

    return c.ebx == 0x756e6547 && c.edx == 0x49656e69 && c.ecx == 0x6c65746e;
}

void misc_enable_show_features(void)
{
    uint64_t hides = 0;

    if (!is_intel())
        return;
    if (cpuid(0, 0).eax <= LAST_LEAF_OF_LIMIT)
        hides |= MISC_ENABLE_LIMIT_CPUID;
    if (!(cpuid(0x80000001, 0).edx & CPUID_NX))
        hides |= MISC_ENABLE_XD_DISABLE;
    if (hides)
        wrmsr(IA32_MISC_ENABLE, rdmsr(IA32_MISC_ENABLE) & ~hides);
}
