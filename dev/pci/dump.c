/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's PCI bus in words, for the monitor. */
#include "core/base/log.h"
#include "dev/pci/pci_state.h"

static void dump_bar(const struct pci_function *f, unsigned bar)
{
    static const char *const kinds[] = {"", "memory", "memory, 64 bits", "I/O"};
    const struct pci_place *p = &f->places[bar];
    uint32_t low = le32(f->config + PCI_BAR(bar));
    uint64_t at = p->is.kind == PCI_BAR_MEMORY64 || p->is.kind == PCI_BAR_PREFETCH64
                      ? le64(f->config + PCI_BAR(bar))
                      : low;

    _Static_assert(ARRAY_SIZE(kinds) == PCI_BAR_IO + 1, "each has its words");
    print("  bar %u  %llx, %x bytes of %s, %s\n", bar, (unsigned long long)at & ~(uint64_t)(p->is.size - 1),
          p->is.size, kinds[p->is.kind],
          p->mapped    ? "on"
          : p->refused ? "on, but something else is there"
                       : "off");
}

static void dump_entry(const struct pci_function *f, unsigned i)
{
    const struct pci_msix_entry *e = &f->msix.entries[i];

    if (e->address == 0 && e->data == 0)
        return;
    print("  vector %u  address %08x%08x data %08x%s%s%s\n", i, e->address_high, e->address, e->data,
          e->control & MSIX_ENTRY_MASK ? ", masked" : "", f->msix.pending & BIT(i) ? ", pending" : "",
          e->route.direct ? ", to one vcpu" : "");
}

static void dump_interrupts(const struct pci_function *f)
{
    uint16_t control = pci_msix_control(f);

    if (f->config[PCI_PIN])
        print("  INTA   pin %u of the I/O APIC%s\n", PCI_INTX_GSI(f->slot), f->intx ? ", active" : "");
    if (f->msix.count)
        print("  MSI-X  %u vectors%s%s\n", f->msix.count, control & MSIX_ENABLE ? ", on" : ", off",
              control & MSIX_MASK_ALL ? ", all masked" : "");
    for (unsigned i = 0; i < f->msix.count; i++)
        dump_entry(f, i);
}

static void dump_function(const struct pci_function *f)
{
    uint16_t command = pci_command(f);

    print("00:%02x.0 %04x:%04x %s%s%s%s%s\n", f->slot, le16(f->config), le16(f->config + 2), f->ops->name,
          command & COMMAND_IO ? ", I/O" : "", command & COMMAND_MEMORY ? ", memory" : "",
          command & COMMAND_MASTER ? ", bus master" : "", command & COMMAND_NO_INTX ? ", no INTx" : "");
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (f->places[i].is.kind != PCI_BAR_NONE)
            dump_bar(f, i);
    }
    dump_interrupts(f);
    if (f->refused_bars || f->dropped_messages)
        print("  guest's mistakes: %llu BARs that were not mapped, %llu messages that were dropped\n",
              (unsigned long long)f->refused_bars, (unsigned long long)f->dropped_messages);
}

void pci_dump(const struct vm *vm)
{
    if (!vm->pci)
        print("it has no PCI\n");
    for (unsigned i = 0; vm->pci && i < PCI_DEVICES; i++) {
        if (vm->pci->functions[i])
            dump_function(vm->pci->functions[i]);
    }
}
