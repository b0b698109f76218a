/* SPDX-License-Identifier: BSD-2-Clause */
/* What a sender's buffers are taken for: every header that a driver may not send, every layout that it may;
 * each byte is read once; sums and flows. */
#include "tests/unit/unit.h"

#include "dev/net/sum.h"
#include "tests/unit/fake_net.h"

#define ALL_HOST (NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN | NET_F_HOST_USO)
#define AT       0x100u

static struct fake_ram guest;
static struct fake_chain sent;
static struct net_frame frame;

static enum net_drop take(uint32_t at, uint32_t n, uint32_t most, uint64_t features)
{
    fake_readable(&sent, &guest, at, n, most);
    return net_frame_take(&frame, &sent.ring, &sent.chain, features);
}

static void put_header(uint32_t at, struct net_header h)
{
    memcpy(&guest.bytes[at], &h, sizeof(h));
}

/* --- sizes and layouts --- */

static void sizes(void **state UNUSED)
{
    fake_ram_init(&guest);
    for (uint32_t n = 0; n < NET_HEADER_SIZE + NET_LINK_SIZE; n++)
        assert_int_equal(take(AT, n, 0, ALL_HOST), NET_DROP_SHORT);
    assert_int_equal(take(AT, 26, 0, ALL_HOST), NET_PASSED);
    assert_int_equal(frame.size, 14);
    assert_int_equal(frame.head_size, 14);
    assert_int_equal(take(AT, 12 + NET_MAX_FRAME, 0, ALL_HOST), NET_PASSED);
    assert_int_equal(frame.size, NET_MAX_FRAME);
    assert_int_equal(frame.head_size, NET_PLAIN_HEAD);
    assert_int_equal(take(AT, 12 + NET_MAX_FRAME + 1, 0, ALL_HOST), NET_DROP_TOO_BIG);
    fake_readable(&sent, &guest, AT, 100, 0);
    sent.chain.writable.left = 1; /* a place to write to is nothing that a driver sends */
    assert_int_equal(net_frame_take(&frame, &sent.ring, &sent.chain, ALL_HOST), NET_DROP_BAD_HEADER);
}

static void check_plain(uint32_t at, uint32_t size, uint32_t most)
{
    for (uint32_t i = 0; i < size; i++)
        guest.bytes[at + 12 + i] = payload_byte(at, i);
    put_header(at, (struct net_header){.flags = NET_DATA_VALID, .hdr_len = 7, .num_buffers = 9});
    assert_int_equal(take(at, 12 + size, most, 0), NET_PASSED);
    assert_int_equal(frame.size, size);
    assert_memory_equal(frame.head, &guest.bytes[at + 12], frame.head_size);
    assert_int_equal(net_frame_rest(&frame).left, size - frame.head_size);
    assert_memory_equal(&frame.header, &(struct net_header){0}, sizeof(frame.header));
}

/* Any place, cut anywhere, header and all. */
static void layouts(void **state UNUSED)
{
    const uint32_t places[] = {AT,          FAKE_FLAT - 40,   FAKE_FLAT + 1,
                               0x21000 - 5, FAKE_MAPPED - 30, FAKE_MAPPED + 0x1234};

    fake_ram_init(&guest);
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        for (uint32_t size = 14; size < 140; size++) {
            check_plain(places[i], size, 0);
            check_plain(places[i], size, 1);
            check_plain(places[i], size, 40);
        }
    }
}

static void no_memory(void **state UNUSED)
{
    fake_ram_init(&guest);
    guest.lost = true;
    assert_int_equal(take(FAKE_FLAT + 4, 100, 0, 0), NET_DROP_MEMORY);
}

/* --- what is looked at is read once --- */

static void flip(uint64_t at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        guest.bytes[at + i] ^= 0xff;
}

static void reads_once(void **state UNUSED)
{
    const struct packet p = {.tcp = true, .tcp_words = 8, .payload = 3000, .tags = 1};
    uint32_t at = FAKE_MAPPED + 0x800;
    uint8_t before[NET_HEAD];
    struct layout l;

    for (uint32_t most = 0; most < 100; most += 9) {
        fake_ram_init(&guest);
        l = build_frame(&guest.bytes[at + 12], &p);
        put_header(at, (struct net_header){NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 500, (uint16_t)l.l4, 16, 0});
        memcpy(before, &guest.bytes[at + 12], NET_HEAD);
        guest.after_read = flip;
        assert_int_equal(take(at, 12 + l.size, most, ALL_HOST), NET_PASSED);
        assert_int_equal(frame.head_size, NET_HEAD);
        assert_memory_equal(frame.head, before, NET_HEAD);
        for (uint32_t i = 0; i < 12 + l.size; i++)
            assert_int_equal(guest.reads[at + i], i < 12 + NET_HEAD);
        assert_int_equal(frame.tag, 0xa005);
        assert_int_equal(frame.header.csum_start, l.l4);
    }
}

/* --- headers --- */

static const struct packet tcp4 = {.tcp = true, .tcp_words = 5, .payload = 4000};
static struct layout tcp4_is;

static enum net_drop take_header(struct net_header h, uint64_t features)
{
    put_header(AT, h);
    return take(AT, 12 + tcp4_is.size, 0, features);
}

static void checksum_fields(void **state UNUSED)
{
    struct net_header h = {.flags = NET_NEEDS_CSUM};
    unsigned end;

    fake_ram_init(&guest);
    tcp4_is = build_frame(&guest.bytes[AT + 12], &tcp4);
    for (unsigned start = 0; start < 300; start++) {
        for (unsigned offset = 0; offset < 60; offset++) {
            h.csum_start = (uint16_t)start;
            h.csum_offset = (uint16_t)offset;
            end = start + offset + 2;
            assert_int_equal(take_header(h, NET_F_CSUM), start < 14       ? NET_DROP_BAD_HEADER
                                                         : end > NET_HEAD ? NET_DROP_DEEP
                                                                          : NET_PASSED);
            if (start >= 14 && end <= NET_HEAD)
                assert_true(frame.head_size >= end && frame.header.csum_start == start);
        }
    }
    h = (struct net_header){.flags = NET_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
    assert_int_equal(take_header(h, 0), NET_DROP_BAD_HEADER);
    h.csum_start = h.csum_offset = 0xffff;
    assert_int_equal(take_header(h, NET_F_CSUM), NET_DROP_BAD_HEADER);
    put_header(AT, (struct net_header){.flags = NET_NEEDS_CSUM, .csum_start = 98, .csum_offset = 0});
    assert_int_equal(take(AT, 12 + 100, 0, NET_F_CSUM), NET_PASSED);
    assert_int_equal(take(AT, 12 + 99, 0, NET_F_CSUM), NET_DROP_BAD_HEADER);
    put_net16(&guest.bytes[AT + 12 + 12], 0x8100); /* now a checksum there would write over the tag */
    put_header(AT, (struct net_header){.flags = NET_NEEDS_CSUM, .csum_start = 14, .csum_offset = 0});
    assert_int_equal(take(AT, 12 + 100, 0, NET_F_CSUM), NET_DROP_BAD_HEADER);
}

static void segmentation_fields(void **state UNUSED)
{
    const struct net_header good = {NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 1000, 34, 16, 0};
    const struct net_header bad[] = {
        {NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 0, 34, 16, 0},
        {0, NET_GSO_TCP4, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, NET_GSO_TCP6, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, NET_GSO_UDP, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, NET_GSO_UDP, 0, 1000, 34, 6, 0},
        {NET_NEEDS_CSUM, 3, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, 2, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, 0x21, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, 0x41, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, 0x80, 0, 1000, 34, 16, 0},
        {NET_NEEDS_CSUM, 0x85, 0, 1000, 34, 6, 0},
        {NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 1000, 33, 16, 0},
        {NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 1000, 35, 16, 0},
        {NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 1000, 34, 15, 0},
        {NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 0xffff, 34, 16, 0},
        {NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 7, 34, 16, 0},
    };

    fake_ram_init(&guest);
    tcp4_is = build_frame(&guest.bytes[AT + 12], &tcp4);
    assert_int_equal(take_header(good, NET_F_CSUM | NET_F_HOST_TSO4), NET_PASSED);
    assert_int_equal(frame.segments, 4);
    assert_int_equal(frame.header.hdr_len, 54);
    assert_int_equal(frame.header.gso_size, 1000);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(take_header(bad[i], ALL_HOST), NET_DROP_BAD_HEADER);
    assert_int_equal(take_header(good, NET_F_CSUM | NET_F_HOST_TSO6 | NET_F_HOST_USO), NET_DROP_BAD_HEADER);
    assert_int_equal(take_header(good, NET_F_HOST_TSO4), NET_DROP_BAD_HEADER);
    assert_int_equal(take_header((struct net_header){NET_NEEDS_CSUM, 0x81, 0, 1000, 34, 16, 0},
                                 NET_F_CSUM | NET_F_HOST_TSO4),
                     NET_DROP_BAD_HEADER);
    assert_int_equal(
        take_header((struct net_header){NET_NEEDS_CSUM, NET_GSO_TCP4, 0xffff, 8, 34, 16, 0}, ALL_HOST),
        NET_PASSED); /* a wrong hint */
    assert_int_equal(frame.segments, 500);
    assert_int_equal(frame.header.hdr_len, 54);
}

/* A byte of the frame that is not as it must be for segmentation. */
static void segmentation_frames(void **state UNUSED)
{
    const struct {
        unsigned at, value;
    } bad[] = {{12, 0x07}, {13, 0x06}, {14, 0x65}, {14, 0x44}, {14, 0x46},
               {20, 0x20}, {21, 0x01}, {23, 17},   {46, 0x40}};

    fake_ram_init(&guest);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        tcp4_is = build_frame(&guest.bytes[AT + 12], &tcp4);
        guest.bytes[AT + 12 + bad[i].at] = (uint8_t)bad[i].value;
        assert_int_equal(
            take_header((struct net_header){NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 1000, 34, 16, 0}, ALL_HOST),
            NET_DROP_BAD_HEADER);
    }
    tcp4_is = build_frame(&guest.bytes[AT + 12], &tcp4);
    guest.bytes[AT + 12 + 14] = 0x44; /* all as it should be, but that an IP header has five words */
    guest.bytes[AT + 12 + 42] = 0x50;
    assert_int_equal(
        take_header((struct net_header){NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 1000, 30, 16, 0}, ALL_HOST),
        NET_DROP_BAD_HEADER);
    tcp4_is = build_frame(&guest.bytes[AT + 12], &tcp4);
    put_header(AT, (struct net_header){NET_NEEDS_CSUM, NET_GSO_TCP4, 0, 1000, 34, 16, 0});
    for (unsigned size = 14; size < 100; size++)
        assert_int_equal(take(AT, 12 + size, 0, ALL_HOST), size <= 54 ? NET_DROP_BAD_HEADER : NET_PASSED);
}

static void deep_headers(void **state UNUSED)
{
    struct packet p = {.ip6 = true, .tcp = true, .tcp_words = 15, .payload = 2000};
    struct layout l;

    fake_ram_init(&guest);
    for (p.options = 0; p.options < 240; p.options += 8) {
        l = build_frame(&guest.bytes[AT + 12], &p);
        put_header(AT, (struct net_header){NET_NEEDS_CSUM, NET_GSO_TCP6, 0, 1000, (uint16_t)l.l4, 16, 0});
        assert_int_equal(take(AT, 12 + l.size, 0, ALL_HOST), l.data <= NET_HEAD ? NET_PASSED : NET_DROP_DEEP);
    }
}

/* --- flows --- */

static uint32_t flow_of(const struct packet *p, bool swapped, unsigned port)
{
    struct layout l = build_frame(&guest.bytes[AT + 12], p);
    uint8_t *ip = &guest.bytes[AT + 12 + l.l3], *l4 = &guest.bytes[AT + 12 + l.l4], keep[16];
    unsigned n = p->ip6 ? 16 : 4, at = p->ip6 ? 8 : 12;

    put_net16(l4, port);
    if (swapped) {
        memcpy(keep, ip + at, n);
        memcpy(ip + at, ip + at + n, n);
        memcpy(ip + at + n, keep, n);
        put_net32(l4, net32(l4) << 16 | net32(l4) >> 16);
    }
    put_header(AT, (struct net_header){0});
    assert_int_equal(take(AT, 12 + l.size, 0, 0), NET_PASSED);
    return net_frame_flow(&frame);
}

static void flows(void **state UNUSED)
{
    bool seen[8] = {0};
    unsigned count = 0;

    fake_ram_init(&guest);
    for (unsigned i = 0; i < 8; i++) {
        struct packet p = {.ip6 = i & 1, .tcp = i & 2, .tags = i >> 2, .tcp_words = 5, .payload = 30};
        uint32_t flow = flow_of(&p, false, 1000);

        assert_int_equal(flow, flow_of(&p, true, 1000));
        assert_int_not_equal(flow, flow_of(&p, false, 1001));
        p.payload = 1000;
        assert_int_equal(flow, flow_of(&p, false, 1000));
    }
    for (unsigned port = 0; port < 64; port++)
        seen[flow_of(&tcp4, false, port) % 8] = true;
    for (unsigned i = 0; i < 8; i++)
        count += seen[i];
    assert_int_equal(count, 8);
}

/* Fragments have no ports: all of them are one flow. */
static void fragments(void **state UNUSED)
{
    uint32_t flow[2];
    struct layout l;

    fake_ram_init(&guest);
    for (unsigned i = 0; i < 2; i++) {
        l = build_frame(&guest.bytes[AT + 12], &tcp4);
        put_net16(&guest.bytes[AT + 12 + l.l3 + 6], i ? 0x00b9 : 0x2000);
        guest.bytes[AT + 12 + l.l4] = (uint8_t)i;
        assert_int_equal(take(AT, 12 + l.size, 0, 0), NET_PASSED);
        flow[i] = net_frame_flow(&frame);
    }
    assert_int_equal(flow[0], flow[1]);
}

/* --- sums --- */

static void sums(void **state UNUSED)
{
    static uint8_t bytes[600];
    uint64_t sum;

    for (unsigned round = 0; round < 20000; round++) {
        size_t at = (size_t)rand() % 64, n = (size_t)rand() % 500, cut = n ? (size_t)rand() % n : 0;

        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = round % 3 ? (uint8_t)rand() : round & 1 ? 0xff : 0;
        sum = sum_bytes_at(sum_bytes(round, bytes + at, cut), cut, bytes + at + cut, n - cut);
        assert_int_equal(__builtin_bswap16(sum_fold(sum)) % 0xffff,
                         (slow_sum(0, bytes + at, n) + __builtin_bswap16((uint16_t)round)) % 0xffff);
    }
    assert_int_equal(sum_complement(0xffff), 0xffff);
    assert_int_equal(sum_complement(0x1fffe), 0xffff);
    assert_int_equal(sum_complement(0), 0xffff);
    assert_int_equal(sum_complement(0xfffe), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(layouts),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(reads_once),
        cmocka_unit_test(checksum_fields),
        cmocka_unit_test(segmentation_fields),
        cmocka_unit_test(segmentation_frames),
        cmocka_unit_test(deep_headers),
        cmocka_unit_test(flows),
        cmocka_unit_test(fragments),
        cmocka_unit_test(sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
