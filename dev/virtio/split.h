/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Split Virtqueues": what split.c and the short way (ring_short.h) have in common. */
#pragma once

#include "dev/virtio/ring_inside.h"

/* Of either ring: flags, idx, entries, and behind them the event that the writer waits for. */
enum { RING_FLAGS, RING_IDX = 2, RING_ENTRIES = 4 };
enum { AVAIL_ENTRY = 2, USED_ENTRY = 8 };
enum { NO_INTERRUPT = 1, NO_NOTIFY = 1 };

static inline uint8_t *split_avail(const struct ring *r, size_t offset)
{
    return (uint8_t *)r->driver + offset;
}

static inline uint8_t *split_used(const struct ring *r, size_t offset)
{
    return (uint8_t *)r->device + offset;
}

/* i is below the size; cut to it, too, for processors that guess that. */
static inline void split_read(const struct ring *r, unsigned i, struct ring_desc *d)
{
    const uint8_t *at = (const uint8_t *)r->desc + (i & (r->layout.size - 1u)) * DESC_SIZE;
    uint64_t rest = foreign_read64(at + 8);

    d->at = foreign_read64(at);
    d->size = (uint32_t)rest;
    d->flags = (uint16_t)(rest >> 32);
    d->next = (uint16_t)(rest >> 48);
}

/* The next chain's first descriptor. False: there is none, or something is wrong. */
static inline bool split_peek(const struct ring *r, struct ring_desc *d, uint16_t *id)
{
    uint16_t size = r->layout.size, there = (uint16_t)(foreign_read16(split_avail(r, RING_IDX)) - r->next);

    if (!there || there > size || r->taken == size)
        return false;
    barrier_loads();
    *id = foreign_read16(split_avail(r, RING_ENTRIES + (r->next & (size - 1u)) * AVAIL_ENTRY));
    if (*id >= size)
        return false;
    split_read(r, *id, d);
    return true;
}

static inline void split_write_used(struct ring *r, uint16_t id, uint32_t written)
{
    unsigned i = (r->used + r->fresh) & (r->layout.size - 1u);

    foreign_write64(split_used(r, RING_ENTRIES + i * USED_ENTRY), id | (uint64_t)written << 32);
    r->fresh++;
}

static inline void split_give(struct ring *r, uint16_t id, uint32_t n)
{
    r->next++;
    r->taken++;
    split_write_used(r, id, n);
}
