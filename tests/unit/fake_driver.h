/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver of one queue that keeps the rules, in the memory of fake_ring.h. `split' says in which format. */
#pragma once

#include "tests/unit/fake_ring.h"

static bool split;

static struct {
    unsigned size, free;  /* split: the next descriptor to use; packed: slot */
    uint16_t avail, seen; /* split: avail.idx, used.idx */
    unsigned used;        /* packed: slot of the next used one */
    bool wrap, used_wrap;
    unsigned slots_of[RING_MAX_SIZE]; /* packed: by id */
} drv;

struct buffer {
    uint64_t at;
    uint32_t size;
    unsigned flags; /* F_WRITE, F_INDIRECT */
};

static void drv_reset(unsigned size)
{
    memset(&drv, 0, sizeof(drv));
    drv.size = size;
    drv.wrap = drv.used_wrap = true;
    memset(ram(DESC_AT), 0, 0x5000);
}

static unsigned phase(bool wrap)
{
    return wrap ? F_AVAIL : F_USED;
}

static unsigned offer_split(const struct buffer *b, unsigned n)
{
    unsigned head = drv.free;

    for (unsigned i = 0; i < n; i++) {
        unsigned next = (drv.free + 1) % drv.size;

        put_desc(DESC_AT, drv.free, b[i].at, b[i].size, b[i].flags | (i + 1 < n ? F_NEXT : 0), next);
        drv.free = next;
    }
    put16(DRIVER_AT + 4 + 2 * (drv.avail % drv.size), head);
    put16(DRIVER_AT + 2, ++drv.avail);
    return head;
}

/* The head's flags last. */
static unsigned offer_packed(const struct buffer *b, unsigned n)
{
    unsigned head = drv.free, id = drv.free, head_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned flags = b[i].flags | (i + 1 < n ? F_NEXT : 0) | phase(drv.wrap);

        if (!i)
            head_flags = flags;
        put_desc(DESC_AT, drv.free, b[i].at, b[i].size, i + 1 < n ? 0xdead : id,
                 i ? flags : get16(DESC_AT + 16 * drv.free + 14));
        if (++drv.free == drv.size) {
            drv.free = 0;
            drv.wrap = !drv.wrap;
        }
    }
    put16(DESC_AT + 16 * head + 14, head_flags);
    drv.slots_of[id] = n;
    return id;
}

static inline unsigned offer(const struct buffer *b, unsigned n)
{
    return split ? offer_split(b, n) : offer_packed(b, n);
}

/* The next that came back; false: none has. */
static inline bool came_back(unsigned *id, uint32_t *written)
{
    uint64_t at = DESC_AT + 16 * drv.used;

    if (split) {
        if (drv.seen == get16(DEVICE_AT + 2))
            return false;
        at = DEVICE_AT + 4 + 8 * (drv.seen++ % drv.size);
        *id = get32(at);
        *written = get32(at + 4);
        return true;
    }
    if (!!(get16(at + 14) & F_AVAIL) != drv.used_wrap || !!(get16(at + 14) & F_USED) != drv.used_wrap)
        return false;
    *id = get16(at + 12);
    *written = get32(at + 8);
    drv.used += drv.slots_of[*id];
    if (drv.used >= drv.size) {
        drv.used -= drv.size;
        drv.used_wrap = !drv.used_wrap;
    }
    return true;
}

static inline void want_event(unsigned count) /* when so many more have come back */
{
    unsigned to = drv.used + count;

    if (split)
        put16(DRIVER_AT + 4 + 2 * drv.size, drv.seen + count);
    else
        put32(DRIVER_AT, (to % drv.size) | ((to >= drv.size) ^ drv.used_wrap ? 0x8000u : 0) | 2 << 16);
}
