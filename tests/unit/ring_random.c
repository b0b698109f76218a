/* SPDX-License-Identifier: BSD-2-Clause */
/* Random drivers that keep the rules, on both formats of a virtqueue. */
#include "tests/unit/ring_of_both.h"

#include "dev/virtio/ring_short.h"

static unsigned random_state = 1;

static unsigned any(unsigned below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

struct sent {
    unsigned id, readable, writable;
};

static struct sent outstanding[RING_MAX_SIZE];
static unsigned out_first, out_count, out_taken, free_slots;

static unsigned send_random(void)
{
    struct buffer b[4];
    unsigned n = 1 + any(4), reads = any(n + 1);
    struct sent s = {0, 0, 0};

    if (n > free_slots)
        return 0;
    for (unsigned i = 0; i < n; i++) {
        b[i] = (struct buffer){any(2) ? 0x10000 + any(0x1000) : RAM_HIGH + any(0x1000), any(50),
                               i < reads ? 0 : F_WRITE};
        *(i < reads ? &s.readable : &s.writable) += b[i].size;
    }
    s.id = offer(b, n);
    drv.slots_of[s.id] = n;
    outstanding[(out_first + out_count++) % RING_MAX_SIZE] = s;
    free_slots -= n;
    return n;
}

/* By the short way, where there is one. */
static bool write_buffer(uint32_t n)
{
    uint16_t id;
    uint8_t *at = n ? ring_peek_buffer(&ring, n, &id) : NULL;

    assert_null(ring_peek_buffer(&ring, n + 1, &id));
    if (!at)
        return false;
    memset(at, 0x55, n);
    ring_give_buffer(&ring, id, n);
    return true;
}

static bool take_pieces(const struct sent *s)
{
    struct ring_pieces p;
    uint32_t sums[2] = {0};

    if (!ring_peek_pieces(&ring, &p))
        return false;
    for (unsigned i = 0; i < p.count; i++)
        sums[i >= p.readable] += p.at[i].size;
    assert_true(p.count && p.count <= RING_PIECES && sums[0] == s->readable && sums[1] == s->writable);
    ring_give_pieces(&ring, &p, s->writable);
    return true;
}

static bool take_next(void)
{
    uint8_t bytes[256] = {0};
    const struct sent *s = &outstanding[out_taken % RING_MAX_SIZE];

    if (any(2) && out_taken < out_first + out_count && (write_buffer(s->writable) || take_pieces(s)))
        return true;
    if (pop() != RING_CHAIN)
        return false;
    assert_true(ring_get(&ring, &chain, bytes, chain.readable.left));
    assert_true(ring_put(&ring, &chain, bytes, chain.writable.left));
    ring_push(&ring, &chain);
    return true;
}

static void take_random(void)
{
    for (unsigned n = any(4); n && take_next(); n--)
        out_taken++;
    assert_null(ring.fault);
    ring_publish(&ring);
}

static void collect(void)
{
    uint32_t written;
    unsigned id;

    while (came_back(&id, &written)) {
        const struct sent *s = &outstanding[out_first++ % RING_MAX_SIZE];

        assert_int_equal(id, s->id);
        assert_int_equal(written, s->writable);
        free_slots += drv.slots_of[id];
        out_count--;
    }
}

static void random_drivers(void **state UNUSED)
{
    for (unsigned size = 4; size <= RING_MAX_SIZE; size *= 2) {
        assert_null(enable_as(size, false, true));
        out_first = out_count = out_taken = 0;
        free_slots = size;
        for (unsigned i = 0; i < 20000; i++) {
            for (unsigned n = any(4); n; n--)
                send_random();
            take_random();
            collect();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(random_drivers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
