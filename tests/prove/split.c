/* SPDX-License-Identifier: BSD-2-Clause */
/* The split format: any descriptors and rings, in each state that a queue of up to eight can be in. */
#include "tests/prove/any_chain.h"

#include "dev/virtio/split.c"

#define SIZES 4 /* 1, 2, 4, 8 */

void main(void);

static void pop(struct ring *r)
{
    struct ring_chain c;
    enum ring_pop got;

    make_chain(&c, &r->layout);
    got = split_pop(r, &c);
    hold_counts(r);
    if (got == RING_CHAIN)
        hold(c.count <= r->layout.size && c.readable.end <= r->layout.size);
}

/* A chain that was taken before. */
static void push(struct ring *r)
{
    struct ring_chain c;

    make_chain(&c, &r->layout);
    if (r->fresh == r->taken)
        return;
    split_push(r, &c);
    hold_counts(r);
}

static void publish(struct ring *r)
{
    split_publish(r);
    hold_counts(r);
}

static void give_pieces(struct ring *r)
{
    struct ring_pieces p = {0};

    if (!ring_peek_pieces(r, &p))
        return;
    hold(p.count <= RING_PIECES && p.readable <= RING_PIECES);
    ring_give_pieces(r, &p, any32());
    hold_counts(r);
}

static void operate(struct ring *r)
{
    switch (Frama_C_interval(0, 6)) {
    case 0: pop(r); break;
    case 1: push(r); break;
    case 2: publish(r); break;
    case 3: split_listen(r); break;
    case 4: split_deafen(r); break;
    case 5: give_buffer(r); break;
    default: give_pieces(r); break;
    }
}

static void go_from(const struct ring_layout *l, unsigned taken, unsigned fresh)
{
    struct ring r;

    make_ring(&r, l);
    r.next = any16();
    r.used = any16();
    r.taken = (uint16_t)taken;
    r.fresh = (uint16_t)fresh;
    operate(&r);
}

void main(void)
{
    /*@ loop unroll SIZES; */
    for (unsigned order = 0; order < SIZES; order++) {
        struct ring_layout l = {
            .size = (uint16_t)(1u << order), .indirect = any_bool(), .event_idx = any_bool()};

        /*@ loop unroll 9; */
        for (unsigned taken = 0; taken <= l.size; taken++) {
            /*@ loop unroll 9; */
            for (unsigned fresh = 0; fresh <= taken; fresh++)
                go_from(&l, taken, fresh);
        }
    }
}
