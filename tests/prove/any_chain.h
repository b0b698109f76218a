/* SPDX-License-Identifier: BSD-2-Clause */
/* What a format builds its chains with, by contract: ring.c has a proof of its own. */
#pragma once

#include "dev/virtio/ring_short.h"
#include "tests/prove/any_ring.h"

bool ring_break(struct ring *r, const char *why)
{
    r->fault = why;
    r->works = false;
    return false;
}

/* Up to as many entries as the ring has descriptors, of which those that are empty are no segments. */
bool ring_add_table(struct ring *r, struct ring_chain *c, const struct ring_desc *d)
{
    unsigned added = (unsigned)Frama_C_interval(0, ROOM);

    (void)d;
    if (c->count > c->descriptors || c->descriptors > r->layout.size)
        assertion_failed(__LINE__, "there is room for what may come");
    if (any_bool())
        return ring_break(r, "proof");
    c->count = (uint16_t)MIN(added, r->layout.size);
    c->readable.end = any_bool() ? c->count : c->readable.end;
    c->readable.left = any64();
    c->writable.left = any64();
    return true;
}

bool ring_peek_table(const struct ring *r, struct ring_pieces *p, const struct ring_desc *d)
{
    (void)r;
    (void)d;
    p->count = p->readable = 0;
    return any_bool();
}

/* --- what holds for both, and what both are driven by --- */

static void hold(bool rule)
{
    if (!rule)
        assertion_failed(__LINE__, "a rule of the ring");
}

/* The counts are those of a state again. */
static void hold_counts(const struct ring *r)
{
    hold(r->taken <= r->layout.size && r->fresh <= r->taken);
}

static void give_buffer(struct ring *r)
{
    uint16_t id;

    if (!ring_peek_buffer(r, any32(), &id))
        return;
    ring_give_buffer(r, id, any32());
    hold_counts(r);
}
