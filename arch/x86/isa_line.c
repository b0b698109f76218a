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

/* Of a port where PCs have one; 0: it is none of them. */
static uint8_t irq_by_port(const struct acpi_register *base)
{
    static const struct {
        uint16_t port;
        uint8_t irq;
    } ports[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

    for (unsigned i = 0; base->space == ACPI_PORT && i < ARRAY_SIZE(ports); i++) {
        if (ports[i].port == base->address)
            return ports[i].irq;
    }
    return 0;
}

bool serial_line(const struct acpi_info *acpi, const struct acpi_register *base, struct interrupt_line *line)
{
    const struct acpi_spcr *s = &acpi->spcr;
    bool told = s->present && s->base.address == base->address && s->base.space == base->space;
    uint8_t irq = irq_by_port(base);

    if (told && s->has_gsi && s->gsi >= ISA_IRQS) {
        *line = (struct interrupt_line){s->gsi, true, true};
        return true;
    }
    if (told && s->has_irq && s->irq > 0 && s->irq < ISA_IRQS)
        irq = s->irq;
    else if (told && s->has_gsi && s->gsi > 0)
        irq = (uint8_t)s->gsi;
    *line = isa_line(&acpi->madt, irq);
    return irq;
}
