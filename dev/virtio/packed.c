/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Packed Virtqueues": one ring of descriptors that both sides write, each with a wrap counter.
 */
#include "core/base/panic.h"
#include "dev/virtio/ring_inside.h"

enum { DESC_AVAIL = 0x80, DESC_USED = 0x8000 };
enum { EVENT_ENABLE, EVENT_DISABLE, EVENT_AT }; /* flags of an event structure, behind its slot */

#define EVENT_WRAP 0x8000u /* of the slot */

static uint8_t *slot_at(const struct ring *r, unsigned i)
{
    return (uint8_t *)r->desc + i * DESC_SIZE;
}

static bool is_available(uint16_t flags, bool wrap)
{
    return !!(flags & DESC_AVAIL) == wrap && !!(flags & DESC_USED) != wrap;
}

/* The half with the flags, which the driver writes last, comes first. */
static bool read_slot_at(const struct ring *r, unsigned slot, bool wrap, struct ring_desc *d, uint16_t *id)
{
    const uint8_t *at = slot_at(r, slot);
    uint64_t rest = foreign_read64(at + 8);

    d->size = (uint32_t)rest;
    d->flags = (uint16_t)(rest >> 48);
    *id = (uint16_t)(rest >> 32);
    if (!is_available(d->flags, wrap))
        return false;
    barrier_loads();
    d->at = foreign_read64(at);
    return true;
}

static bool read_slot(const struct ring *r, struct ring_desc *d, uint16_t *id)
{
    return read_slot_at(r, r->next, r->next_wrap, d, id);
}

static void go_on(const struct ring *r, uint16_t *slot, bool *wrap, unsigned slots)
{
    unsigned to = *slot + slots;

    ASSERT(slots <= r->layout.size);
    *wrap ^= to >= r->layout.size;
    *slot = (uint16_t)(to >= r->layout.size ? to - r->layout.size : to);
}

uint8_t *packed_peek_buffer(const struct ring *r, uint32_t n, uint16_t *id)
{
    struct ring_desc d;

    return r->taken < r->layout.size && read_slot(r, &d, id) ? ring_buffer_of(r, &d, n) : NULL;
}

bool packed_peek_pieces(const struct ring *r, struct ring_pieces *p)
{
    uint16_t slot = r->next;
    bool wrap = r->next_wrap;
    struct ring_desc d;

    p->count = 0;
    p->slots = 1;
    if (r->taken >= r->layout.size || !read_slot(r, &d, &p->id))
        return false;
    if (d.flags & DESC_INDIRECT)
        return ring_peek_table(r, p, &d);
    if (d.flags & DESC_NEXT) {
        p->slots = 2;
        go_on(r, &slot, &wrap, 1);
        if (r->taken + 2 > r->layout.size || !ring_add_piece(r, p, &d, DESC_NEXT) ||
            !read_slot_at(r, slot, wrap, &d, &p->id))
            return false;
    }
    return ring_add_piece(r, p, &d, 0);
}

/* The rest of a chain was there before its first descriptor's flags. */
static bool add_slots(struct ring *r, struct ring_chain *c, struct ring_desc *d)
{
    for (;;) {
        if (r->taken++ == r->layout.size)
            return ring_break(r, "more chains than descriptors");
        c->slots++;
        go_on(r, &r->next, &r->next_wrap, 1);
        if (d->flags & DESC_INDIRECT)
            return ring_add_table(r, c, d);
        if (!ring_add_buffer(r, c, d))
            return false;
        if (!(d->flags & DESC_NEXT))
            return true;
        if (!read_slot(r, d, &c->id))
            return ring_break(r, "chain that is not available to its end");
    }
}

enum ring_pop packed_pop(struct ring *r, struct ring_chain *c)
{
    struct ring_desc d = {0};

    ring_begin_chain(c);
    if (!read_slot(r, &d, &c->id))
        return RING_EMPTY;
    return add_slots(r, c, &d) ? RING_CHAIN : RING_BROKEN;
}

bool packed_has_more(const struct ring *r)
{
    return is_available(foreign_read16(slot_at(r, r->next) + 14), r->next_wrap);
}

static inline void write_used_slot(struct ring *r, uint16_t id, uint16_t slots, uint32_t written)
{
    uint8_t *at = slot_at(r, r->used);
    uint16_t flags = (uint16_t)((r->used_wrap ? DESC_AVAIL | DESC_USED : 0) | (written ? DESC_WRITE : 0));

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
    go_on(r, &r->used, &r->used_wrap, slots);
}

void packed_push(struct ring *r, const struct ring_chain *c)
{
    write_used_slot(r, c->id, c->slots, c->written);
}

void packed_give(struct ring *r, uint16_t id, uint16_t slots, uint32_t n)
{
    r->taken = (uint16_t)(r->taken + slots);
    go_on(r, &r->next, &r->next_wrap, slots);
    write_used_slot(r, id, slots, n);
}

/* Counts the slots that the last publication went on by, back from where it ended. */
static bool event_wanted(const struct ring *r, uint32_t event, uint16_t count)
{
    uint16_t slot = event & (EVENT_WRAP - 1u);

    if (!!(event & EVENT_WRAP) != r->used_wrap)
        slot = (uint16_t)(slot - r->layout.size);
    return ring_event_due(slot, r->used, count);
}

bool packed_publish(struct ring *r)
{
    uint16_t count = r->fresh;
    uint32_t event;

    ASSERT(count <= r->taken && r->taken <= r->layout.size);
    r->taken = (uint16_t)(r->taken - count);
    r->fresh = 0;
    barrier_stores();
    foreign_write16(slot_at(r, r->first) + 14, r->first_flags);
    barrier_full();
    event = foreign_read32(r->driver);
    if ((event >> 16 & 3) == EVENT_AT && r->layout.event_idx)
        return event_wanted(r, event, count);
    return (event >> 16 & 3) != EVENT_DISABLE;
}

bool packed_listen(struct ring *r)
{
    uint32_t slot = r->next | (r->next_wrap ? EVENT_WRAP : 0u);

    foreign_write32(r->device, r->layout.event_idx ? slot | EVENT_AT << 16 : EVENT_ENABLE << 16);
    barrier_full();
    return packed_has_more(r);
}

void packed_deafen(struct ring *r)
{
    foreign_write32(r->device, EVENT_DISABLE << 16);
}
