/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/revision.h"

#include "arch/x86/identity.h"
#include "arch/x86/msr.h"

/* CPUID leaf 1 loads the revision (SDM volume 3, "Determining the signature"). */
bool cpu_microcode(uint32_t *revision)
{
    uint64_t value;

    if (!cpu_is_intel() || !wrmsr_safe(IA32_BIOS_SIGN_ID, 0))
        return false;
    cpuid(1, 0);
    if (!rdmsr_safe(IA32_BIOS_SIGN_ID, &value))
        return false;
    *revision = (uint32_t)(value >> 32);
    return *revision;
}

bool cpu_smi_count(uint32_t *count)
{
    uint64_t value;

    if (!cpu_counts_smis() || !rdmsr_safe(MSR_SMI_COUNT, &value))
        return false;
    *count = (uint32_t)value;
    return true;
}
