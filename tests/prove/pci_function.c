/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space of a function: any accesses to its storage. */
#include "tests/prove/prove.h"

#include "dev/pci/function.c"

void main(void);

void pci_bars_update(struct pci_function *f)
{
    (void)f;
}
void pci_bars_reset(struct pci_function *f)
{
    (void)f;
}
void pci_msix_update(struct pci_function *f)
{
    (void)f;
}
void pci_msix_reset(struct pci_function *f)
{
    (void)f;
}
void pci_intx_update(struct pci_function *f)
{
    (void)f;
}

/* As the ports and ECAM let them through: aligned. */
static void access(struct pci_function *f, unsigned offset, unsigned size)
{
    if (any_bool())
        pci_config_read(f, offset, size);
    else
        pci_config_write(f, offset, size, any32());
}

void main(void)
{
    static const struct pci_function_ops ops = {.name = "proof"};
    static struct pci_function f;

    f.ops = &ops;
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
        f.writable[i] = any8();
    f.msix.count = (unsigned)Frama_C_interval(0, PCI_MSIX_VECTORS);
    f.msix.control = (unsigned)Frama_C_interval(0, PCI_CONFIG_SIZE - 2);
    while (any_bool()) {
        switch (Frama_C_interval(0, 2)) {
        case 0: access(&f, (unsigned)Frama_C_interval(0, PCI_CONFIG_SIZE - 1), 1); break;
        case 1: access(&f, 2 * (unsigned)Frama_C_interval(0, PCI_CONFIG_SIZE / 2 - 1), 2); break;
        default: access(&f, 4 * (unsigned)Frama_C_interval(0, PCI_CONFIG_SIZE / 4 - 1), 4); break;
        }
    }
}
