/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI from the inside: for the files of dev/pci/, and nobody else. */
#pragma once

#include "core/vm/vm.h"
#include "dev/pci/pci.h"

/* Offsets in configuration space. */
#define PCI_COMMAND      0x04
#define PCI_STATUS       0x06
#define PCI_REVISION     0x08
#define PCI_BAR(i)       (0x10 + 4 * (i))
#define PCI_SUBSYSTEM    0x2c
#define PCI_CAPABILITIES 0x34
#define PCI_LINE         0x3c
#define PCI_PIN          0x3d
#define PCI_HEADER_SIZE  0x40

enum {
    COMMAND_IO = 1 << 0,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_MASTER = 1 << 2,
    COMMAND_PARITY = 1 << 6,
    COMMAND_SERR = 1 << 8,
    COMMAND_NO_INTX = 1 << 10,
};
enum { STATUS_INTX = 1 << 3, STATUS_CAPABILITIES = 1 << 4 };
enum { MSIX_CONTROL = 2, MSIX_MASK_ALL = 1 << 14, MSIX_ENABLE = 1 << 15, MSIX_ENTRY_MASK = 1 };

struct pci {
    struct vm *vm;
    struct device device; /* its lock is that of configuration space */
    uint32_t address;     /* CONFIG_ADDRESS */
    struct pci_function *functions[PCI_DEVICES];
    struct pci_function bridge;
    struct spinlock pins_lock; /* taken under the owners' and the lock above, before the I/O APIC's */
    uint32_t asserting[8];     /* by pin: a bit for each function that holds its line */
};

static inline uint16_t pci_command(const struct pci_function *f)
{
    return le16(f->config + PCI_COMMAND);
}

static inline uint16_t pci_msix_control(const struct pci_function *f)
{
    return f->msix.count ? le16(f->config + f->msix.control) : 0;
}

/* function.c: what a guest reads and writes there; within an aligned dword. Under the lock. */
uint32_t pci_config_read(struct pci_function *f, unsigned offset, unsigned size);
void pci_config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value);
void pci_function_init(struct pci_function *f, const struct pci_identity *id);
void pci_function_reset(struct pci_function *f);

/* bars.c */
const char *pci_bars_init(struct pci_function *f, const struct pci_identity *id);
void pci_bars_reset(struct pci_function *f);
/* What the guest has written to the command or a BAR, takes effect. Under the lock. */
void pci_bars_update(struct pci_function *f);

/* msix.c */
const char *pci_msix_init(struct pci_function *f, const struct pci_identity *id);
void pci_msix_reset(struct pci_function *f);
/* Enable, function mask or bus master may have changed. */
void pci_msix_update(struct pci_function *f);
/* In the BAR that has them. False: this is not the table's or the PBA's. */
bool pci_msix_read(struct pci_function *f, unsigned offset, unsigned size, uint64_t *value);
bool pci_msix_write(struct pci_function *f, unsigned offset, unsigned size, uint64_t value);

/* intx.c: interrupt disable or MSI-X may have changed. */
void pci_intx_update(struct pci_function *f);
