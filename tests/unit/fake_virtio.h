/* SPDX-License-Identifier: BSD-2-Clause */
/* A binding of a virtio device without a bus, in the memory of fake_ring.h, and its registers as a driver
 * uses them. */
#pragma once

#include "dev/virtio/virtio.h"
#include "tests/unit/fake_driver.h"

#define VECTORS 3

static struct virtio_device device;
static struct virtio_queue device_queues[VIRTIO_MAX_QUEUES];
static struct ring_segment device_segments[VIRTIO_MAX_QUEUES * RING_MAX_SIZE];
static unsigned interrupts[VECTORS + 1], laters; /* the last one: without a vector */
static void fake_interrupt(void *context UNUSED, uint16_t vector, unsigned isr)
{
    interrupts[MIN(vector, VECTORS)]++;
    device.isr |= (uint8_t)isr;
}

static void fake_later(void *context UNUSED)
{
    laters++;
}

static inline void fake_device(const struct virtio_ops *ops, void *model, uint64_t features)
{
    memset(&device, 0, sizeof(device));
    memset(device_queues, 0, sizeof(device_queues));
    device.queues = device_queues;
    device.queue_count = ops->queue_count;
    device.ops = ops;
    device.model = model;
    device.vectors = VECTORS;
    device.host = (struct virtio_host){NULL, &fake_ring_memory, fake_interrupt, fake_later};
    memset(interrupts, 0, sizeof(interrupts));
    laters = 0;
    virtio_init(&device, features | VIRTIO_F_TRANSPORT, device_segments);
}

static inline uint32_t rd(unsigned offset, unsigned size)
{
    return virtio_common_read(&device, offset, size);
}

static inline void wr(unsigned offset, unsigned size, uint32_t value)
{
    virtio_common_write(&device, offset, size, value);
}

enum {
    R_OFFERED_SELECT = 0,
    R_OFFERED = 4,
    R_SELECT = 8,
    R_FEATURES = 0xc,
    R_CONFIG_VECTOR = 0x10,
    R_QUEUES = 0x12,
    R_STATUS = 0x14,
    R_GENERATION = 0x15,
    R_QUEUE = 0x16,
    R_SIZE = 0x18,
    R_VECTOR = 0x1a,
    R_ENABLE = 0x1c,
    R_NOTIFY_OFF = 0x1e,
    R_DESC = 0x20,
    R_DRIVER = 0x28,
    R_DEVICE = 0x30,
    R_NOTIFY_DATA = 0x38,
    R_QUEUE_RESET = 0x3a
};

static inline void write_address(unsigned offset, uint64_t value)
{
    wr(offset, 4, (uint32_t)value);
    wr(offset + 4, 4, (uint32_t)(value >> 32));
}

/* Up to FEATURES_OK: whether the device has taken them. */
static inline bool negotiate(uint64_t features)
{
    wr(R_STATUS, 1, 0);
    wr(R_STATUS, 1, 1);
    wr(R_STATUS, 1, 3);
    for (unsigned i = 0; i < 2; i++) {
        wr(R_SELECT, 4, i);
        wr(R_FEATURES, 4, (uint32_t)(features >> 32 * i));
    }
    wr(R_STATUS, 1, 0xb);
    return rd(R_STATUS, 1) & 8;
}

/* Queue i, where the tests' rings lie. */
static inline void set_up_queue(unsigned i, unsigned size, unsigned vector)
{
    wr(R_QUEUE, 2, i);
    wr(R_SIZE, 2, size);
    write_address(R_DESC, DESC_AT);
    write_address(R_DRIVER, DRIVER_AT);
    write_address(R_DEVICE, DEVICE_AT);
    wr(R_VECTOR, 2, vector);
    wr(R_ENABLE, 2, 1);
}

/* All of it, with one queue in use; in the format that `split' says. */
static inline void bring_up(uint64_t features, unsigned queue, unsigned size)
{
    drv_reset(size);
    negotiate(features | VIRTIO_F_VERSION_1 | (split ? 0 : VIRTIO_F_PACKED));
    wr(R_CONFIG_VECTOR, 2, 0);
    set_up_queue(queue, size, 1);
    wr(R_STATUS, 1, 0xf);
    virtio_work(&device);
}
