/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two formats of a ring share: for ring.c, split.c and packed.c alone. */
#pragma once

#include "dev/virtio/foreign.h"
#include "dev/virtio/ring.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { DESC_KIND = DESC_NEXT | DESC_WRITE | DESC_INDIRECT };

#define DESC_SIZE 16

/* In the place of the last two the packed format has the buffer's id, and flags. */
struct ring_desc {
    uint64_t at;
    uint32_t size;
    uint16_t flags, next;
};

/* x86 keeps the order of loads and that of stores: these are for the compiler. */
static inline void barrier_loads(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void barrier_stores(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* A store before a load of what the driver writes when it has seen the store. */
static inline void barrier_full(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* "Used Buffer Notification Suppression": an event that lies among the last count of those up to now. */
static inline bool ring_event_due(uint16_t event, uint16_t now, uint16_t count)
{
    return (uint16_t)(now - event - 1) < count;
}

/* Before its first descriptor. */
static inline void ring_begin_chain(struct ring_chain *c)
{
    c->readable = c->writable = (struct ring_part){0};
    c->written = 0;
    c->slots = c->descriptors = c->count = 0;
}

static inline bool ring_add_segment(struct ring *r, struct ring_chain *c, const struct ring_desc *d)
{
    if (!is_flat(r->memory, d->at, d->size) && !r->memory->is_ram(r->memory->context, d->at, d->size))
        return ring_break(r, "buffer outside of RAM");
    c->segments[c->count++] = (struct ring_segment){d->at, d->size};
    if (d->flags & DESC_WRITE) {
        c->writable.left += d->size;
        return true;
    }
    c->readable.left += d->size;
    c->readable.end = c->count;
    return !c->writable.left || ring_break(r, "readable buffer behind a writable one");
}

/* A descriptor that is a buffer; a table of them. False: the ring is broken. */
static inline bool ring_add_buffer(struct ring *r, struct ring_chain *c, const struct ring_desc *d)
{
    if (unlikely(c->descriptors++ == r->layout.size))
        return ring_break(r, "chain that is longer than its ring");
    return unlikely(!d->size) || ring_add_segment(r, c, d);
}

/* The memory of a descriptor that is the whole chain, and has room for n bytes; NULL: it is not, or not flat.
 */
static inline uint8_t *ring_buffer_of(const struct ring *r, const struct ring_desc *d, uint32_t n)
{
    if ((d->flags & DESC_KIND) != DESC_WRITE || d->size < n || d->size == UINT32_MAX ||
        !is_flat(r->memory, d->at, d->size) || is_closing(r->memory))
        return NULL;
    return flat_at(r->memory, d->at);
}

/* A descriptor with these flags, and no others, is the next piece, if it needs no function. */
static inline bool ring_add_piece(const struct ring *r, struct ring_pieces *p, const struct ring_desc *d,
                                  unsigned flags)
{
    if ((d->flags & DESC_KIND) != flags || !d->size || !is_flat(r->memory, d->at, d->size))
        return false;
    p->at[p->count++] = (struct ring_segment){d->at, d->size};
    return true;
}

/* A descriptor that is a table of two pieces. */
bool ring_peek_table(const struct ring *r, struct ring_pieces *p, const struct ring_desc *d);

bool ring_add_table(struct ring *r, struct ring_chain *c, const struct ring_desc *d);

uint8_t *split_peek_buffer(const struct ring *r, uint32_t n, uint16_t *id);
uint8_t *packed_peek_buffer(const struct ring *r, uint32_t n, uint16_t *id);
bool split_peek_pieces(const struct ring *r, struct ring_pieces *p);
bool packed_peek_pieces(const struct ring *r, struct ring_pieces *p);
void split_give(struct ring *r, uint16_t id, uint32_t n);
void packed_give(struct ring *r, uint16_t id, uint16_t slots, uint32_t n);

enum ring_pop split_pop(struct ring *r, struct ring_chain *c);
bool split_has_more(const struct ring *r);
void split_push(struct ring *r, const struct ring_chain *c);
bool split_publish(struct ring *r);
bool split_listen(struct ring *r);
void split_deafen(struct ring *r);

enum ring_pop packed_pop(struct ring *r, struct ring_chain *c);
bool packed_has_more(const struct ring *r);
void packed_push(struct ring *r, const struct ring_chain *c);
bool packed_publish(struct ring *r);
bool packed_listen(struct ring *r);
void packed_deafen(struct ring *r);
