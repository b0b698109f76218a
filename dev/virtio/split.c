/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Split Virtqueues": descriptors in a table, heads of chains in a ring of each side. */
#include "core/base/panic.h"
#include "dev/virtio/split.h"

static bool read_chain(struct ring *r, struct ring_chain *c, unsigned i)
{
    struct ring_desc d = {.flags = DESC_NEXT};

    for (; d.flags & DESC_NEXT; i = d.next) {
        if (i >= r->layout.size)
            return ring_break(r, "descriptor outside of its table");
        split_read(r, i, &d);
        if (d.flags & DESC_INDIRECT)
            return ring_add_table(r, c, &d);
        if (!ring_add_buffer(r, c, &d))
            return false;
    }
    return true;
}

enum ring_pop split_pop(struct ring *r, struct ring_chain *c)
{
    uint16_t size = r->layout.size;
    uint16_t there = (uint16_t)(foreign_read16(split_avail(r, RING_IDX)) - r->next);

    if (!there)
        return RING_EMPTY;
    if (there > size || r->taken == size) {
        ring_break(r, "more chains than descriptors");
        return RING_BROKEN;
    }
    barrier_loads();
    ring_begin_chain(c);
    c->id = foreign_read16(split_avail(r, RING_ENTRIES + (r->next & (size - 1u)) * AVAIL_ENTRY));
    c->slots = 1;
    r->next++;
    r->taken++;
    return read_chain(r, c, c->id) ? RING_CHAIN : RING_BROKEN;
}

void split_push(struct ring *r, const struct ring_chain *c)
{
    split_write_used(r, c->id, c->written);
}

bool split_publish(struct ring *r)
{
    uint16_t count = r->fresh, size = r->layout.size;

    ASSERT(count <= r->taken && r->taken <= size);
    r->taken = (uint16_t)(r->taken - count);
    r->used = (uint16_t)(r->used + count);
    r->fresh = 0;
    barrier_stores();
    foreign_write16(split_used(r, RING_IDX), r->used);
    barrier_full();
    if (r->layout.event_idx)
        return ring_event_due(foreign_read16(split_avail(r, RING_ENTRIES + size * AVAIL_ENTRY)), r->used,
                              count);
    return !(foreign_read16(split_avail(r, RING_FLAGS)) & NO_INTERRUPT);
}

bool split_listen(struct ring *r)
{
    if (r->layout.event_idx)
        foreign_write16(split_used(r, RING_ENTRIES + r->layout.size * USED_ENTRY), r->next);
    else
        foreign_write16(split_used(r, RING_FLAGS), 0);
    barrier_full();
    return ring_has_more(r);
}

/* An event half of all numbers away comes once in 65536, unless this is repeated meanwhile. */
void split_deafen(struct ring *r)
{
    if (r->layout.event_idx)
        foreign_write16(split_used(r, RING_ENTRIES + r->layout.size * USED_ENTRY),
                        (uint16_t)(r->next + 0x8000));
    else
        foreign_write16(split_used(r, RING_FLAGS), NO_NOTIFY);
}
