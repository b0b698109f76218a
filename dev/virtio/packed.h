/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Packed Virtqueues": what packed.c and the short way (ring_short.h) have in common. */
#pragma once

#include "core/base/panic.h"
#include "dev/virtio/ring_inside.h"

static inline uint8_t *packed_slot(const struct ring *r, unsigned i)
{
    return (uint8_t *)r->desc + i * DESC_SIZE;
}

/* The half with the flags, which the driver writes last, comes first. */
static inline bool packed_read(const struct ring *r, unsigned slot, bool wrap, struct ring_desc *d,
                               uint16_t *id)
{
    const uint8_t *at = packed_slot(r, slot);
    uint64_t rest = foreign_read64(at + 8);

    d->size = (uint32_t)rest;
    d->flags = (uint16_t)(rest >> 48);
    *id = (uint16_t)(rest >> 32);
    if (!ring_is_available(d->flags, wrap))
        return false;
    barrier_loads();
    d->at = foreign_read64(at);
    return true;
}

static inline void packed_go_on(const struct ring *r, uint16_t *slot, bool *wrap, unsigned slots)
{
    unsigned to = *slot + slots;

    ASSERT(slots <= r->layout.size);
    *wrap ^= to >= r->layout.size;
    *slot = (uint16_t)(to >= r->layout.size ? to - r->layout.size : to);
}

static inline void packed_write_used(struct ring *r, uint16_t id, uint16_t slots, uint32_t written)
{
    uint8_t *at = packed_slot(r, r->used);
    uint16_t flags = (uint16_t)((r->used_wrap ? RING_AVAILABLE | RING_USED : 0) | (written ? DESC_WRITE : 0));

    foreign_write32(at + 8, written);
    foreign_write16(at + 12, id);
    if (r->fresh) {
        barrier_stores();
        foreign_write16(at + 14, flags);
    } else {
        r->first = r->used;
        r->first_flags = flags;
    }
    r->fresh = (uint16_t)(r->fresh + slots);
    packed_go_on(r, &r->used, &r->used_wrap, slots);
}

static inline void packed_give(struct ring *r, uint16_t id, uint16_t slots, uint32_t n)
{
    r->taken = (uint16_t)(r->taken + slots);
    packed_go_on(r, &r->next, &r->next_wrap, slots);
    packed_write_used(r, id, slots, n);
}
