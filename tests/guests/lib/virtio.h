/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver of one virtio device with one queue, as far as tests need it. */
#pragma once

#include "guest.h"

#define VIRTIO_SIZE     16 /* descriptors of a queue */
#define VIRTIO_INDIRECT BIT(28)
#define VIRTIO_EVENTS   BIT(29)
#define VIRTIO_VERSION  BIT(0) /* of the second word */
#define VIRTIO_PACKED   BIT(2)

enum { DESC_NEXT = 1, DESC_WRITE = 2 };
enum {
    COMMON_STATUS = 0x14,
    COMMON_QUEUE = 0x16,
    COMMON_SIZE = 0x18,
    COMMON_ENABLE = 0x1c,
    COMMON_RESET = 0x3a
};

struct virtio_area {
    bool io;
    uint32_t at, length;
};

struct virtio {
    unsigned slot;
    struct virtio_area common, isr, config, port_bell, memory_bell;
    unsigned access; /* offset in configuration space of the last one: access to BARs */
    uint32_t msix, vectors;
    bool packed;
    uint16_t next, seen; /* of the rings; packed: slots */
    bool wrap;
    uint8_t *desc, *driver, *device;
};

struct virtio_buffer {
    const void *at;
    uint32_t size;
    unsigned flags; /* DESC_WRITE */
};

uint32_t pci_get(unsigned slot, unsigned offset);
void pci_set(unsigned slot, unsigned offset, uint32_t value);

/* False: no virtio device is there. Memory, I/O and bus master are on then. */
bool virtio_find(struct virtio *v, unsigned slot);

uint32_t virtio_get(const struct virtio_area *a, unsigned offset, unsigned size);
void virtio_set(const struct virtio_area *a, unsigned offset, unsigned size, uint32_t value);

/* Asks for these features beside VERSION_1: the status says whether it can have them. */
void virtio_negotiate(const struct virtio *v, uint32_t features, bool packed);

/* Takes these features beside VERSION_1, and its queue 0; vector: of its MSI-X table, or FFFFh. */
bool virtio_start(struct virtio *v, uint32_t features, bool packed, uint16_t vector);
/* A further queue, in the same rings: for drivers that do not mean well, or use that one only. */
void virtio_set_up_queue(const struct virtio *v, unsigned queue, uint16_t vector);
void virtio_stop(struct virtio *v);

/* Makes a chain available, without a kick. */
void virtio_offer(struct virtio *v, const struct virtio_buffer *b, unsigned n);
void virtio_ring_port(const struct virtio *v);
void virtio_ring_memory(const struct virtio *v);
/* False: nothing has come back. *written: bytes that the device says it wrote. */
bool virtio_take(struct virtio *v, uint32_t *written);

void virtio_set_vector(const struct virtio *v, unsigned entry, uint8_t vector);
void virtio_use_msix(const struct virtio *v, bool on);
