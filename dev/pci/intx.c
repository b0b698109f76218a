/* SPDX-License-Identifier: BSD-2-Clause */
/* INTA of each function: eight pins of the I/O APIC, level-triggered and active low, which functions share.
 */
#include "dev/pci/pci_state.h"

#include "apic/vioapic.h"
#include "dev/pc.h"

_Static_assert(PCI_INTX_GSI(PCI_DEVICES - 1) < VIOAPIC_PINS, "each has a pin");

/* The status register shows the line, heard or not. */
static void show_line(struct pci_function *f)
{
    uint8_t others = f->config[PCI_STATUS] & (uint8_t)~STATUS_INTX;

    f->config[PCI_STATUS] = f->intx ? others | STATUS_INTX : others;
}

/* The pin is up while any function holds it. Under the lock of the pins. */
static void hold_pin(struct pci_function *f, bool holds)
{
    uint32_t *asserting = &f->vm->pci->asserting[f->slot % ARRAY_SIZE(f->vm->pci->asserting)];
    uint32_t bit = (uint32_t)BIT(f->slot), was = *asserting;

    *asserting = holds ? was | bit : was & ~bit;
    if (!was != !*asserting)
        pc_set_pin(f->vm, PCI_INTX_GSI(f->slot), *asserting);
}

static void update_line(struct pci_function *f)
{
    show_line(f);
    hold_pin(f, f->intx && !(pci_command(f) & COMMAND_NO_INTX) && !pci_msix_enabled(f));
}

void pci_intx_update(struct pci_function *f)
{
    spin_lock(&f->vm->pci->pins_lock);
    update_line(f);
    spin_unlock(&f->vm->pci->pins_lock);
}

void pci_set_intx(struct pci_function *f, bool level)
{
    spin_lock(&f->vm->pci->pins_lock);
    f->intx = level;
    update_line(f);
    spin_unlock(&f->vm->pci->pins_lock);
}
