/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/nmi_line.h"

#define LINT1       1
#define POLARITY(f) ((f)&3)
#define ACTIVE_LOW  3

static bool is_of(const struct acpi_madt *madt, const struct acpi_nmi *nmi, uint32_t apic_id)
{
    for (unsigned i = 0; i < madt->cpu_count; i++) {
        if (madt->cpus[i].apic_id == apic_id && madt->cpus[i].uid == nmi->uid)
            return true;
    }
    return nmi->uid == ACPI_ALL_CPUS;
}

static bool told(const struct acpi_madt *madt, uint32_t apic_id, struct nmi_line *line)
{
    for (unsigned i = 0; i < madt->nmi_count; i++) {
        const struct acpi_nmi *nmi = &madt->nmis[i];

        if (nmi->pin > LINT1 || !is_of(madt, nmi, apic_id))
            continue;
        *line = (struct nmi_line){nmi->pin, POLARITY(nmi->flags) == ACTIVE_LOW};
        return true;
    }
    return false;
}

bool nmi_line(const struct acpi_madt *madt, uint32_t apic_id, uint32_t boot_apic_id, struct nmi_line *line)
{
    struct nmi_line boot = {LINT1, false};

    if (!madt->nmi_count || told(madt, boot_apic_id, &boot)) {
        *line = boot;
        return apic_id == boot_apic_id;
    }
    return told(madt, apic_id, line);
}
