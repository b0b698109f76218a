/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of a virtio device: any accesses to the common configuration and to its own, in any order. */
#include "tests/prove/one_cpu.h"

#include "dev/virtio/common.c"

#define QUEUES 3

void main(void);

void virtio_break(struct virtio_device *d, const char *why)
{
    d->status |= VIRTIO_NEEDS_RESET;
    d->fault = why;
}

void virtio_reset(struct virtio_device *d)
{
    d->status = 0;
    d->features = any64();
}

void virtio_start(struct virtio_device *d)
{
    (void)d;
}

void virtio_stop_queue(struct virtio_queue *q)
{
    q->ring.memory = NULL;
    q->size = q->max_size;
}

void virtio_tell_config(struct virtio_device *d)
{
    (void)d;
}

void virtio_poke(struct virtio_device *d, unsigned queue)
{
    if (queue >= d->queue_count)
        assertion_failed(__LINE__, "there is such a queue");
}

/* A size that the device has none of never comes here. */
const char *ring_enable(struct ring *r, const struct ring_memory *memory, const struct ring_layout *layout)
{
    if (layout->size > 64)
        assertion_failed(__LINE__, "as large as the device has it at most");
    if (any_bool())
        return "no";
    r->memory = memory;
    return NULL;
}

static bool accepts(uint64_t features)
{
    (void)features;
    return any_bool();
}

static void config_write(struct virtio_device *d, unsigned offset, uint8_t value)
{
    if (offset >= d->config_size)
        assertion_failed(__LINE__, "within the configuration");
    d->config[offset] = value;
}

static void access(struct virtio_device *d)
{
    unsigned size = 1u << Frama_C_interval(0, 2);

    switch (Frama_C_interval(0, 4)) {
    case 0: virtio_common_read(d, any32(), size); break;
    case 1: virtio_common_write(d, any32(), size, any32()); break;
    case 2: virtio_config_read(d, any32(), size); break;
    case 3: virtio_config_write(d, any32(), size, any32()); break;
    default: virtio_config_change(d, 2 * (unsigned)Frama_C_interval(0, 3), any16()); break;
    }
}

void main(void)
{
    static const struct virtio_ops ops = {.name = "proof", .accepts = accepts, .config_write = config_write};
    static const struct ring_memory memory;
    static struct virtio_queue queues[QUEUES];
    static struct virtio_device device;

    device.ops = &ops;
    device.queues = queues;
    device.queue_count = QUEUES;
    device.vectors = QUEUES + 1;
    device.host.memory = &memory;
    device.config_size = 8;
    device.offered = any64();
    for (unsigned i = 0; i < QUEUES; i++)
        queues[i].max_size = 64;
    while (any_bool())
        access(&device);
}
