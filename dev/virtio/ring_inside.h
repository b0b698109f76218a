/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two formats of a ring share: for them, and for the short way to both. */
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
    if (unlikely(c->descriptors == r->layout.size))
        return ring_break(r, "chain that is longer than its ring");
    c->descriptors++;
    return unlikely(!d->size) || ring_add_segment(r, c, d);
}

bool ring_add_table(struct ring *r, struct ring_chain *c, const struct ring_desc *d);

enum ring_pop split_pop(struct ring *r, struct ring_chain *c);
void split_push(struct ring *r, const struct ring_chain *c);
bool split_publish(struct ring *r);
bool split_listen(struct ring *r);
void split_deafen(struct ring *r);

enum ring_pop packed_pop(struct ring *r, struct ring_chain *c);
void packed_push(struct ring *r, const struct ring_chain *c);
bool packed_publish(struct ring *r);
bool packed_listen(struct ring *r);
void packed_deafen(struct ring *r);
