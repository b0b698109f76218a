/* SPDX-License-Identifier: BSD-2-Clause */
/* The short way to chains of up to three buffers, on both formats, and what it leaves to ring_pop(). */
#include "tests/unit/ring_of_both.h"

#include "dev/virtio/ring_short.h"

#define QUEUE    8
#define TABLE_AT 0x12000u

static void entry(unsigned i, uint64_t at, uint32_t size, unsigned flags, unsigned next)
{
    if (split)
        put_desc(TABLE_AT, i, at, size, flags, next);
    else
        put_desc(TABLE_AT, i, at, size, 0, flags & ~(unsigned)F_NEXT);
}

static void table_of_two(void)
{
    entry(0, 0x10000, 12, F_NEXT, 1);
    entry(1, 0x10100, 64, 0, 0);
}

static bool peeks(void)
{
    struct ring_pieces p;
    struct ring before = ring;
    bool found = ring_peek_pieces(&ring, &p);

    assert_memory_equal(&ring, &before, sizeof(ring));
    return found;
}

static void set_up_ring(void)
{
    assert_null(enable_as(QUEUE, true, false));
    memset(ram(TABLE_AT), 0, 64);
}

/* Twice round the ring. buffers: where they must be found, of which the first `readable` are that. */
static void takes(const struct buffer *b, unsigned n, const struct buffer *buffers, unsigned count,
                  unsigned readable)
{
    struct ring_pieces p;
    uint32_t written;
    unsigned id, sent;

    set_up_ring();
    for (unsigned k = 0; k < count; k++)
        entry(k, buffers[k].at, buffers[k].size, (k < readable ? 0 : F_WRITE) | (k + 1 < count ? F_NEXT : 0),
              k + 1);
    for (unsigned i = 0; i < 2 * QUEUE + 1; i++) {
        assert_false(peeks());
        sent = offer(b, n);
        assert_true(peeks() && ring_peek_pieces(&ring, &p));
        assert_int_equal(p.count, count);
        assert_int_equal(p.readable, readable);
        for (unsigned k = 0; k < count; k++)
            assert_true(p.at[k].at == buffers[k].at && p.at[k].size == buffers[k].size);
        ring_give_pieces(&ring, &p, i);
        ring_publish(&ring);
        assert_true(came_back(&id, &written));
        assert_int_equal(id, sent);
        assert_int_equal(written, i);
    }
    assert_int_equal(ring.taken, 0);
    assert_int_equal(pop(), RING_EMPTY);
}

static void taken(void **state UNUSED)
{
    for (unsigned count = 1; count <= RING_PIECES; count++) {
        for (unsigned readable = 0; readable <= count; readable++) {
            struct buffer b[] = {{0x10000, 12, 0}, {0x10100, 64, 0}, {0x10200, 1, 0}};
            const struct buffer table = {TABLE_AT, 16 * count, F_INDIRECT};

            for (unsigned k = readable; k < count; k++)
                b[k].flags = F_WRITE;
            takes(b, count, b, count, readable);
            takes(&table, 1, b, count, readable);
        }
    }
}

static void left_alone(void **state UNUSED)
{
    static const struct {
        unsigned count;
        struct buffer b[4];
    } rows[] = {
        {1, {{0x10000, 0, 0}}},
        {1, {{RAM_HIGH, 12, 0}}},
        {1, {{RAM_SIZE - 11, 12, 0}}},
        {1, {{UINT64_MAX, 12, 0}}},
        {2, {{0x10000, 12, F_WRITE}, {0x10100, 64, 0}}},
        {3, {{0x10000, 12, 0}, {0x10100, 64, F_WRITE}, {0x10200, 64, 0}}},
        {2, {{0x10000, 0, 0}, {0x10100, 64, 0}}},
        {2, {{0x10000, 12, 0}, {0x10100, 0, 0}}},
        {2, {{RAM_HIGH, 12, 0}, {0x10100, 64, 0}}},
        {2, {{0x10000, 12, 0}, {RAM_HIGH, 64, 0}}},
        {2, {{0x10000, 12, 0}, {TABLE_AT, 32, F_INDIRECT}}},
        {4, {{0x10000, 12, 0}, {0x10100, 64, 0}, {0x10200, 64, 0}, {0x10300, 64, 0}}},
        {1, {{TABLE_AT, 0, F_INDIRECT}}},
        {1, {{TABLE_AT, 33, F_INDIRECT}}},
        {1, {{TABLE_AT, 64, F_INDIRECT}}},
        {1, {{RAM_HIGH, 32, F_INDIRECT}}},
        {1, {{RAM_SIZE - 16, 32, F_INDIRECT}}},
        {2, {{TABLE_AT, 32, F_INDIRECT}, {0x10100, 64, 0}}},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        set_up_ring();
        table_of_two();
        offer(rows[i].b, rows[i].count);
        assert_false(peeks());
    }
}

static void wrong_entries(void **state UNUSED)
{
    static const struct {
        uint64_t at;
        uint32_t size;
        unsigned flags;
    } rows[] = {
        {0x10100, 64, F_INDIRECT},
        {0x10100, 0, 0},
        {RAM_HIGH, 64, 0},
        {RAM_SIZE - 63, 64, 0},
    };
    const struct buffer table = {TABLE_AT, 32, F_INDIRECT};

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        set_up_ring();
        table_of_two();
        entry(i % 2, rows[i / 2].at, rows[i / 2].size, rows[i / 2].flags | (i % 2 ? 0 : F_NEXT), 1);
        offer(&table, 1);
        assert_false(peeks());
    }
    for (unsigned next = 0; split && next < 4; next++) {
        set_up_ring();
        table_of_two();
        entry(0, 0x10000, 12, F_NEXT, next);
        offer(&table, 1);
        assert_int_equal(peeks(), next == 1);
    }
    set_up_ring();
    table_of_two();
    entry(0, 0x10000, 12, F_NEXT | F_WRITE, 1); /* a readable one behind it */
    offer(&table, 1);
    assert_false(peeks());
    if (split) { /* one entry that counts, and one behind it; a circle */
        entry(0, 0x10000, 12, 0, 1);
        assert_true(peeks());
        entry(0, 0x10000, 12, F_NEXT, 1);
        entry(1, 0x10100, 64, F_NEXT, 0);
        assert_false(peeks());
    }
}

static void not_now(void **state UNUSED)
{
    const struct buffer two[] = {{0x10000, 12, 0}, {0x10100, 64, 0}}, table = {TABLE_AT, 32, F_INDIRECT};

    assert_null(enable_as(QUEUE, false, false)); /* tables are not negotiated */
    table_of_two();
    offer(&table, 1);
    assert_false(peeks());
    assert_null(enable_as(1, true, false)); /* longer than the ring */
    offer(&table, 1);
    assert_false(peeks());
    set_up_ring();
    offer(two, 1);
    ring.taken = QUEUE;
    assert_false(peeks());
    set_up_ring();
    offer(two, 2);
    ring.taken = QUEUE - (split ? 0 : 1); /* there cannot be so many */
    assert_false(peeks());
    ring.taken = 0;
    assert_true(peeks());
    ring.works = false;
    assert_false(peeks());
    ring.works = true;
    put_desc(DESC_AT, QUEUE, 0x10100, 64, 0, 0); /* behind the table */
    if (split)
        put_desc(DESC_AT, 0, 0x10000, 12, F_NEXT, QUEUE);
    else
        put16(DESC_AT + 16 + 14, 0); /* not there to its end */
    assert_false(peeks());
}

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(taken), BOTH(left_alone), BOTH(wrong_entries), BOTH(not_now)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
