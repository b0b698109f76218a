/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way to chains as nearly every driver makes them: few buffers, in memory that needs no function
 * to be reached. It is inline, once for each device that takes it: most of what a kick costs is here.
 */
#pragma once

#include "dev/virtio/packed.h"
#include "dev/virtio/split.h"

/* --- a chain that is one buffer, to be written to --- */

/* The memory of a descriptor that is the whole chain, and has room for n bytes; NULL: it is not, or not flat.
 */
static inline uint8_t *ring_buffer_of(const struct ring *r, const struct ring_desc *d, uint32_t n)
{
    if ((d->flags & DESC_KIND) != DESC_WRITE || d->size < n || d->size == UINT32_MAX ||
        !is_flat(r->memory, d->at, d->size) || is_closing(r->memory))
        return NULL;
    return flat_at(r->memory, d->at);
}

/* n > 0 bytes: where they go, and its id, with nothing taken. NULL: the next chain is another, or too small,
 * or needs a function, or there is none; ring_pop() tells. */
static inline uint8_t *ring_peek_buffer(const struct ring *r, uint32_t n, uint16_t *id)
{
    struct ring_desc d;
    bool there = false;

    if (unlikely(!r->works))
        return NULL;
    if (!r->layout.packed)
        there = split_peek(r, &d, id);
    else if (r->taken < r->layout.size)
        there = packed_read(r, r->next, r->next_wrap, &d, id);
    return there ? ring_buffer_of(r, &d, n) : NULL;
}

/* It is taken, and given back as by ring_push(), with n bytes written. */
static inline void ring_give_buffer(struct ring *r, uint16_t id, uint32_t n)
{
    if (r->layout.packed)
        packed_give(r, id, 1, n);
    else
        split_give(r, id, n);
}

/* --- a chain of few buffers --- */

#define RING_PIECES 3
struct ring_pieces {
    struct ring_segment at[RING_PIECES];
    uint16_t readable, count, id, slots; /* the first so many are readable, the others writable */
};

/* A descriptor is piece n of a chain, of those before it so many readable, and needs no function. */
static inline bool ring_is_piece(const struct ring *r, const struct ring_desc *d, unsigned n,
                                 unsigned readable)
{
    return !(d->flags & DESC_INDIRECT) && n < RING_PIECES && (d->flags & DESC_WRITE || readable == n) &&
           d->size && is_flat(r->memory, d->at, d->size);
}

/* What a piece leads to may lead on: its address is cut, too. */
static inline void ring_set_piece(const struct ring *r, struct ring_pieces *p, unsigned n,
                                  const struct ring_desc *d)
{
    p->at[n] = (struct ring_segment){index_nospec(d->at, r->memory->flat_size), d->size};
}

static inline bool ring_end_pieces(struct ring_pieces *p, unsigned n, unsigned readable)
{
    p->count = (uint16_t)n;
    p->readable = (uint16_t)readable;
    return true;
}

/* A descriptor that is a table of pieces. */
bool ring_peek_table(const struct ring *r, struct ring_pieces *p, const struct ring_desc *d);

static inline bool split_peek_pieces(const struct ring *r, struct ring_pieces *p)
{
    unsigned n = 0, readable = 0;
    struct ring_desc d;

    if (!split_peek(r, &d, &p->id))
        return false;
    if (d.flags & DESC_INDIRECT)
        return ring_peek_table(r, p, &d);
    while (ring_is_piece(r, &d, n, readable)) {
        ring_set_piece(r, p, n++, &d);
        readable += !(d.flags & DESC_WRITE);
        if (!(d.flags & DESC_NEXT))
            return ring_end_pieces(p, n, readable);
        if (d.next >= r->layout.size)
            return false;
        split_read(r, d.next, &d);
    }
    return false;
}

static inline bool packed_peek_pieces(const struct ring *r, struct ring_pieces *p)
{
    unsigned n = 0, readable = 0;
    uint16_t slot = r->next;
    bool wrap = r->next_wrap;
    struct ring_desc d;

    if (r->taken >= r->layout.size || !packed_read(r, slot, wrap, &d, &p->id))
        return false;
    if (d.flags & DESC_INDIRECT)
        return ring_peek_table(r, p, &d);
    while (ring_is_piece(r, &d, n, readable)) {
        ring_set_piece(r, p, n++, &d);
        readable += !(d.flags & DESC_WRITE);
        p->slots = (uint16_t)n;
        if (!(d.flags & DESC_NEXT))
            return ring_end_pieces(p, n, readable);
        packed_go_on(r, &slot, &wrap, 1);
        if (r->taken + n == r->layout.size || !packed_read(r, slot, wrap, &d, &p->id))
            return false;
    }
    return false;
}

/* Where they lie, with nothing taken. They may be of any size, together, too. False: the next chain is
 * another, or there is none, or something is wrong; ring_pop() tells. */
static inline bool ring_peek_pieces(const struct ring *r, struct ring_pieces *p)
{
    p->slots = 1;
    if (unlikely(!r->works))
        return false;
    return r->layout.packed ? packed_peek_pieces(r, p) : split_peek_pieces(r, p);
}

/* They are taken, and given back as by ring_push(), with n bytes written. */
static inline void ring_give_pieces(struct ring *r, const struct ring_pieces *p, uint32_t n)
{
    if (r->layout.packed)
        packed_give(r, p->id, p->slots, n);
    else
        split_give(r, p->id, n);
}
