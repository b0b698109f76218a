/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Packed Virtqueues": one ring of descriptors that both sides write, each with a wrap counter.
 */
#include "core/base/panic.h"
#include "dev/virtio/packed.h"

enum { EVENT_ENABLE, EVENT_DISABLE, EVENT_AT }; /* flags of an event structure, behind its slot */

#define EVENT_WRAP 0x8000u /* of the slot */

/* The rest of a chain was there before its first descriptor's flags. */
static bool add_slots(struct ring *r, struct ring_chain *c, struct ring_desc *d)
{
    for (;;) {
        if (r->taken == r->layout.size)
            return ring_break(r, "more chains than descriptors");
        r->taken++;
        c->slots++;
        packed_go_on(r, &r->next, &r->next_wrap, 1);
        if (d->flags & DESC_INDIRECT)
            return ring_add_table(r, c, d);
        if (!ring_add_buffer(r, c, d))
            return false;
        if (!(d->flags & DESC_NEXT))
            return true;
        if (!packed_read(r, r->next, r->next_wrap, d, &c->id))
            return ring_break(r, "chain that is not available to its end");
    }
}

enum ring_pop packed_pop(struct ring *r, struct ring_chain *c)
{
    struct ring_desc d = {0};

    ring_begin_chain(c);
    if (!packed_read(r, r->next, r->next_wrap, &d, &c->id))
        return RING_EMPTY;
    return add_slots(r, c, &d) ? RING_CHAIN : RING_BROKEN;
}

void packed_push(struct ring *r, const struct ring_chain *c)
{
    packed_write_used(r, c->id, c->slots, c->written);
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
    foreign_write16(packed_slot(r, r->first) + 14, r->first_flags);
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
    return ring_has_more(r);
}

void packed_deafen(struct ring *r)
{
    foreign_write32(r->device, EVENT_DISABLE << 16);
}
