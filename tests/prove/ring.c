/* SPDX-License-Identifier: BSD-2-Clause */
/* What both formats share: tables of each size, and bytes of chains that lie anywhere. */
#include "tests/prove/any_ring.h"

#define memcpy(to, from, n) prove_copy(to, from, n)

#include "dev/virtio/ring.c"

#define SIZES 4 /* 1, 2, 4, 8 */
#define MOST  3 /* bytes of a buffer */

void main(void);

/* --- the formats have proofs of their own --- */

enum ring_pop split_pop(struct ring *r, struct ring_chain *c)
{
    (void)r;
    c->readable.left = any64();
    return (enum ring_pop)Frama_C_interval(RING_EMPTY, RING_BROKEN);
}

enum ring_pop packed_pop(struct ring *r, struct ring_chain *c)
{
    return split_pop(r, c);
}

void split_push(struct ring *r, const struct ring_chain *c)
{
    (void)r;
    (void)c;
}

void packed_push(struct ring *r, const struct ring_chain *c)
{
    (void)r;
    (void)c;
}

bool split_publish(struct ring *r)
{
    (void)r;
    return any_bool();
}

bool packed_publish(struct ring *r)
{
    (void)r;
    return any_bool();
}

bool split_listen(struct ring *r)
{
    return ring_has_more(r);
}

bool packed_listen(struct ring *r)
{
    return ring_has_more(r);
}

void split_deafen(struct ring *r)
{
    (void)r;
}

void packed_deafen(struct ring *r)
{
    (void)r;
}

/* --- tables --- */

static void add_table(struct ring *r, unsigned size, unsigned before)
{
    struct ring_desc d = {any64(), size, any16(), any16()};
    struct ring_chain c;

    make_chain(&c, &r->layout);
    c.descriptors = (uint16_t)before;
    c.count = (uint16_t)Frama_C_interval(0, (int)before);
    c.readable = c.writable = (struct ring_part){.left = any64()};
    ring_add_table(r, &c, &d);
    if (c.count > r->layout.size || c.descriptors > r->layout.size)
        assertion_failed(__LINE__, "no more than the queue has");
}

static void peek_table(struct ring *r, unsigned size)
{
    struct ring_pieces p = {0};

    /*@ loop unroll FLAT + 1; */
    for (uint64_t at = 0; at <= FLAT; at++) {
        struct ring_desc d = {at, size, any16(), any16()};

        ring_peek_table(r, &p, &d);
    }
}

/* Each length at which a check decides, behind as many descriptors as there can be. */
static void read_tables(const struct ring_layout *l)
{
    struct ring r;

    make_ring(&r, l);
    /*@ loop unroll ROOM + 3; */
    for (unsigned count = 0; count < ROOM + 2u; count++) {
        /*@ loop unroll ROOM + 1; */
        for (unsigned before = 0; before <= l->size; before++) {
            make_ring(&r, l);
            add_table(&r, count * DESC_SIZE, before);
        }
        peek_table(&r, count * DESC_SIZE);
    }
}

/* --- any calls, of a ring that works or not --- */

static void operate(struct ring *r)
{
    struct ring_chain c;

    make_chain(&c, &r->layout);
    r->works = any_bool();
    r->fresh = any16();
    r->next = r->layout.packed ? (uint16_t)Frama_C_interval(0, r->layout.size - 1) : any16();
    switch (Frama_C_interval(0, 6)) {
    case 0: ring_pop(r, &c); break;
    case 1: ring_push(r, &c); break;
    case 2: ring_publish(r); break;
    case 3: ring_listen(r); break;
    case 4: ring_deafen(r); break;
    case 5: ring_begin(r); break;
    default: ring_has_more(r); break;
    }
}

static void enable(void)
{
    struct ring_layout l = {any64(), any64(), any64(), any16(), any_bool(), any_bool(), any_bool()};
    struct ring r, like;

    make_ring(&like, &(struct ring_layout){.size = 1});
    ring_enable(&r, like.memory, &l);
    ring_disable(&r);
}

/* --- bytes of two buffers --- */

static void use_bytes(struct ring *r, struct ring_chain *c, unsigned n)
{
    uint8_t bytes[2 * MOST + 1] = {0};
    const struct ring_chain before = *c;
    uint64_t at;

    ring_get_pieces(r, c, exactly(bytes, sizeof(bytes), n), n);
    *c = before;
    ring_put_pieces(r, c, exactly(bytes, sizeof(bytes), n), n);
    *c = before;
    ring_get(r, c, exactly(bytes, sizeof(bytes), n), n);
    *c = before;
    ring_put(r, c, exactly(bytes, sizeof(bytes), n), n);
    *c = before;
    ring_skip(c, n);
    *c = before;
    if (ring_reserve_last(c, &at) && !ring_put_pieces(r, c, bytes, n))
        ring_put_last(r, c, at, any8());
}

/* The first lies around the end of what needs no function, the other anywhere else. */
static void make_buffers(struct ring_chain *c, struct ring_segment segments[2], unsigned first,
                         unsigned second, unsigned from)
{
    struct ring_part part = {.end = 2, .left = first + second};

    segments[0] = (struct ring_segment){from, first};
    segments[1] = (struct ring_segment){FLAT, second};
    if (!first || !second)
        part.end = 1;
    if (!first)
        segments[0] = segments[1];
    *c = (struct ring_chain){.segments = segments, .readable = part, .writable = part};
}

static void go_through(struct ring *r, unsigned first, unsigned second)
{
    struct ring_segment segments[2];
    struct ring_chain c;

    /*@ loop unroll MOST + 2; */
    for (unsigned from = FLAT - MOST; from <= FLAT + 1; from++) {
        /*@ loop unroll 2 * MOST + 2; */
        for (unsigned n = 1; n <= first + second + 1; n++) {
            make_buffers(&c, segments, first, second, from);
            use_bytes(r, &c, n);
        }
    }
}

static void use_chains(void)
{
    struct ring r;

    make_ring(&r, &(struct ring_layout){.size = 2});
    /*@ loop unroll MOST + 1; */
    for (unsigned first = 0; first <= MOST; first++) {
        /*@ loop unroll MOST + 1; */
        for (unsigned second = !first; second <= MOST; second++)
            go_through(&r, first, second);
    }
}

void main(void)
{
    enable();
    use_chains();
    /*@ loop unroll 2 * SIZES; */
    for (unsigned i = 0; i < 2 * SIZES; i++) {
        struct ring_layout l = {.desc = any64(),
                                .driver = any64(),
                                .device = any64(),
                                .size = (uint16_t)(1u << i / 2),
                                .packed = i % 2,
                                .indirect = any_bool(),
                                .event_idx = any_bool()};
        struct ring r;

        make_ring(&r, &l);
        operate(&r);
        read_tables(&l);
    }
}
