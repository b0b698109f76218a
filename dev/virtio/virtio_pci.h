/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on a VM's PCI bus (virtio 1.2, "Virtio Over PCI Bus"): capabilities, BARs, doorbells,
 * interrupts. Modern only: there is no legacy layout.
 *
 *   BAR 0  memory, 16 KiB: common configuration, ISR at 1000h, the device's own at 2000h, and a page of
 *          doorbells at 3000h, four bytes for each queue
 *   BAR 1  memory, 4 KiB: MSI-X table and, at 800h, pending bits
 *   BAR 2  I/O, 4 ports: the doorbell of all queues, which takes a queue's number. Its capability comes
 *          first: an exit of OUT costs a third of one for memory, and a driver that cannot take ports (DPDK)
 *          takes the last capability.
 */
#pragma once

#include "dev/pci/pci.h"
#include "dev/virtio/virtio.h"

struct virtio_pci {
    struct pci_function function;
    struct ring_memory memory;
    struct virtio_device device;
    struct virtio_pci *next;        /* of its VM */
    struct spinlock lock;           /* of registers; taken above those of queues */
    struct spinlock line;           /* of the interrupt status while there is no MSI-X */
    struct pci_msix_entry *entries; /* for each queue, and the configuration */
    unsigned access; /* offset in configuration space of the capability that gives access to BARs */
};

/* What a device is, when it is made. */
struct virtio_identity {
    const struct virtio_ops *ops;
    unsigned slot;
    uint32_t class_code;
    uint64_t features, without; /* beside VIRTIO_F_TRANSPORT, and what is not offered of that */
    const void *config;         /* the device's own, as a driver reads it */
    unsigned config_size;
    unsigned queue_count; /* 0: as ops says */
    size_t model_size;    /* bytes for device.model, */
    size_t model_given;   /* of which so many are at first */
    const void *model;    /* what stands here; the rest is zeroed */
};

/* While the VM is built, from its account. NULL: out of memory. */
struct virtio_pci *virtio_pci_create(struct vm *vm, const struct virtio_identity *id);
