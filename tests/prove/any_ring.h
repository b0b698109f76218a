/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An enabled ring of any contents, in areas whose sizes are exact, and a chain for it; a virtqueue's format
 * is proven from each state that its counts can be in, and has to lead to one of those again.
 */
#pragma once

#include "tests/prove/one_cpu.h"

/* Nothing is ordered here. */
#define __atomic_thread_fence(order) ((void)(order))

#include "dev/virtio/ring_inside.h"

#define FLAT 64
#define ROOM 8 /* descriptors */

static bool any_ram(void *context, uint64_t at, uint64_t n)
{
    (void)context;
    (void)at;
    if (!n)
        assertion_failed(__LINE__, "n > 0");
    return any_bool();
}

/* n bytes at the end of some, or at their start: what goes beyond them on either side is seen. */
static void *exactly(uint8_t *bytes, size_t room, size_t n)
{
    if (n > room)
        assertion_failed(__LINE__, "n <= room");
    return any_bool() ? bytes : bytes + (room - n);
}

static void make_chain(struct ring_chain *c, const struct ring_layout *l)
{
    static struct ring_segment segments[ROOM];

    *c = (struct ring_chain){.segments =
                                 exactly((uint8_t *)segments, sizeof(segments), l->size * sizeof(*segments))};
    c->readable = (struct ring_part){any32(), any32(), any32(), any64()};
    c->writable = (struct ring_part){any32(), any32(), any32(), any64()};
    c->written = any32();
    c->id = any16();
    c->slots = any16();
    c->descriptors = any16();
    c->count = any16();
}

static void *any_map(void *context, uint64_t at, size_t n, bool to_write)
{
    static uint8_t mapped[RING_MAX_SIZE * DESC_SIZE];

    (void)context;
    (void)at;
    (void)to_write;
    if (!n)
        assertion_failed(__LINE__, "n > 0");
    if (any_bool())
        return NULL;
    return exactly(mapped, sizeof(mapped), n);
}

static bool any_read(void *context, uint64_t at, void *to, size_t n)
{
    (void)context;
    (void)at;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = any8();
    return any_bool();
}

static bool any_write(void *context, uint64_t at, const void *from, size_t n)
{
    uint8_t sum = 0;

    (void)context;
    (void)at;
    for (size_t i = 0; i < n; i++)
        sum ^= ((const uint8_t *)from)[i];
    return sum && any_bool();
}

static void make_ring(struct ring *r, const struct ring_layout *l)
{
    static uint8_t desc[ROOM * DESC_SIZE], driver[6 + 2 * ROOM], device[6 + 8 * ROOM], flat[FLAT];
    static uintptr_t closing;
    static struct ring_memory memory;

    closing = any64();
    memory = (struct ring_memory){NULL, flat, sizeof(flat), &closing, any_ram, any_map, any_read, any_write};
    *r = (struct ring){.memory = &memory, .works = true, .layout = *l};
    r->desc = exactly(desc, sizeof(desc), l->size * (size_t)DESC_SIZE);
    r->driver = exactly(driver, sizeof(driver), l->packed ? 4 : 6 + 2 * (size_t)l->size);
    r->device = exactly(device, sizeof(device), l->packed ? 4 : 6 + 8 * (size_t)l->size);
    r->next_wrap = any_bool();
    r->used_wrap = any_bool();
    r->first_flags = any16();
}
