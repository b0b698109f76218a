/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's PCI: bus 0 with a host bridge, and a place for 31 functions (PCI Local Bus Specification 3.0; MSI-X
 * is its section 6.8.2). Guests reach configuration space by mechanism 1 and by ECAM.
 *
 * A function is part of what its owner allocates. It says what it is once, while the VM is built; then its
 * BARs, its capabilities, MSI-X and INTx are looked after here, and its operations hear of what is its own.
 *
 * Locks. Configuration space has one lock for the bus, which is held in config_read, config_write,
 * bar_opened, bar_closed and reset. BARs have none: bar_read and bar_write come from any number of CPUs at
 * once, also shortly after the guest has moved or switched off the BAR, and the owner locks what needs it.
 * What they call here (pci_msix_send(), pci_set_intx(), the questions) never waits for the lock of
 * configuration space, so both kinds may call it, with locks of their own held.
 */
#pragma once

#include "apic/ipi.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/types.h"
#include "dev/bus.h"

struct vm;
struct image;
struct placement;

#define PCI_DEVICES      32 /* on the bus; 0 is the host bridge */
#define PCI_BARS         6
#define PCI_CONFIG_SIZE  256
#define PCI_MSIX_VECTORS 64  /* of a function, at most */
#define PCI_IO_SIZE      256 /* bytes of all I/O BARs of a function, */
#define PCI_MEMORY_SIZE \
    (16 * MIB) /* of all memory BARs: with them it gets addresses that depend on nobody else */
#define PCI_LARGE_SLOT    0x0d       /* the first of those with memory that is larger, one BAR each, */
#define PCI_LARGE_SIZE    (64 * MIB) /* up to this, */
#define PCI_LARGE_BASE    UINT64_C(0xd0000000) /* from here on: the memory BARs of slots 10h to 1bh */
#define PCI_LARGE_MAX     3
#define PCI_INTX_GSI(dev) (16 + ((dev)&7))

/* Where things are. What is behind the BARs is the guest's to move. */
#define PCI_MEMORY_BASE UINT64_C(0xc0000000) /* behind the last RAM below 4 GiB */
#define PCI_MEMORY_END  UINT64_C(0xe0000000)
#define PCI_ECAM_BASE   UINT64_C(0xe0000000)
#define PCI_ECAM_SIZE   MIB /* one bus */
#define PCI_IO_BASE     0xc000u

enum pci_capability_id { PCI_CAPABILITY_VENDOR = 0x09, PCI_CAPABILITY_MSIX = 0x11 };

/* A 64-bit one takes the next BAR, too, which is PCI_BAR_NONE. All can be moved by the guest to anywhere. */
enum pci_bar_kind {
    PCI_BAR_NONE,
    PCI_BAR_MEMORY32,
    PCI_BAR_MEMORY64,
    PCI_BAR_IO,
    PCI_BAR_PREFETCH64 /* memory that reads do not change; its places at a reset are PCI_LARGE_BASE on */
};

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size; /* bytes, a power of two; memory from 256, I/O 4 to 256 */
};

/* What is written to it once. */
struct pci_identity {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code; /* class, subclass and interface: 24 bits */
    uint8_t revision;
    bool intx; /* it has INTA */
    struct pci_bar bars[PCI_BARS];
    struct {
        unsigned vectors;               /* 0: no MSI-X */
        unsigned bar, table, pba;       /* offsets in a memory BAR, multiples of 8 */
        struct pci_msix_entry *entries; /* as many, zeroed, and there as long as the VM */
    } msix;
};

/* A capability: its bytes from the second on are at body + 2. */
struct pci_capability {
    uint8_t id, size;    /* size of all, at least 2 */
    const uint8_t *body; /* size bytes; the first two are written by the bus */
    const uint8_t
        *writable; /* size bytes with a bit for each that the guest may write, 0 in body; NULL: none */
    uint8_t live;  /* offset of the dword that is no storage: config_read and config_write; 0: none */
};

struct pci_function;

/* size: 1, 2, 4 or 8 bytes, all within the BAR, at any alignment. What is read beyond size is cut off. */
struct pci_function_ops {
    const char *name;
    uint64_t (*bar_read)(struct pci_function *f, unsigned bar, unsigned offset, unsigned size);
    void (*bar_write)(struct pci_function *f, unsigned bar, unsigned offset, unsigned size, uint64_t value);
    /* The live dword of a capability; offset is in configuration space. Aligned, 1, 2 or 4 bytes. */
    uint32_t (*config_read)(struct pci_function *f, unsigned offset, unsigned size);
    void (*config_write)(struct pci_function *f, unsigned offset, unsigned size, uint32_t value);
    void (*reset)(struct pci_function *f); /* the VM was reset, and configuration space is; no vCPU runs */
    /* A BAR is found at this address from now on; false: it cannot be there. And no more. */
    bool (*bar_opened)(struct pci_function *f, unsigned bar, uint64_t at);
    void (*bar_closed)(struct pci_function *f, unsigned bar, uint64_t at);
};

struct pci_msix_entry {
    uint32_t address, address_high, data, control; /* as the guest sees them */
    union msi_route route;                         /* where it goes; none while it is masked */
};

struct pci_function {
    const struct pci_function_ops *ops;
    struct vm *vm;
    struct device device; /* behind its BARs; its lock is not used */
    unsigned slot;        /* its device number */
    uint8_t config[PCI_CONFIG_SIZE] ALIGNED(4);
    uint8_t writable[PCI_CONFIG_SIZE] ALIGNED(4); /* a bit for each that the guest may write; 0 at a reset */
    unsigned capabilities_end, last_capability;   /* offsets in it */
    uint64_t live;                                /* a bit for each dword that is no storage */
    struct pci_place {
        struct pci_bar is;
        uint64_t home; /* where it is at a reset */
        uint64_t at;   /* where it was put last, while memory or I/O was on */
        bool mapped;   /* it answers there */
        bool refused;  /* it does not, as something else is there */
    } places[PCI_BARS];
    struct {
        struct spinlock lock; /* of all here; taken under the owner's */
        struct pci_msix_entry *entries;
        unsigned count, bar, table, pba, control; /* control: offset in configuration space */
        uint64_t pending;                         /* PBA */
    } msix;
    struct doorbell doorbell; /* at the first port of its I/O BAR; without ring: it has none */
    bool intx;                /* its line, whether the guest hears of it or not */
    /* What the guest has set up wrongly: BARs that were not mapped, messages that were dropped. */
    uint64_t refused_bars, dropped_messages;
};

/* A part of a VM (core/vm/part.h): nothing with pci = off. */
bool pci_create(struct vm *vm, const struct placement *p);
bool pci_show_ecam(struct vm *vm, struct image *image);

/*
 * While the VM is built: puts a function on the bus. f is zeroed, but for its doorbell, and stays where it is
 * as long as the VM. NULL, or why it is refused.
 */
const char *pci_add(struct vm *vm, struct pci_function *f, const struct pci_function_ops *ops, unsigned slot,
                    const struct pci_identity *id);
/* Behind those it has. Its offset, or 0: it does not fit. */
unsigned pci_add_capability(struct pci_function *f, const struct pci_capability *c);

/* An event of this vector: a message, or its pending bit while it is masked. Others than it has are ignored.
 */
void pci_msix_send(struct pci_function *f, unsigned vector);
/* Level of its INTA. It reaches the I/O APIC unless the guest has disabled that or enabled MSI-X. */
void pci_set_intx(struct pci_function *f, bool level);
bool pci_msix_enabled(const struct pci_function *f);
bool pci_bus_master(const struct pci_function *f);

/* An access to a BAR by way of configuration space, whether it is mapped or not: all ones where there is
 * none. */
uint64_t pci_bar_read(struct pci_function *f, unsigned bar, unsigned offset, unsigned size);
void pci_bar_write(struct pci_function *f, unsigned bar, unsigned offset, unsigned size, uint64_t value);

/* Function by function, on the console. No vCPU of the VM runs. */
void pci_dump(const struct vm *vm);
