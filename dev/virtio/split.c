/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Split Virtqueues": descriptors in a table, heads of chains in a ring of each side. */
#include "core/base/panic.h"
#include "dev/virtio/ring_inside.h"

/* Of either ring: flags, idx, entries, and behind them the event that the writer waits for. */
enum { RING_FLAGS, RING_IDX = 2, RING_ENTRIES = 4 };
enum { AVAIL_ENTRY = 2, USED_ENTRY = 8 };
enum { NO_INTERRUPT = 1, NO_NOTIFY = 1 };

static uint8_t *avail(const struct ring *r, size_t offset)
{
    return (uint8_t *)r->driver + offset;
}

static uint8_t *used(const struct ring *r, size_t offset)
{
    return (uint8_t *)r->device + offset;
}

/* i is below the size; cut to it, too, for processors that guess that. */
static void read_descriptor(const struct ring *r, unsigned i, struct ring_desc *d)
{
    const uint8_t *at = (const uint8_t *)r->desc + (i & (r->layout.size - 1u)) * DESC_SIZE;
    uint64_t rest = foreign_read64(at + 8);

    d->at = foreign_read64(at);
    d->size = (uint32_t)rest;
    d->flags = (uint16_t)(rest >> 32);
    d->next = (uint16_t)(rest >> 48);
}

static bool read_chain(struct ring *r, struct ring_chain *c, unsigned i)
{
    struct ring_desc d = {.flags = DESC_NEXT};

    for (; d.flags & DESC_NEXT; i = d.next) {
        if (i >= r->layout.size)
            return ring_break(r, "descriptor outside of its table");
        read_descriptor(r, i, &d);
        if (d.flags & DESC_INDIRECT)
            return ring_add_table(r, c, &d);
        if (!ring_add_buffer(r, c, &d))
            return false;
    }
    return true;
}

/* The next chain's first descriptor. False: there is none, or something is wrong. */
static inline bool peek_descriptor(const struct ring *r, struct ring_desc *d, uint16_t *id)
{
    uint16_t size = r->layout.size, there = (uint16_t)(foreign_read16(avail(r, RING_IDX)) - r->next);

    if (!there || there > size || r->taken == size)
        return false;
    barrier_loads();
    *id = foreign_read16(avail(r, RING_ENTRIES + (r->next & (size - 1u)) * AVAIL_ENTRY));
    if (*id >= size)
        return false;
    read_descriptor(r, *id, d);
    return true;
}

uint8_t *split_peek_buffer(const struct ring *r, uint32_t n, uint16_t *id)
{
    struct ring_desc d;

    return peek_descriptor(r, &d, id) ? ring_buffer_of(r, &d, n) : NULL;
}

bool split_peek_pieces(const struct ring *r, struct ring_pieces *p)
{
    struct ring_desc d;

    p->count = 0;
    p->slots = 1;
    if (!peek_descriptor(r, &d, &p->id))
        return false;
    if (d.flags & DESC_INDIRECT)
        return ring_peek_table(r, p, &d);
    if (d.flags & DESC_NEXT) {
        if (d.next >= r->layout.size || !ring_add_piece(r, p, &d, DESC_NEXT))
            return false;
        read_descriptor(r, d.next, &d);
    }
    return ring_add_piece(r, p, &d, 0);
}

enum ring_pop split_pop(struct ring *r, struct ring_chain *c)
{
    uint16_t size = r->layout.size;
    uint16_t there = (uint16_t)(foreign_read16(avail(r, RING_IDX)) - r->next);

    if (!there)
        return RING_EMPTY;
    if (there > size || r->taken == size) {
        ring_break(r, "more chains than descriptors");
        return RING_BROKEN;
    }
    barrier_loads();
    ring_begin_chain(c);
    c->id = foreign_read16(avail(r, RING_ENTRIES + (r->next & (size - 1u)) * AVAIL_ENTRY));
    c->slots = 1;
    r->next++;
    r->taken++;
    return read_chain(r, c, c->id) ? RING_CHAIN : RING_BROKEN;
}

bool split_has_more(const struct ring *r)
{
    return foreign_read16(avail(r, RING_IDX)) != r->next;
}

static inline void write_used(struct ring *r, uint16_t id, uint32_t written)
{
    unsigned i = (r->used + r->fresh) & (r->layout.size - 1u);

    foreign_write64(used(r, RING_ENTRIES + i * USED_ENTRY), id | (uint64_t)written << 32);
    r->fresh++;
}

void split_push(struct ring *r, const struct ring_chain *c)
{
    write_used(r, c->id, c->written);
}

void split_give(struct ring *r, uint16_t id, uint32_t n)
{
    r->next++;
    r->taken++;
    write_used(r, id, n);
}

bool split_publish(struct ring *r)
{
    uint16_t count = r->fresh, size = r->layout.size;

    ASSERT(count <= r->taken && r->taken <= size);
    r->taken = (uint16_t)(r->taken - count);
    r->used = (uint16_t)(r->used + count);
    r->fresh = 0;
    barrier_stores();
    foreign_write16(used(r, RING_IDX), r->used);
    barrier_full();
    if (r->layout.event_idx)
        return ring_event_due(foreign_read16(avail(r, RING_ENTRIES + size * AVAIL_ENTRY)), r->used, count);
    return !(foreign_read16(avail(r, RING_FLAGS)) & NO_INTERRUPT);
}

bool split_listen(struct ring *r)
{
    if (r->layout.event_idx)
        foreign_write16(used(r, RING_ENTRIES + r->layout.size * USED_ENTRY), r->next);
    else
        foreign_write16(used(r, RING_FLAGS), 0);
    barrier_full();
    return split_has_more(r);
}

/* An event half of all numbers away comes once in 65536, unless this is repeated meanwhile. */
void split_deafen(struct ring *r)
{
    if (r->layout.event_idx)
        foreign_write16(used(r, RING_ENTRIES + r->layout.size * USED_ENTRY), (uint16_t)(r->next + 0x8000));
    else
        foreign_write16(used(r, RING_FLAGS), NO_NOTIFY);
}
