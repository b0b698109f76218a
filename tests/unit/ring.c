/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both formats of a virtqueue against a driver that keeps the rules, and against each that breaks one. A
 * test runs once for each format; `split' says for which.
 */
#include "tests/unit/ring_of_both.h"

#include "dev/virtio/ring_short.h"

#define QUEUE 8

/* --- a chain that is all right --- */

static void echo_once(unsigned first_size)
{
    const struct buffer b[] = {{0x10000, first_size, 0},
                               {0x10100, 0, 0},
                               {RAM_HIGH + 0x100, 5, 0},
                               {0x11000, 2, F_WRITE},
                               {RAM_HIGH + RAM_SIZE - 9, 9, F_WRITE}};
    uint8_t bytes[64];
    uint32_t written;
    unsigned id = offer(b, 5), got;

    memset(ram(0x10000), 'a', first_size);
    memset(ram(RAM_HIGH + 0x100), 'b', 5);
    assert_true(ring_has_more(&ring));
    assert_int_equal(pop(), RING_CHAIN);
    assert_int_equal(chain.readable.left, first_size + 5);
    assert_int_equal(chain.writable.left, 11);
    assert_false(ring_get(&ring, &chain, bytes, first_size + 6));
    assert_true(ring_get(&ring, &chain, bytes, 1));
    assert_true(ring_skip(&chain, first_size - 2));
    assert_true(ring_get(&ring, &chain, bytes, 6));
    assert_memory_equal(bytes, "abbbbb", 6);
    assert_false(ring_get(&ring, &chain, bytes, 1));
    assert_true(ring_put(&ring, &chain, "0123", 4));
    assert_false(ring_put(&ring, &chain, bytes, 8));
    assert_true(ring_put(&ring, &chain, "456789x", 7));
    assert_false(ring_put(&ring, &chain, bytes, 1));
    assert_memory_equal(ram(0x11000), "01", 2);
    assert_memory_equal(ram(RAM_HIGH + RAM_SIZE - 9), "23456789x", 9);
    ring_push(&ring, &chain);
    assert_false(came_back(&got, &written));
    assert_true(ring_publish(&ring));
    assert_true(came_back(&got, &written));
    assert_int_equal(got, id);
    assert_int_equal(written, 11);
    assert_int_equal(pop(), RING_EMPTY);
}

/* Round the ring many times, past 65536. */
static void echo(void **state UNUSED)
{
    assert_null(enable_as(QUEUE, false, false));
    assert_int_equal(pop(), RING_EMPTY);
    for (unsigned i = 0; i < 70000; i++)
        echo_once(2 + i % 7);
}

static void tables(void **state UNUSED)
{
    uint64_t places[] = {0x12000, 0x12004, RAM_GAP - 24}; /* the last one is not in one piece */

    assert_null(enable_as(QUEUE, true, false));
    for (unsigned p = 0; p < ARRAY_SIZE(places); p++) {
        for (unsigned i = 0; i < 3 * QUEUE; i++) {
            const struct buffer b = {places[p], 3 * 16, F_INDIRECT | (i & 1 ? F_WRITE : 0)};

            /* In the packed format neither flags nor the last word say more than the direction. */
            put_desc(places[p], 0, 0x10000, 7, split ? F_NEXT : 0xffff, split ? 2 : F_NEXT | F_AVAIL);
            put_desc(places[p], split ? 2 : 1, 0x10800, 1, split ? F_NEXT : 1, split ? 1 : F_USED);
            put_desc(places[p], split ? 1 : 2, 0x11000, 3, split ? F_WRITE : 2, split ? 9999 : F_WRITE);
            offer(&b, 1);
            assert_int_equal(pop(), RING_CHAIN);
            assert_int_equal(chain.readable.left, 8);
            assert_int_equal(chain.writable.left, 3);
            assert_int_equal(chain.descriptors, 3);
            ring_push(&ring, &chain);
            ring_publish(&ring);
        }
    }
}

static void last_byte(void **state UNUSED)
{
    const struct buffer b[] = {{0x10000, 4, 0}, {0x11000, 2, F_WRITE}, {0x12000, 1, F_WRITE}};
    uint64_t at;

    assert_null(enable_as(QUEUE, false, false));
    offer(b, 3);
    assert_int_equal(pop(), RING_CHAIN);
    assert_true(ring_reserve_last(&chain, &at));
    assert_int_equal(at, 0x12000);
    assert_int_equal(chain.writable.left, 2);
    assert_true(ring_put_last(&ring, &chain, at, 0x77));
    assert_int_equal(*ram(0x12000), 0x77);
    assert_int_equal(chain.written, 0); /* the two before it were not */
    assert_true(ring_put(&ring, &chain, "hi", 2));
    assert_true(ring_put_last(&ring, &chain, at, 0x78));
    assert_int_equal(chain.written, 3);
    assert_false(ring_reserve_last(&chain, &at));
    ring_push(&ring, &chain);
    offer(b, 1);
    assert_int_equal(pop(), RING_CHAIN);
    assert_false(ring_reserve_last(&chain, &at));
}

/* Several chains with one publication: the driver sees none, then all. */
static void batches(void **state UNUSED)
{
    const struct buffer b[] = {{0x11000, 4, F_WRITE}, {0x12000, 4, F_WRITE}};
    unsigned ids[3], id;
    uint32_t written;

    assert_null(enable_as(QUEUE, false, true));
    for (unsigned round = 0; round < 1000; round++) {
        want_event(3);
        for (unsigned i = 0; i < 3; i++)
            ids[i] = offer(b, 1 + i % 2);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(pop(), RING_CHAIN);
            assert_true(ring_put(&ring, &chain, "abcd", i));
            ring_push(&ring, &chain);
        }
        assert_false(came_back(&id, &written));
        ring_publish(&ring);
        for (unsigned i = 0; i < 3; i++) {
            assert_true(came_back(&id, &written));
            assert_int_equal(id, ids[i]);
            assert_int_equal(written, i);
        }
        assert_false(came_back(&id, &written));
        assert_false(ring_publish(&ring)); /* nothing new */
    }
}

/* --- interrupts and kicks --- */

static bool one_back(void)
{
    const struct buffer b = {0x11000, 4, F_WRITE};
    uint32_t written;
    unsigned id;
    bool wanted;

    offer(&b, 1);
    assert_int_equal(pop(), RING_CHAIN);
    ring_push(&ring, &chain);
    wanted = ring_publish(&ring);
    assert_true(came_back(&id, &written));
    return wanted;
}

static void interrupt_flags(void **state UNUSED)
{
    assert_null(enable_as(QUEUE, false, false));
    for (unsigned i = 0; i < 20; i++) {
        bool off = i % 3 == 1;

        if (split)
            put16(DRIVER_AT, off | 0xfffe);
        else
            put32(DRIVER_AT, off << 16 | (i % 3 == 2 ? 3u << 16 : 0)); /* 3 is reserved: enabled */
        assert_int_equal(one_back(), !off);
    }
}

static void interrupt_events(void **state UNUSED)
{
    assert_null(enable_as(QUEUE, false, true));
    if (split)
        put16(DRIVER_AT, 1); /* has no say */
    for (unsigned i = 0; i < 70000; i++) {
        unsigned count = i % QUEUE;

        want_event(count);
        for (unsigned n = 0; n <= count; n++)
            assert_int_equal(one_back(), n == count);
    }
}

static void kick_wishes(void **state UNUSED)
{
    const struct buffer b = {0x11000, 4, F_WRITE};

    for (unsigned event = 0; event < 2; event++) {
        assert_null(enable_as(QUEUE, false, event));
        for (unsigned i = 0; i < 20; i++) {
            assert_false(ring_listen(&ring));
            if (split)
                assert_int_equal(event ? get16(DEVICE_AT + 4 + 8 * QUEUE) : get16(DEVICE_AT), event ? i : 0);
            else
                assert_int_equal(get32(DEVICE_AT),
                                 event ? i % QUEUE | (i / QUEUE % 2 ? 0 : 0x8000u) | 2u << 16 : 0);
            ring_deafen(&ring);
            if (split)
                assert_int_equal(event ? get16(DEVICE_AT + 4 + 8 * QUEUE) : get16(DEVICE_AT),
                                 event ? i + 0x8000 : 1);
            else
                assert_int_equal(get32(DEVICE_AT), 1u << 16);
            offer(&b, 1);
            assert_true(ring_listen(&ring));
            assert_int_equal(pop(), RING_CHAIN);
            ring_push(&ring, &chain);
            ring_publish(&ring);
        }
    }
}

/* --- what is wrong: NFV's catalogue of malformed input --- */

static void expect_broken(const char *why)
{
    assert_int_equal(pop(), RING_BROKEN);
    assert_string_equal(ring.fault, why);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pop(), RING_BROKEN); /* and stays so */
    assert_false(ring_has_more(&ring));
    assert_false(ring_listen(&ring));
    ring_push(&ring, &chain);
    assert_false(ring_publish(&ring));
    assert_string_equal(ring.fault, why);
    assert_null(enable_as(QUEUE, true, false)); /* until it is enabled anew */
    assert_int_equal(pop(), RING_EMPTY);
}

static void loops(void **state UNUSED)
{
    const struct buffer b = {0x10000, 4, 0};

    assert_null(enable_as(QUEUE, true, false));
    offer(&b, 1);
    if (!split) { /* a packed ring has no loops but past its own end */
        for (unsigned i = 0; i < QUEUE; i++)
            put_desc(DESC_AT, i, 0x10000, 4, 0, F_NEXT | F_AVAIL);
        for (unsigned spin = 0; spin < 2; spin++)
            put16(DESC_AT + 14, F_NEXT | F_AVAIL);
        expect_broken("chain that is not available to its end");
        return;
    }
    put_desc(DESC_AT, 0, 0x10000, 4, F_NEXT, 0);
    expect_broken("chain that is longer than its ring");
    offer(&b, 1);
    put_desc(DESC_AT, 0, 0x10000, 0, F_NEXT, 1); /* of buffers without a byte */
    put_desc(DESC_AT, 1, 0x10000, 0, F_NEXT, 0);
    expect_broken("chain that is longer than its ring");
    offer(&b, 1);
    put_desc(DESC_AT, 0, 0x12000, 16, F_INDIRECT, 0);
    put_desc(0x12000, 0, 0x10000, 0, F_NEXT, 0);
    expect_broken("chain that is longer than its ring");
}

static void long_chains(void **state UNUSED)
{
    struct buffer b = {0x12000, (QUEUE + 1) * 16, F_INDIRECT};
    struct buffer direct[QUEUE];

    assert_null(enable_as(QUEUE, true, false));
    offer(&b, 1);
    expect_broken("table of a size that cannot be");
    b.size = 0x100000;
    offer(&b, 1);
    expect_broken("table of a size that cannot be");
    for (unsigned i = 0; i < QUEUE; i++)
        direct[i] = (struct buffer){0x10000, 1, 0};
    offer(direct, QUEUE); /* just as long as can be */
    assert_int_equal(pop(), RING_CHAIN);
    assert_int_equal(chain.readable.left, QUEUE);
    assert_null(enable_as(QUEUE, true, false));
    direct[QUEUE - 1] = (struct buffer){0x12000, 2 * 16, F_INDIRECT};
    put_desc(0x12000, 0, 0x10000, 1, F_NEXT, split ? 1 : 0);
    put_desc(0x12010, 0, 0x10000, 1, 0, 0);
    offer(direct, QUEUE); /* one more, in a table */
    expect_broken("chain that is longer than its ring");
}

static void outside(void **state UNUSED)
{
    const struct buffer b = {0x10000, 1, 0};

    if (!split)
        return;
    assert_null(enable_as(QUEUE, true, false));
    offer(&b, 1);
    put_desc(DESC_AT, 0, 0x10000, 4, F_NEXT, QUEUE);
    expect_broken("descriptor outside of its table");
    offer(&b, 1);
    put16(DRIVER_AT + 4, QUEUE);
    expect_broken("descriptor outside of its table");
    offer(&b, 1);
    put16(DRIVER_AT + 4, 0xffff);
    expect_broken("descriptor outside of its table");
    offer(&b, 1);
    put_desc(DESC_AT, 0, 0x12000, 32, F_INDIRECT, 0);
    put_desc(0x12000, 0, 0x10000, 4, F_NEXT, 2);
    expect_broken("next entry outside of its table");
}

/* What the short way to write to a buffer leaves to ring_pop(). */
static void short_way(void **state UNUSED)
{
    const struct buffer good = {0x10000, 20, F_WRITE}, others[] = {{0x10000, 20, 0},
                                                                   {0x10000, 0, F_WRITE},
                                                                   {RAM_HIGH, 20, F_WRITE},
                                                                   {0x12000, 16, F_INDIRECT | F_WRITE},
                                                                   {RAM_SIZE - 19, 20, F_WRITE}};
    uint32_t written;
    unsigned got;
    uint16_t id;

    assert_null(enable_as(QUEUE, true, false));
    assert_null(ring_peek_buffer(&ring, 1, &id));
    offer(&good, 1);
    assert_null(ring_peek_buffer(&ring, 21, &id));
    guest_closes = 1;
    assert_null(ring_peek_buffer(&ring, 20, &id));
    guest_closes = 0;
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(ring_peek_buffer(&ring, 20, &id), ram(0x10000)); /* nothing is taken */
    ring_give_buffer(&ring, id, 7);
    assert_null(ring_peek_buffer(&ring, 1, &id));
    ring_publish(&ring);
    assert_true(came_back(&got, &written));
    assert_int_equal(written, 7);
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        assert_null(enable_as(QUEUE, true, false));
        offer(&others[i], 1);
        assert_null(ring_peek_buffer(&ring, 1, &id));
    }
    assert_null(enable_as(QUEUE, true, false));
    offer((const struct buffer[]){good, good}, 2);
    assert_null(ring_peek_buffer(&ring, 1, &id));
    ring.works = false;
    assert_null(ring_peek_buffer(&ring, 1, &id));
}

/* The same rules where each chain is one buffer. */
static void one_buffer(void **state UNUSED)
{
    const struct buffer b = {0x10000, 4, 0}, nothing = {0x10000, 0, 0}, all = {0x10000, UINT32_MAX, 0};

    assert_null(enable_as(QUEUE, false, false));
    for (unsigned i = 0; i < QUEUE; i++) {
        offer(&b, 1);
        assert_int_equal(pop(), RING_CHAIN);
        assert_int_equal(chain.readable.left, 4);
    }
    offer(&b, 1); /* none has come back */
    expect_broken("more chains than descriptors");
    if (split) {
        offer(&b, 1);
        put_desc(DESC_AT, QUEUE, 0x10000, 4, 0, 0); /* behind the table */
        put16(DRIVER_AT + 4, QUEUE);
        expect_broken("descriptor outside of its table");
    }
    offer(&all, 1);
    expect_broken("buffer outside of RAM");
    offer(&nothing, 1);
    assert_int_equal(pop(), RING_CHAIN);
    assert_int_equal(chain.count, 0);
    assert_int_equal(chain.readable.left + chain.readable.end, 0);
}

static void moved_idx(void **state UNUSED)
{
    const struct buffer b = {0x10000, 1, 0};

    if (!split)
        return;
    assert_null(enable_as(QUEUE, false, false));
    put16(DRIVER_AT + 2, QUEUE); /* all of it is what there can be */
    for (unsigned i = 0; i < QUEUE; i++)
        assert_int_equal(pop(), RING_CHAIN);
    assert_int_equal(pop(), RING_EMPTY);
    put16(DRIVER_AT + 2, QUEUE + 1); /* and none has come back */
    expect_broken("more chains than descriptors");
    put16(DRIVER_AT + 2, QUEUE + 1);
    expect_broken("more chains than descriptors");
    put16(DRIVER_AT + 2, 0x8000);
    expect_broken("more chains than descriptors");
    offer(&b, 1);
    assert_int_equal(pop(), RING_CHAIN);
    put16(DRIVER_AT + 2, 0);
    expect_broken("more chains than descriptors");
}

static void addresses(void **state UNUSED)
{
    static const struct {
        struct buffer b;
        bool good;
    } rows[] = {
        {{0, 1, 0}, true},
        {{0, 16, F_WRITE}, true},
        {{RAM_SIZE - 1, 1, 0}, true},
        {{RAM_SIZE, 1, 0}, false},
        {{RAM_SIZE - 1, 2, 0}, false},
        {{RAM_SIZE - 1, 2, F_WRITE}, false},
        {{0x10000, UINT32_MAX, F_WRITE}, false},
        {{UINT64_MAX, 1, 0}, false},
        {{UINT64_MAX - 0xfff, 0x2000, 0}, false},
        {{RAM_HIGH - 1, 2, F_WRITE}, false},
        {{RAM_HIGH, RAM_SIZE, F_WRITE}, true},
        {{RAM_HIGH, RAM_SIZE + 1, F_WRITE}, false},
        {{0xfee00000, 4, F_WRITE}, false},
        {{DESC_AT, 16, F_WRITE}, true}, /* its own ring is its own RAM */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_null(enable_as(QUEUE, true, false));
        offer(&rows[i].b, 1);
        if (rows[i].good)
            assert_int_equal(pop(), RING_CHAIN);
        else
            expect_broken("buffer outside of RAM");
    }
}

static void no_bytes(void **state UNUSED)
{
    const struct buffer b[] = {{UINT64_MAX, 0, 0}, {0x10000, 0, F_WRITE}};
    uint32_t written;
    unsigned id;
    uint64_t at;

    assert_null(enable_as(QUEUE, false, false));
    offer(b, 2);
    assert_int_equal(pop(), RING_CHAIN);
    assert_int_equal(chain.readable.left + chain.writable.left, 0);
    assert_false(ring_reserve_last(&chain, &at));
    assert_false(ring_put(&ring, &chain, "x", 1));
    ring_push(&ring, &chain);
    ring_publish(&ring);
    assert_true(came_back(&id, &written));
    assert_int_equal(written, 0);
}

static void order_of_directions(void **state UNUSED)
{
    const struct buffer b[] = {{0x10000, 4, F_WRITE}, {0x10000, 4, 0}};

    assert_null(enable_as(QUEUE, true, false));
    offer(b, 2);
    expect_broken("readable buffer behind a writable one");
}

static void wrong_tables(void **state UNUSED)
{
    static const struct {
        struct buffer b;
        const char *why;
    } rows[] = {
        {{0x12000, 0, F_INDIRECT}, "table of a size that cannot be"},
        {{0x12000, 24, F_INDIRECT}, "table of a size that cannot be"},
        {{0x12000, UINT32_MAX - 15, F_INDIRECT}, "table of a size that cannot be"},
        {{0x12000, 16, F_INDIRECT | F_NEXT}, "table that has a next descriptor"},
        {{RAM_SIZE - 16, 32, F_INDIRECT}, "table outside of RAM"},
        {{UINT64_MAX - 7, 16, F_INDIRECT}, "table outside of RAM"},
        {{0x13000, 16, F_INDIRECT}, "table in a table"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_null(enable_as(QUEUE, true, false));
        put_desc(0x13000, 0, 0x12000, 16, F_INDIRECT, F_INDIRECT);
        offer(&rows[i].b, 1);
        expect_broken(rows[i].why);
    }
    assert_null(enable_as(QUEUE, false, false));
    offer(&(struct buffer){0x12000, 16, F_INDIRECT}, 1);
    expect_broken("table that was not negotiated");
    /* A table that overlaps the ring is RAM, and read as it stands. */
    offer(&(struct buffer){DEVICE_AT + 0x800, 16, F_INDIRECT}, 1);
    put_desc(DEVICE_AT + 0x800, 0, 0x10000, 4, 0, 0);
    assert_int_equal(pop(), RING_CHAIN);
}

static void same_head(void **state UNUSED)
{
    const struct buffer b = {0x11000, 4, F_WRITE};
    uint32_t written;
    unsigned id;

    if (!split)
        return;
    assert_null(enable_as(QUEUE, false, false));
    offer(&b, 1);
    for (unsigned i = 0; i < QUEUE; i++)
        put16(DRIVER_AT + 4 + 2 * i, 0);
    for (unsigned i = 0; i < 3 * QUEUE; i++) { /* each as it is given */
        put16(DRIVER_AT + 2, i + 1);
        assert_int_equal(pop(), RING_CHAIN);
        ring_push(&ring, &chain);
        ring_publish(&ring);
        assert_true(came_back(&id, &written));
    }
}

/* What the device keeps is its own. */
static void scribbled(void **state UNUSED)
{
    assert_null(enable_as(QUEUE, false, false));
    for (unsigned i = 0; i < 100; i++) {
        if (split) {
            memset(ram(DEVICE_AT), (int)i, 6 + 8 * QUEUE);
            drv.seen = (uint16_t)i;
        } else {
            memset(ram(DEVICE_AT), (int)i, 4);
        }
        one_back();
    }
}

static void garbage_events(void **state UNUSED)
{
    assert_null(enable_as(QUEUE, false, true));
    for (unsigned i = 0; i < 70000; i++) {
        if (split)
            put16(DRIVER_AT + 4 + 2 * QUEUE, i * 7919);
        else
            put32(DRIVER_AT, i * 7919 + (i << 16));
        one_back();
    }
}

static void packed_phases(void **state UNUSED)
{
    const struct buffer b[] = {{0x10000, 4, 0}, {0x10000, 4, 0}, {0x10000, 4, 0}};

    if (split)
        return;
    assert_null(enable_as(QUEUE, false, false));
    for (unsigned flags = 0; flags < 3; flags++) {
        put_desc(DESC_AT, 0, 0x10000, 4, 0, (const unsigned[]){0, F_USED, F_AVAIL | F_USED}[flags]);
        assert_int_equal(pop(), RING_EMPTY);
    }
    assert_null(enable_as(QUEUE, true, false));
    offer(b, 3);
    put16(DESC_AT + 16 + 14, F_NEXT | F_USED);
    expect_broken("chain that is not available to its end");
    offer(b, 3);
    put16(DESC_AT + 32 + 14, F_AVAIL | F_USED);
    expect_broken("chain that is not available to its end");
    /* Slots that have not come back are made available again. */
    for (unsigned i = 0; i < QUEUE; i++) {
        offer(b, 1);
        assert_int_equal(pop(), RING_CHAIN);
    }
    offer(b, 1);
    expect_broken("more chains than descriptors");
}

static void layouts(void **state UNUSED)
{
    struct ring_layout good = {DESC_AT, DRIVER_AT, DEVICE_AT, QUEUE, !split, false, false}, l;
    static const uint16_t sizes[] = {0, 3, 7, 512, 0x8000, 0xffff};
    static const uint64_t places[] = {RAM_SIZE - 2, RAM_SIZE, UINT64_MAX & ~UINT64_C(15), RAM_HIGH - 16,
                                      0xfee00000};

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        l = good;
        l.size = sizes[i];
        assert_string_equal(ring_enable(&ring, &fake_ring_memory, &l),
                            "ring of a size that is no power of two");
        assert_int_equal(pop(), RING_EMPTY);
    }
    for (unsigned i = 0; i < 3 * ARRAY_SIZE(places); i++) {
        l = good;
        *(i % 3 == 0 ? &l.desc : i % 3 == 1 ? &l.driver : &l.device) = places[i / 3];
        assert_non_null(ring_enable(&ring, &fake_ring_memory, &l));
        assert_int_equal(pop(), RING_EMPTY);
    }
    l = good;
    l.desc += 8;
    assert_string_equal(ring_enable(&ring, &fake_ring_memory, &l), "ring that is not aligned");
    l = good;
    l.driver += 1;
    assert_string_equal(ring_enable(&ring, &fake_ring_memory, &l), "ring that is not aligned");
    l = good;
    l.device += 2;
    assert_string_equal(ring_enable(&ring, &fake_ring_memory, &l), "ring that is not aligned");
    l = good;
    l.driver = l.device = l.desc; /* overlap is the driver's own affair */
    assert_null(ring_enable(&ring, &fake_ring_memory, &l));
    ring_disable(&ring);
    assert_int_equal(pop(), RING_EMPTY);
    assert_false(ring_listen(&ring));
}

static void closed_memory(void **state UNUSED)
{
    const struct buffer b = {0x11000, 4, F_WRITE};
    struct ring_layout l = {DESC_AT, DRIVER_AT, DEVICE_AT, QUEUE, !split, false, false};

    assert_null(enable_as(QUEUE, false, false));
    offer(&b, 1);
    guest_closes = 1;
    closed_from = 0x11002;
    closed_to = 0x11003;
    assert_int_equal(pop(), RING_CHAIN);
    assert_false(ring_put(&ring, &chain, "abcd", 4)); /* fails for itself */
    assert_int_equal(chain.written, 0);
    ring_push(&ring, &chain);
    ring_publish(&ring);
    assert_true(ring_begin(&ring));
    closed_from = split ? DEVICE_AT : DESC_AT;
    closed_to = closed_from + 1;
    assert_false(ring_begin(&ring));
    assert_int_equal(pop(), RING_BROKEN);
    assert_string_equal(ring_enable(&ring, &fake_ring_memory, &l), "ring outside of RAM");
    closed_from = closed_to = guest_closes = 0;
}

/* The sum of a chain is no number of 32 bits: it is a chain without a byte. */
static bool all_is_ram(void *context UNUSED, uint64_t at UNUSED, uint64_t n UNUSED)
{
    return true;
}

static void huge_sum(void **state UNUSED)
{
    static const struct buffer rows[][3] = {
        {{0, UINT32_MAX - 2, 0}, {0, 1, 0}, {0, 1, F_WRITE}},
        {{0, UINT32_MAX, 0}, {0, 0, 0}, {0, 0, F_WRITE}},
        {{0, 0x80000000, 0}, {0, 0x80000000, 0}, {0, 1, F_WRITE}},
        {{0, 5, 0}, {0, 0x80000000, F_WRITE}, {0, 0x80000001, F_WRITE}},
        {{0, 0x80000000, 0}, {0, 0x80000000, F_WRITE}, {0, 1, F_WRITE}},
    };
    struct ring_memory all = fake_ring_memory;

    all.is_ram = all_is_ram;
    all.flat_size = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_null(enable_as(QUEUE, false, false));
        ring.memory = &all;
        offer(rows[i], 3);
        assert_int_equal(pop(), RING_CHAIN);
        assert_int_equal(chain.readable.left + chain.writable.left, 0);
        assert_null(ring.fault);
    }
    assert_null(enable_as(QUEUE, false, false));
    ring.memory = &all;
    offer((const struct buffer[]){{0, UINT32_MAX - 2, 0}, {0, 1, F_WRITE}}, 2); /* just fits */
    assert_int_equal(pop(), RING_CHAIN);
    assert_int_equal(chain.readable.left, UINT32_MAX - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(echo),
        BOTH(tables),
        BOTH(last_byte),
        BOTH(batches),
        BOTH(interrupt_flags),
        BOTH(interrupt_events),
        BOTH(kick_wishes),
        BOTH(loops),
        BOTH(long_chains),
        BOTH(outside),
        BOTH(short_way),
        BOTH(one_buffer),
        BOTH(moved_idx),
        BOTH(addresses),
        BOTH(no_bytes),
        BOTH(wrong_tables),
        BOTH(order_of_directions),
        BOTH(same_head),
        BOTH(scribbled),
        BOTH(garbage_events),
        BOTH(packed_phases),
        BOTH(layouts),
        BOTH(closed_memory),
        BOTH(huge_sum),

    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
