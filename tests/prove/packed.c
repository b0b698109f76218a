/* SPDX-License-Identifier: BSD-2-Clause */
/* The packed format: any descriptors and events, in each state that a queue of up to eight can be in. */
#include "tests/prove/any_chain.h"

#include "dev/virtio/packed.c"

#define SIZES 4 /* 1, 2, 4, 8 */

void main(void);

static void pop(struct ring *r)
{
    struct ring_chain c;
    enum ring_pop got;

    make_chain(&c, &r->layout);
    got = packed_pop(r, &c);
    hold_counts(r);
    if (got == RING_CHAIN)
        hold(c.slots > 0 && c.slots <= r->layout.size && c.count <= r->layout.size &&
             c.readable.end <= r->layout.size);
}

/* A chain that was taken before, of each number of slots. */
static void push(struct ring *r)
{
    const struct ring before = *r;
    struct ring_chain c;

    make_chain(&c, &r->layout);
    /*@ loop unroll ROOM; */
    for (uint16_t slots = 1; slots <= before.taken - before.fresh; slots++) {
        *r = before;
        c.slots = slots;
        packed_push(r, &c);
        hold_counts(r);
    }
}

static void publish(struct ring *r)
{
    packed_publish(r);
    hold_counts(r);
}

/* Each number of slots by itself. */
static void give_pieces(struct ring *r)
{
    struct ring_pieces p = {0};

    if (!ring_peek_pieces(r, &p))
        return;
    hold(p.count <= RING_PIECES && p.readable <= RING_PIECES && p.slots > 0 && p.slots <= RING_PIECES);
    /*@ loop unroll RING_PIECES; */
    for (uint16_t slots = 1; slots <= RING_PIECES; slots++) {
        if (p.slots != slots)
            continue;
        p.slots = slots;
        ring_give_pieces(r, &p, any32());
        hold_counts(r);
        return;
    }
}

static void operate(struct ring *r)
{
    switch (Frama_C_interval(0, 6)) {
    case 0: pop(r); break;
    case 1: push(r); break;
    case 2: publish(r); break;
    case 3: packed_listen(r); break;
    case 4: packed_deafen(r); break;
    case 5: give_buffer(r); break;
    default: give_pieces(r); break;
    }
}

static void go_from(const struct ring_layout *l, unsigned taken, unsigned fresh)
{
    struct ring r;

    make_ring(&r, l);
    r.next = (uint16_t)Frama_C_interval(0, l->size - 1);
    r.used = (uint16_t)Frama_C_interval(0, l->size - 1);
    r.first = (uint16_t)Frama_C_interval(0, l->size - 1);
    r.taken = (uint16_t)taken;
    r.fresh = (uint16_t)fresh;
    operate(&r);
    hold(r.next < l->size && r.used < l->size && r.first < l->size);
}

void main(void)
{
    /*@ loop unroll SIZES; */
    for (unsigned order = 0; order < SIZES; order++) {
        struct ring_layout l = {
            .size = (uint16_t)(1u << order), .packed = true, .indirect = any_bool(), .event_idx = any_bool()};

        /*@ loop unroll 9; */
        for (unsigned taken = 0; taken <= l.size; taken++) {
            /*@ loop unroll 9; */
            for (unsigned fresh = 0; fresh <= taken; fresh++)
                go_from(&l, taken, fresh);
        }
    }
}
