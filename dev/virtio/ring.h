/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of a virtqueue (virtio 1.2, "Split Virtqueues" and "Packed Virtqueues"), apart from any
 * device and any VM: guest memory is reached through a table of functions.
 *
 * What a driver writes is read once, into a copy that is checked and used. What the driver's bookkeeping says
 * wrong breaks the ring: nothing of it is looked at again until it is enabled anew. The caller has the lock,
 * and is bounded by itself: each call looks at no more descriptors than the ring has.
 */
#pragma once

#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "arch/x86/types.h"
#include "dev/virtio/foreign.h"

#define RING_MAX_SIZE 256 /* descriptors; so many fit into a chain, too */

/* Guest memory; at is a guest-physical address, any value, and n > 0. */
struct ring_memory {
    void *context;
    /* The first bytes of it, in one piece, for those that need no function; and what is not 0 while any of it
     * may be closed to writing. */
    uint8_t *flat;
    uint64_t flat_size;
    const uintptr_t *closing;
    bool (*is_ram)(void *context, uint64_t at, uint64_t n);
    /* A pointer to them. NULL: they are not RAM, not in one piece, or, to be written, closed. */
    void *(*map)(void *context, uint64_t at, size_t n, bool to_write);
    /* False, with nothing done: not RAM, or closed. */
    bool (*read)(void *context, uint64_t at, void *to, size_t n);
    bool (*write)(void *context, uint64_t at, const void *from, size_t n);
};

struct ring_layout {
    uint64_t desc, driver, device; /* guest-physical: descriptors, and what each side writes for the other */
    uint16_t size;
    bool packed, indirect, event_idx; /* as negotiated */
};

struct ring {
    const struct ring_memory *memory; /* NULL: not enabled */
    bool works;                       /* it is enabled and not broken */
    const char *fault;                /* why it is broken; NULL: it is not */
    struct ring_layout layout;
    void *desc, *driver, *device; /* the same, mapped */
    uint16_t next;                /* split: of the driver's ring, running freely; packed: a slot */
    uint16_t used;                /* the same of what the device writes */
    uint16_t taken;               /* chains or slots that are with the device */
    uint16_t fresh;               /* of them, those written and not published */
    uint16_t first, first_flags;  /* packed: of the first of them, which is published last */
    bool next_wrap, used_wrap;    /* packed */
};

struct ring_segment {
    uint64_t at; /* guest-physical: RAM, when the chain was taken */
    uint32_t size;
};

/* One direction of a chain, as a stream. */
struct ring_part {
    unsigned segment, end; /* the one that is at, and behind the last */
    uint32_t done;         /* bytes of the one that is at */
    uint64_t left;         /* bytes of all: 32 bits, when ring_pop() returns it */
};

/* Buffers that the driver has made available as one. */
struct ring_chain {
    struct ring_segment *segments; /* as many as the ring has descriptors; the caller's */
    struct ring_part readable, writable;
    uint32_t written;     /* bytes at the start of the writable part */
    uint16_t id, slots;   /* for ring_push() */
    uint16_t descriptors; /* looked at; */
    uint16_t count;       /* segments of both parts */
};

enum ring_pop { RING_EMPTY, RING_CHAIN, RING_BROKEN };

/* NULL, or why the driver cannot have it so. */
const char *ring_enable(struct ring *r, const struct ring_memory *memory, const struct ring_layout *layout);
void ring_disable(struct ring *r);

/* A mistake of its driver, of which whoever has the lock found out. False. */
COLD bool ring_break(struct ring *r, const char *why);

/* Before an enabled one is worked on: its memory may have been closed. False: it is broken. */
bool ring_begin(struct ring *r);

/*
 * The next chain, to be given back by ring_push(). What is wrong in a way that concerns this chain only
 * leaves it without a byte in either part.
 */
enum ring_pop ring_pop(struct ring *r, struct ring_chain *c);

/* Of descriptors in the packed format: each side's turn of the ring that they were written in. */
enum { RING_AVAILABLE = 0x80, RING_USED = 0x8000 };

static inline bool ring_is_available(uint16_t flags, bool wrap)
{
    unsigned of_turn = flags & (RING_AVAILABLE | RING_USED);

    return of_turn == (wrap ? RING_AVAILABLE : RING_USED);
}

/* Whether ring_pop() would find something, or something wrong. */
static inline bool ring_has_more(const struct ring *r)
{
    if (unlikely(!r->works))
        return false;
    if (r->layout.packed)
        return ring_is_available(foreign_read16((uint8_t *)r->desc + r->next * 16u + 14), r->next_wrap);
    return foreign_read16((uint8_t *)r->driver + 2) != r->next;
}

/* Where it is before a chain is taken, to which it returns when the chains taken since are not used after
 * all: none of them was given back. */
struct ring_mark {
    uint16_t next, taken;
    bool next_wrap;
};

static inline struct ring_mark ring_mark(const struct ring *r)
{
    return (struct ring_mark){r->next, r->taken, r->next_wrap};
}

static inline void ring_return(struct ring *r, struct ring_mark m)
{
    r->next = m.next;
    r->taken = m.taken;
    r->next_wrap = m.next_wrap;
}

/* As ring_get() and ring_put(), wherever the bytes are. */
bool ring_get_pieces(struct ring *r, struct ring_chain *c, void *to, uint32_t n);
bool ring_put_pieces(struct ring *r, struct ring_chain *c, const void *from, uint32_t n);

static inline bool is_flat(const struct ring_memory *m, uint64_t at, uint64_t n)
{
    return likely(at < m->flat_size && n <= m->flat_size - at);
}

/* It is. */
static inline uint8_t *flat_at(const struct ring_memory *m, uint64_t at)
{
    return m->flat + index_nospec(at, m->flat_size);
}

static inline bool is_closing(const struct ring_memory *m)
{
    return unlikely(__atomic_load_n(m->closing, __ATOMIC_ACQUIRE));
}

/* The next n bytes, when they are in one piece that needs no function, and done then. Else NULL. */
static inline uint8_t *ring_flat_piece(const struct ring *r, struct ring_chain *c, struct ring_part *part,
                                       uint32_t n)
{
    const struct ring_segment *s = &c->segments[part->segment];
    uint64_t at;

    if ((uint64_t)n - 1 >= part->left || n > s->size - part->done)
        return NULL;
    at = s->at + part->done;
    if (!is_flat(r->memory, at, n))
        return NULL;
    part->left -= n;
    part->done += n;
    if (part->done == s->size) {
        part->segment++;
        part->done = 0;
    }
    return flat_at(r->memory, at);
}

/* The next n bytes of the readable part; of the writable part. False, with part of them done or none: it has
 * not so many left, or the guest has closed its memory. */
static inline bool ring_get(struct ring *r, struct ring_chain *c, void *to, uint32_t n)
{
    const uint8_t *from = ring_flat_piece(r, c, &c->readable, n);

    if (unlikely(!from))
        return ring_get_pieces(r, c, to, n);
    memcpy(to, from, n);
    return true;
}

static inline bool ring_put(struct ring *r, struct ring_chain *c, const void *from, uint32_t n)
{
    uint8_t *to = is_closing(r->memory) ? NULL : ring_flat_piece(r, c, &c->writable, n);

    if (unlikely(!to))
        return ring_put_pieces(r, c, from, n);
    memcpy(to, from, n);
    c->written += n;
    return true;
}

bool ring_skip(struct ring_chain *c, uint32_t n); /* of the readable part */

/* A byte at the end of the writable part, which is as much shorter from then on: what is put comes before it.
 * False: there is no such byte. ring_put_last() writes it. */
bool ring_reserve_last(struct ring_chain *c, uint64_t *at);

static inline bool ring_write_bytes(const struct ring_memory *m, uint64_t at, const void *from, uint32_t n)
{
    if (!is_flat(m, at, n) || is_closing(m))
        return m->write(m->context, at, from, n);
    memcpy(flat_at(m, at), from, n);
    return true;
}

static inline bool ring_put_last(struct ring *r, struct ring_chain *c, uint64_t at, uint8_t value)
{
    if (!ring_write_bytes(r->memory, at, &value, 1))
        return false;
    c->written += !c->writable.left; /* nothing is missing before it */
    return true;
}

/* Gives a chain back. The driver sees all that were, in this order, at the next ring_publish(). */
void ring_push(struct ring *r, const struct ring_chain *c);
/* Whether the driver wants an interrupt for it. */
bool ring_publish(struct ring *r);

/* Kicks are wanted from the next chain on. True: there is one already, which may come without. */
bool ring_listen(struct ring *r);
/* Kicks are not wanted; there may be some. */
void ring_deafen(struct ring *r);
