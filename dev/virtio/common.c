/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Common configuration structure layout": the registers that every device has, and its own. */
#include "arch/x86/speculation.h"
#include "core/base/panic.h"
#include "dev/virtio/virtio_inside.h"

enum {
    OFFERED_SELECT = 0x00,
    OFFERED = 0x04,
    FEATURES_SELECT = 0x08,
    FEATURES = 0x0c,
    CONFIG_VECTOR = 0x10,
    NUM_QUEUES = 0x12,
    STATUS = 0x14,
    GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
    QUEUE_NOTIFY_DATA = 0x38,
    QUEUE_RESET = 0x3a,
};

/* Of the field that begins there; 0: none does. Those of 8 bytes are two of 4. */
static const uint8_t widths[VIRTIO_COMMON_SIZE] = {
    [OFFERED_SELECT] = 4,   [OFFERED] = 4,      [FEATURES_SELECT] = 4,  [FEATURES] = 4,
    [CONFIG_VECTOR] = 2,    [NUM_QUEUES] = 2,   [STATUS] = 1,           [GENERATION] = 1,
    [QUEUE_SELECT] = 2,     [QUEUE_SIZE] = 2,   [QUEUE_VECTOR] = 2,     [QUEUE_ENABLE] = 2,
    [QUEUE_NOTIFY_OFF] = 2, [QUEUE_DESC] = 4,   [QUEUE_DESC + 4] = 4,   [QUEUE_DRIVER] = 4,
    [QUEUE_DRIVER + 4] = 4, [QUEUE_DEVICE] = 4, [QUEUE_DEVICE + 4] = 4, [QUEUE_NOTIFY_DATA] = 2,
    [QUEUE_RESET] = 2,
};

static bool is_field(unsigned offset, unsigned size)
{
    return offset < VIRTIO_COMMON_SIZE && size && widths[index_nospec(offset, VIRTIO_COMMON_SIZE)] == size;
}

/* --- features and status --- */

static uint32_t word_of(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void write_features(struct virtio_device *d, uint32_t value)
{
    unsigned shift = 32 * (d->features_select & 1);

    if (d->status & VIRTIO_FEATURES_OK)
        return;
    if (d->features_select < 2)
        d->features = (d->features & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
    else if (value)
        d->wrong_features = true;
}

static bool features_are_good(const struct virtio_device *d)
{
    return !d->wrong_features && !(d->features & ~d->offered) && (d->features & VIRTIO_F_VERSION_1) &&
           (!d->ops->accepts || d->ops->accepts(d->features));
}

/* Which of these bits it can have now, after those that it has. */
static unsigned taken_bits(const struct virtio_device *d, unsigned value)
{
    unsigned known = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER, status = d->status | (value & known);

    if ((status & known) == known && features_are_good(d))
        known |= VIRTIO_FEATURES_OK;
    if (d->status & VIRTIO_FEATURES_OK)
        known |= VIRTIO_DRIVER_OK;
    return value & (known | VIRTIO_FAILED);
}

static void write_status(struct virtio_device *d, unsigned value)
{
    unsigned bits = value ? taken_bits(d, value) : 0;
    uint8_t before;

    if (!value) {
        virtio_reset(d);
        return;
    }
    before = __atomic_fetch_or(&d->status, (uint8_t)bits, __ATOMIC_ACQ_REL);
    if (bits & ~before & VIRTIO_DRIVER_OK)
        virtio_start(d);
}

/* --- the queue that is selected --- */

static struct virtio_queue *selected(const struct virtio_device *d)
{
    return d->queue_select < d->queue_count ? &d->queues[index_nospec(d->queue_select, d->queue_count)]
                                            : NULL;
}

/* It may be set up: after the features are settled, and before it is enabled. */
static bool may_set_up(const struct virtio_device *d, const struct virtio_queue *q)
{
    return (d->status & VIRTIO_FEATURES_OK) && !q->ring.memory;
}

static void enable_queue(struct virtio_device *d, struct virtio_queue *q)
{
    struct ring_layout l = {.desc = q->desc,
                            .driver = q->driver,
                            .device = q->device,
                            .size = q->size,
                            .packed = d->features & VIRTIO_F_PACKED,
                            .indirect = d->features & VIRTIO_F_INDIRECT,
                            .event_idx = d->features & VIRTIO_F_EVENT_IDX};
    const char *why = "ring that is larger than the device's";

    spin_lock(&q->lock);
    if (q->size <= q->max_size)
        why = ring_enable(&q->ring, d->host.memory, &l);
    spin_unlock(&q->lock);
    if (why)
        virtio_break(d, why);
    else
        virtio_poke(d, (unsigned)(q - d->queues));
}

static void set_half(uint64_t *field, bool upper, uint32_t value)
{
    *field = upper ? (uint32_t)*field | (uint64_t)value << 32 : (*field & ~(uint64_t)UINT32_MAX) | value;
}

static uint16_t allowed_vector(const struct virtio_device *d, uint32_t value)
{
    return value < d->vectors ? (uint16_t)value : VIRTIO_NO_VECTOR;
}

static void set_up(struct virtio_device *d, struct virtio_queue *q, unsigned offset, uint32_t value)
{
    if (!may_set_up(d, q))
        return;
    switch (offset) {
    case QUEUE_SIZE: q->size = (uint16_t)value; break;
    case QUEUE_ENABLE:
        if (value == 1)
            enable_queue(d, q);
        break;
    case QUEUE_DESC:
    case QUEUE_DESC + 4: set_half(&q->desc, offset & 4, value); break;
    case QUEUE_DRIVER:
    case QUEUE_DRIVER + 4: set_half(&q->driver, offset & 4, value); break;
    case QUEUE_DEVICE:
    case QUEUE_DEVICE + 4: set_half(&q->device, offset & 4, value); break;
    default: break; /* read-only */
    }
}

static void write_queue(struct virtio_device *d, unsigned offset, uint32_t value)
{
    struct virtio_queue *q = selected(d);

    if (!q)
        return;
    if (offset == QUEUE_VECTOR)
        __atomic_store_n(&q->vector, allowed_vector(d, value), __ATOMIC_RELAXED);
    else if (offset == QUEUE_RESET && value == 1 && (d->features & VIRTIO_F_RESET) && q->ring.memory)
        virtio_stop_queue(q);
    else
        set_up(d, q, offset, value);
}

static uint32_t half_of(uint64_t field, unsigned offset)
{
    return (uint32_t)(offset & 4 ? field >> 32 : field);
}

static uint32_t read_queue(const struct virtio_device *d, unsigned offset)
{
    const struct virtio_queue *q = selected(d);

    if (!q)
        return offset == QUEUE_VECTOR ? VIRTIO_NO_VECTOR : 0;
    switch (offset) {
    case QUEUE_SIZE: return q->size;
    case QUEUE_VECTOR: return q->vector;
    case QUEUE_ENABLE: return q->ring.memory != NULL;
    case QUEUE_NOTIFY_OFF: return d->queue_select; /* drivers take it for granted */
    case QUEUE_DESC:
    case QUEUE_DESC + 4: return half_of(q->desc, offset);
    case QUEUE_DRIVER:
    case QUEUE_DRIVER + 4: return half_of(q->driver, offset);
    case QUEUE_DEVICE:
    case QUEUE_DEVICE + 4: return half_of(q->device, offset);
    default: return 0; /* a reset of a queue is done when its write is */
    }
}

/* --- all of them --- */

uint32_t virtio_common_read(const struct virtio_device *d, unsigned offset, unsigned size)
{
    if (!is_field(offset, size))
        return 0;
    switch (offset) {
    case OFFERED_SELECT: return d->offered_select;
    case OFFERED: return word_of(d->offered, d->offered_select);
    case FEATURES_SELECT: return d->features_select;
    case FEATURES: return word_of(d->features, d->features_select);
    case CONFIG_VECTOR: return d->config_vector;
    case NUM_QUEUES: return d->queue_count;
    case STATUS: return __atomic_load_n(&d->status, __ATOMIC_ACQUIRE);
    case GENERATION: return __atomic_load_n(&d->generation, __ATOMIC_ACQUIRE);
    case QUEUE_SELECT: return d->queue_select;
    default: return read_queue(d, offset);
    }
}

void virtio_common_write(struct virtio_device *d, unsigned offset, unsigned size, uint32_t value)
{
    if (!is_field(offset, size))
        return;
    switch (offset) {
    case OFFERED_SELECT: d->offered_select = value; break;
    case FEATURES_SELECT: d->features_select = value; break;
    case FEATURES: write_features(d, value); break;
    case CONFIG_VECTOR:
        __atomic_store_n(&d->config_vector, allowed_vector(d, value), __ATOMIC_RELAXED);
        break;
    case STATUS: write_status(d, value & 0xff); break;
    case QUEUE_SELECT: d->queue_select = (uint16_t)value; break;
    case OFFERED:
    case NUM_QUEUES:
    case GENERATION: break;
    default: write_queue(d, offset, value); break;
    }
}

uint32_t virtio_config_read(struct virtio_device *d, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    ASSERT(size <= sizeof(value));
    __atomic_store_n(&d->config_seen, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < size; i++) {
        if (offset < d->config_size && offset + i < d->config_size)
            value |= (uint32_t)d->config[index_nospec(offset + i, d->config_size)] << 8 * i;
    }
    return value;
}

void virtio_config_write(struct virtio_device *d, unsigned offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; d->ops->config_write && i < size; i++) {
        if (offset < d->config_size && offset + i < d->config_size)
            d->ops->config_write(d, offset + i, (uint8_t)(value >> 8 * i));
    }
}

void virtio_config_change(struct virtio_device *d, unsigned offset, uint16_t value)
{
    ASSERT(offset % 2 == 0 && offset + 1 < d->config_size);
    __atomic_store_n((uint16_t *)(void *)(d->config + offset), value, __ATOMIC_RELEASE);
    if (__atomic_exchange_n(&d->config_seen, false, __ATOMIC_ACQ_REL))
        __atomic_fetch_add(&d->generation, 1, __ATOMIC_RELEASE);
    virtio_tell_config(d);
}
