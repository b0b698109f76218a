/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/isa_line.h"

#define ISA_IRQS      16
#define POLARITY(f)   ((f)&3)
#define TRIGGER(f)    ((f) >> 2 & 3)
#define NOT_AS_ON_BUS 3 /* active low, or level-triggered */

struct interrupt_line isa_line(const struct acpi_madt *madt, uint8_t irq)
{
    for (unsigned i = 0; i < madt->override_count; i++) {
        const struct acpi_override *o = &madt->overrides[i];

        if (o->irq == irq)
            return (struct interrupt_line){o->gsi, TRIGGER(o->flags) == NOT_AS_ON_BUS,
                                           POLARITY(o->flags) == NOT_AS_ON_BUS};
    }
    return (struct interrupt_line){.gsi = irq};
}

struct interrupt_line serial_line(const struct acpi_info *acpi, uint16_t port)
{
    const struct acpi_spcr *s = &acpi->spcr;
    bool told = s->present && s->base.address == port;
    uint8_t irq = port == 0x2f8 || port == 0x2e8 ? 3 : 4;

    if (told && s->has_gsi && s->gsi >= ISA_IRQS)
        return (struct interrupt_line){s->gsi, true, true};
    if (told && s->has_irq && s->irq > 0 && s->irq < ISA_IRQS)
        irq = s->irq;
    else if (told && s->has_gsi && s->gsi > 0)
        irq = (uint8_t)s->gsi;
    return isa_line(&acpi->madt, irq);
}
