/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSI-X table and its pending bits: any accesses and events, in any order, in a function of three
 * vectors. */
#include "tests/prove/prove.h"

#include "dev/pci/msix.c"

#define VECTORS 3

void main(void);

bool pci_bus_master(const struct pci_function *f)
{
    return pci_command(f) & COMMAND_MASTER;
}

bool vm_deliver_msi(struct vm *vm, struct msi message)
{
    (void)vm;
    (void)message;
    return any_bool();
}

union msi_route vm_find_route(const struct vm *vm, struct msi message)
{
    (void)vm;
    (void)message;
    return (union msi_route){.word = any64()};
}

bool vm_post_route(const struct vm *vm, union msi_route route)
{
    (void)vm;
    (void)route;
    return any_bool();
}

void main(void)
{
    static struct vm vm;
    static struct pci_msix_entry entries[VECTORS];
    static struct pci_function f;
    uint64_t value;

    vm.kvm_features = any32();
    f.vm = &vm;
    f.msix.entries = entries;
    f.msix.count = VECTORS;
    f.msix.table = 0;
    f.msix.pba = 0x800;
    f.msix.control = 0x42;
    pci_msix_reset(&f);
    while (any_bool()) {
        for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
            f.config[i] = any8();
        switch (Frama_C_interval(0, 4)) {
        case 0: pci_msix_read(&f, any32(), 1u << Frama_C_interval(0, 3), &value); break;
        case 1: pci_msix_write(&f, any32(), 1u << Frama_C_interval(0, 3), any64()); break;
        case 2: pci_msix_send(&f, any32()); break;
        case 3: pci_msix_update(&f); break;
        default: pci_msix_reset(&f); break;
        }
    }
}
