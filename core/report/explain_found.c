/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/report/explain_found.h"

#include "arch/x86/identity.h"
#include "arch/x86/lapic.h"
#include "arch/x86/revision.h"
#include "core/base/log.h"
#include "core/base/machine.h"

static void explain_signature(void)
{
    uint32_t signature = cpuid(1, 0).eax, revision;

    print("  family %u, model %u, stepping %u (%x), ", cpu_family(signature), cpu_model(signature),
          cpu_stepping(signature), signature);
    if (cpu_microcode(&revision))
        print("microcode %x\n", revision);
    else
        print("microcode not told\n");
}

static void explain_mtrrs(const struct mtrrs *m)
{
    static const char *const types[] = {
        [CACHE_UC] = "UC", [CACHE_WC] = "WC", [CACHE_WT] = "WT", [CACHE_WP] = "WP", [CACHE_WB] = "WB"};
    const char *type = m->default_type < ARRAY_SIZE(types) ? types[m->default_type] : NULL;

    if (!m->enabled)
        print("  MTRRs %s: all memory is UC\n", m->present ? "are off" : "are absent");
    else
        print("  %u variable MTRR(s) in use, default type %s\n", m->variable_count, type ? type : "reserved");
    if (machine.uncached)
        print("  %llu KiB of RAM are left uncached by them: not used\n",
              (unsigned long long)(machine.uncached / 1024));
}

static void explain_smis(void)
{
    uint32_t count;

    if (cpu_smi_count(&count))
        print("  %u SMI(s) on the boot CPU since the reset\n", count);
    else
        print("  SMIs are not counted here\n");
}

void explain_found(void)
{
    explain_signature();
    explain_mtrrs(&machine.mtrrs);
    print("  local APIC in %s mode, as the firmware left it\n", lapic_in_x2apic_mode() ? "x2APIC" : "xAPIC");
    explain_smis();
}
