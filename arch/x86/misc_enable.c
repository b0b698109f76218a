/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/misc_enable.h"

#include "arch/x86/identity.h"
#include "arch/x86/msr.h"

#define LAST_LEAF_OF_LIMIT 3u
#define CPUID_NX           BIT(20)

void misc_enable_show_features(void)
{
    uint64_t hides = 0;

    if (!cpu_is_intel()) /* each with 64-bit mode has the MSR */
        return;
    if (cpuid(0, 0).eax <= LAST_LEAF_OF_LIMIT)
        hides |= MISC_ENABLE_LIMIT_CPUID;
    if (!(cpuid(0x80000001, 0).edx & CPUID_NX))
        hides |= MISC_ENABLE_XD_DISABLE;
    if (hides)
        wrmsr(IA32_MISC_ENABLE, rdmsr(IA32_MISC_ENABLE) & ~hides);
}
