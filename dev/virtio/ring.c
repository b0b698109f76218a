/* SPDX-License-Identifier: BSD-2-Clause */
/* What both formats of a ring have: where it lies, chains of buffers, and the bytes in them. */
#include "dev/virtio/ring.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "dev/virtio/ring_short.h"

/* --- where it lies --- */

struct area {
    uint64_t at;
    uint64_t size;
    unsigned alignment;
};

static void find_areas(const struct ring_layout *l, struct area areas[3])
{
    uint64_t n = l->size;

    areas[0] = (struct area){l->desc, n * DESC_SIZE, 16};
    areas[1] = l->packed ? (struct area){l->driver, 4, 4} : (struct area){l->driver, 6 + 2 * n, 2};
    areas[2] = (struct area){l->device, l->packed ? 4 : 6 + 8 * n, 4};
}

/* NULL, or what is wrong with one of them. */
static const char *map_areas(struct ring *r)
{
    void **const maps[] = {&r->desc, &r->driver, &r->device};
    struct area areas[3];

    find_areas(&r->layout, areas);
    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++) {
        bool to_write = i == 2 || (i == 0 && r->layout.packed);

        if (areas[i].at % areas[i].alignment)
            return "ring that is not aligned";
        *maps[i] = r->memory->map(r->memory->context, areas[i].at, areas[i].size, to_write);
        if (!*maps[i])
            return "ring outside of RAM";
    }
    return NULL;
}

const char *ring_enable(struct ring *r, const struct ring_memory *memory, const struct ring_layout *l)
{
    const char *why;

    if (!l->size || l->size > RING_MAX_SIZE || (l->size & (l->size - 1)))
        return "ring of a size that is no power of two";
    *r = (struct ring){.memory = memory, .layout = *l, .next_wrap = true, .used_wrap = true};
    why = map_areas(r);
    if (why)
        *r = (struct ring){0};
    r->works = !why;
    return why;
}

void ring_disable(struct ring *r)
{
    *r = (struct ring){0};
}

bool ring_break(struct ring *r, const char *why)
{
    if (!r->fault)
        r->fault = why;
    r->works = false;
    return false;
}

/* Rings are mapped while they are enabled, and what they are mapped to may be closed meanwhile. */
static COLD bool check_open(struct ring *r)
{
    const char *why = map_areas(r);

    return !why || ring_break(r, why);
}

bool ring_begin(struct ring *r)
{
    return !is_closing(r->memory) || !r->works || check_open(r);
}

/* --- chains --- */

static inline void read_words(const uint8_t *at, uint64_t words[2])
{
    words[0] = foreign_read64(at);
    words[1] = foreign_read64(at + 8);
}

/* The packed format has an id, which means nothing here, and flags. */
static inline struct ring_desc entry_of(const struct ring *r, const uint64_t words[2])
{
    return (struct ring_desc){words[0], (uint32_t)words[1],
                              (uint16_t)(words[1] >> (r->layout.packed ? 48 : 32)),
                              (uint16_t)(words[1] >> 48)};
}

static bool read_entry(struct ring *r, const uint8_t *table, uint64_t at, struct ring_desc *d)
{
    uint64_t words[2];

    if (table) {
        read_words(table, words);
    } else if (!r->memory->read(r->memory->context, at, words, sizeof(words))) {
        return ring_break(r, "table outside of RAM");
    }
    *d = entry_of(r, words);
    return true;
}

/* The packed format takes its entries in their order. */
static bool add_entries(struct ring *r, struct ring_chain *c, uint64_t at, unsigned count)
{
    const uint8_t *table = r->memory->map(r->memory->context, at, (size_t)count * DESC_SIZE, false);
    struct ring_desc d = {.flags = DESC_NEXT};

    for (unsigned i = 0; r->layout.packed ? i < count : d.flags & DESC_NEXT;
         i = r->layout.packed ? i + 1 : d.next) {
        if (i >= count)
            return ring_break(r, "next entry outside of its table");
        i = (unsigned)index_nospec(i, count);
        if (!read_entry(r, table ? table + i * DESC_SIZE : NULL, at + i * DESC_SIZE, &d))
            return false;
        if (d.flags & DESC_INDIRECT)
            return ring_break(r, "table in a table");
        if (!ring_add_buffer(r, c, &d))
            return false;
    }
    return true;
}

bool ring_add_table(struct ring *r, struct ring_chain *c, const struct ring_desc *d)
{
    if (!r->layout.indirect)
        return ring_break(r, "table that was not negotiated");
    if (d->flags & DESC_NEXT)
        return ring_break(r, "table that has a next descriptor");
    if (!d->size || d->size % DESC_SIZE || d->size / DESC_SIZE > r->layout.size)
        return ring_break(r, "table of a size that cannot be");
    if (!r->memory->is_ram(r->memory->context, d->at, d->size))
        return ring_break(r, "table outside of RAM");
    return add_entries(r, c, d->at, d->size / DESC_SIZE);
}

bool ring_peek_table(const struct ring *r, struct ring_pieces *p, const struct ring_desc *d)
{
    unsigned count = d->size / DESC_SIZE, n = 0, readable = 0, i = 0;
    struct ring_desc e = {.flags = DESC_NEXT};
    const uint8_t *table;
    uint64_t words[2];

    if (!r->layout.indirect || (d->flags & DESC_NEXT) || !count || d->size % DESC_SIZE ||
        count > MIN(r->layout.size, RING_PIECES) || !is_flat(r->memory, d->at, d->size))
        return false;
    table = flat_at(r->memory, d->at);
    for (bool more = true; more; i = r->layout.packed ? i + 1 : e.next) {
        if (i >= count)
            return false;
        read_words(table + index_nospec(i, count) * DESC_SIZE, words);
        e = entry_of(r, words);
        if (!ring_is_piece(r, &e, n, readable))
            return false;
        ring_set_piece(r, p, n++, &e);
        readable += !(e.flags & DESC_WRITE);
        more = r->layout.packed ? i + 1 < count : (e.flags & DESC_NEXT) != 0;
    }
    return ring_end_pieces(p, n, readable);
}

/* The writable part stands behind the readable one. More than 32 bits can say is nothing that a device can
 * take. */
static void end_chain(struct ring_chain *c)
{
    c->writable.segment = c->readable.end;
    c->writable.end = c->count;
    if (unlikely(c->readable.left + c->writable.left >= UINT32_MAX))
        c->readable = c->writable = (struct ring_part){0};
}

enum ring_pop ring_pop(struct ring *r, struct ring_chain *c)
{
    enum ring_pop got;

    if (unlikely(!r->works))
        return r->fault ? RING_BROKEN : RING_EMPTY;
    got = r->layout.packed ? packed_pop(r, c) : split_pop(r, c);
    if (got == RING_CHAIN)
        end_chain(c);
    return got;
}

/* --- bytes --- */

/* The next piece of at most n bytes, which is done then. */
static inline uint32_t take_piece(struct ring_chain *c, struct ring_part *part, uint32_t n, uint64_t *at)
{
    const struct ring_segment *s = &c->segments[part->segment];
    uint32_t step = MIN(n, s->size - part->done);

    ASSERT(part->segment < part->end && step > 0);
    *at = s->at + part->done;
    part->done += step;
    part->left -= step;
    if (part->done == s->size) {
        part->segment++;
        part->done = 0;
    }
    return step;
}

static inline bool read_bytes(const struct ring_memory *m, uint64_t at, void *to, uint32_t n)
{
    if (!is_flat(m, at, n))
        return m->read(m->context, at, to, n);
    memcpy(to, flat_at(m, at), n);
    return true;
}

bool ring_get_pieces(struct ring *r, struct ring_chain *c, void *to, uint32_t n)
{
    uint64_t at;

    if (n > c->readable.left)
        return false;
    for (uint32_t step; n; n -= step, to = (uint8_t *)to + step) {
        step = take_piece(c, &c->readable, n, &at);
        if (!read_bytes(r->memory, at, to, step))
            return false;
    }
    return true;
}

bool ring_skip(struct ring_chain *c, uint32_t n)
{
    uint64_t at;

    if (n > c->readable.left)
        return false;
    while (n)
        n -= take_piece(c, &c->readable, n, &at);
    return true;
}

bool ring_put_pieces(struct ring *r, struct ring_chain *c, const void *from, uint32_t n)
{
    uint64_t at;

    if (n > c->writable.left)
        return false;
    for (uint32_t step; n; n -= step, from = (const uint8_t *)from + step) {
        step = take_piece(c, &c->writable, n, &at);
        if (!ring_write_bytes(r->memory, at, from, step))
            return false;
        c->written += step;
    }
    return true;
}

bool ring_reserve_last(struct ring_chain *c, uint64_t *at)
{
    struct ring_segment *s;

    if (!c->writable.left)
        return false;
    s = &c->segments[c->writable.end - 1];
    c->writable.left--;
    *at = s->at + --s->size;
    if (!s->size)
        c->writable.end--;
    return true;
}

/* --- the two formats --- */

void ring_push(struct ring *r, const struct ring_chain *c)
{
    if (unlikely(!r->works))
        return;
    if (r->layout.packed)
        packed_push(r, c);
    else
        split_push(r, c);
}

bool ring_publish(struct ring *r)
{
    if (unlikely(!r->works) || !r->fresh)
        return false;
    return r->layout.packed ? packed_publish(r) : split_publish(r);
}

bool ring_listen(struct ring *r)
{
    if (unlikely(!r->works))
        return false;
    return r->layout.packed ? packed_listen(r) : split_listen(r);
}

void ring_deafen(struct ring *r)
{
    if (unlikely(!r->works))
        return;
    if (r->layout.packed)
        packed_deafen(r);
    else
        split_deafen(r);
}
