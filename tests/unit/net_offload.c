/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every sender with every receiver: what one leaves undone and the other does not take is done on the way,
 * and what comes out is a whole frame by the reference of fake_net.h, whose payload is what was sent.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_net.h"

#define ALL_HOST (NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN | NET_F_HOST_USO)
#define GUEST_ALL                                                                                  \
    (NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN | NET_F_GUEST_USO4 | \
     NET_F_GUEST_USO6)

enum { FIN = 1, PSH = 8, ACK = 0x10, CWR = 0x80 };

static struct fake_ram guest;
static struct fake_chain sent;
static struct fake_receiver receiver;
static struct net_frame frame;

/* What of a frame is left undone. */
enum undone { NOTHING, CSUM, GSO, GSO_ECN };

static uint8_t gso_type(const struct packet *p, enum undone undone)
{
    uint8_t type = !p->tcp ? NET_GSO_UDP : p->ip6 ? NET_GSO_TCP6 : NET_GSO_TCP4;

    return undone < GSO ? NET_GSO_NONE : undone == GSO_ECN ? type | NET_GSO_ECN : type;
}

static void finish(uint8_t *f, const struct packet *p, const struct layout *l)
{
    unsigned sum = slow_sum(0, f + l->l4, l->size - l->l4);

    put_net16(f + l->l4 + (p->tcp ? 16 : 6), sum == 0xffff ? 0xffff : ~sum & 0xffff);
}

static struct layout send_at(uint32_t at, const struct packet *p, enum undone undone, unsigned gso_size,
                             uint32_t most)
{
    struct layout l = build_frame(&guest.bytes[at + 12], p);
    struct net_header h = {0};

    if (undone) {
        h.flags = NET_NEEDS_CSUM;
        h.csum_start = (uint16_t)l.l4;
        h.csum_offset = p->tcp ? 16 : 6;
    } else {
        finish(&guest.bytes[at + 12], p, &l);
    }
    h.gso_type = gso_type(p, undone);
    h.gso_size = undone >= GSO ? (uint16_t)gso_size : 0;
    memcpy(&guest.bytes[at], &h, sizeof(h));
    fake_readable(&sent, &guest, at, 12 + l.size, most);
    assert_int_equal(net_frame_take(&frame, &sent.ring, &sent.chain, ALL_HOST), NET_PASSED);
    return l;
}

static enum net_drop convert(uint32_t tag, uint64_t features)
{
    struct net_sink to = fake_sink(&receiver, features, NET_MAX_MTU);
    enum net_drop drop;

    fake_forget(&receiver);
    drop = net_convert(&frame, tag, &to);
    assert_int_equal(to.pieces, receiver.count);
    return drop;
}

/* --- what came out --- */

static bool takes_whole(const struct packet *p, enum undone undone, uint64_t features)
{
    uint64_t needs = NET_F_GUEST_CSUM;

    if (undone == GSO_ECN)
        needs |= NET_F_GUEST_ECN;
    if (undone >= GSO && p->tcp)
        needs |= p->ip6 ? NET_F_GUEST_TSO6 : NET_F_GUEST_TSO4;
    if (undone >= GSO && !p->tcp)
        needs |= p->ip6 ? NET_F_GUEST_USO6 : NET_F_GUEST_USO4;
    return undone && (features & needs) == needs;
}

static void check_payload(const uint8_t *data, const struct packet *p, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (data[i] != payload_byte(p->seed, from + i))
            fail_msg("byte %u of the payload", from + i);
    }
}

/* Undone as it was, with its header moved along with the tag. */
static void check_whole(const struct packet *p, enum undone undone, unsigned gso_size)
{
    static uint8_t expected[NET_MAX_FRAME + 8];
    struct layout l = build_frame(expected, p);
    const struct net_header *h = &receiver.headers[0];

    assert_int_equal(receiver.count, 1);
    assert_int_equal(receiver.sizes[0], l.size);
    assert_memory_equal(receiver.frames[0] + l.l3, expected + l.l3, l.size - l.l3);
    assert_int_equal(h->flags, NET_NEEDS_CSUM);
    assert_int_equal(h->gso_type, gso_type(p, undone));
    assert_int_equal(h->gso_size, undone >= GSO ? gso_size : 0);
    assert_int_equal(h->csum_start, l.l4);
    assert_int_equal(h->csum_offset, p->tcp ? 16 : 6);
    if (undone >= GSO)
        assert_int_equal(h->hdr_len, l.data);
}

static void check_tcp(const uint8_t *tcp, const struct packet *p, uint32_t done, bool last)
{
    unsigned flags = p->tcp_flags;

    if (done)
        flags &= ~CWR;
    if (!last)
        flags &= ~(FIN | PSH);
    assert_int_equal(net32(tcp + 4), 0xfffffe00 + p->seed + done);
    assert_int_equal(tcp[13], flags);
}

/* Whole frames, that carry the payload one after the other. */
static void check_finished(const struct packet *p, enum undone undone, unsigned gso_size)
{
    uint32_t done = 0;

    for (unsigned i = 0; i < receiver.count; i++) {
        uint32_t left = p->payload - done, n = undone >= GSO && left > gso_size ? gso_size : left;
        const char *wrong = check_frame(receiver.frames[i], receiver.sizes[i], p, n);
        struct layout l = layout_of(p);

        if (wrong)
            fail_msg("piece %u: %s", i, wrong);
        assert_memory_equal(&receiver.headers[i], &(struct net_header){0}, sizeof(struct net_header));
        if (p->tcp)
            check_tcp(receiver.frames[i] + l.l4, p, done, done + n == p->payload);
        if (!p->ip6)
            assert_int_equal(net16(receiver.frames[i] + l.l3 + 4), (p->seed + i) & 0xffff);
        check_payload(receiver.frames[i] + l.data, p, done, n);
        done += n;
    }
    assert_int_equal(done, p->payload);
}

/* The outermost tag is the one that was asked for; what stands behind it is as it was. */
static void check_tags(const struct packet *p, uint32_t tag, unsigned had)
{
    for (unsigned i = 0; i < receiver.count; i++) {
        const uint8_t *f = receiver.frames[i];
        unsigned kept = p->tags;

        assert_memory_equal(f, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
        if (tag != NET_TAG_AS_IS && tag != NET_NO_TAG) {
            assert_int_equal(net32(f + 12), 0x81000000 | tag);
            kept--;
        }
        for (unsigned k = 0; k < kept; k++)
            assert_int_equal(net32(f + 12 + 4 * (p->tags - 1 - k)), 0x8100a000 + 5 + had - 1 - k);
    }
}

static void one(const struct packet *p, enum undone undone, unsigned gso_size, uint32_t tag,
                uint64_t features)
{
    struct packet out = *p;

    assert_int_equal(convert(tag, features), NET_PASSED);
    if (tag == NET_NO_TAG)
        out.tags -= out.tags > 0;
    else if (tag != NET_TAG_AS_IS)
        out.tags += out.tags == 0;
    if (takes_whole(p, undone, features))
        check_whole(&out, undone, gso_size);
    else
        check_finished(&out, undone, gso_size);
    check_tags(&out, tag, p->tags);
}

/* --- the matrix --- */

static const uint32_t tags[] = {NET_TAG_AS_IS, NET_NO_TAG, 0x6007};

static void all_receivers(const struct packet *p, enum undone undone, unsigned gso_size)
{
    const uint64_t bits[] = {NET_F_GUEST_CSUM, NET_F_GUEST_TSO4 | NET_F_GUEST_USO4,
                             NET_F_GUEST_TSO6 | NET_F_GUEST_USO6, NET_F_GUEST_ECN};

    for (unsigned set = 0; set < 16; set++) {
        uint64_t features = 0;

        for (unsigned i = 0; i < 4; i++)
            features |= set >> i & 1 ? bits[i] : 0;
        for (unsigned t = 0; t < ARRAY_SIZE(tags); t++)
            one(p, undone, gso_size, tags[t], features);
    }
}

static void all_senders(struct packet p, uint32_t at, uint32_t most, unsigned gso_size)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        p.ip6 = kind & 1;
        p.tcp = kind & 2;
        for (enum undone undone = NOTHING; undone <= GSO_ECN; undone++) {
            if ((undone == GSO_ECN && !p.tcp) || (undone >= GSO && !p.payload))
                continue;
            send_at(at, &p, undone, gso_size, most);
            all_receivers(&p, undone, gso_size);
        }
    }
}

static void matrix(void **state UNUSED)
{
    const uint32_t payloads[] = {0, 1, 10, 11, 1399, 1400, 1401, 8900, 65001};
    const struct {
        uint32_t at, most;
    } places[] = {{0x100, 0}, {FAKE_FLAT - 1000, 700}, {FAKE_MAPPED - 3, 2000}};

    for (unsigned i = 0; i < ARRAY_SIZE(payloads); i++) {
        for (unsigned k = 0; k < ARRAY_SIZE(places); k++) {
            struct packet p = {.tags = (i + k) % 3,
                               .options = k * 8,
                               .tcp_words = 5 + k * 3,
                               .payload = payloads[i],
                               .seed = i * 31 + k};

            p.tcp_flags = k ? CWR | ACK | PSH | FIN : ACK;
            receiver.most = k * 777;
            receiver.at = k ? FAKE_MAPPED - 20000 : 0x400;
            all_senders(p, places[k].at, places[k].most, i == 8 ? 8000 + k : 1400);
        }
    }
}

/* Segments of any size, of frames whose head holds part of the payload. */
static void small_segments(void **state UNUSED)
{
    receiver.most = 0;
    receiver.at = 0x400;
    for (unsigned gso_size = 1; gso_size < 300; gso_size += 7) {
        struct packet p = {.tcp = gso_size & 1,
                           .ip6 = gso_size & 2,
                           .tcp_words = 5,
                           .payload = 500 + gso_size % 13,
                           .seed = gso_size};

        if (p.payload / gso_size >= NET_MAX_PIECES)
            p.payload = gso_size * NET_MAX_PIECES - gso_size / 2;
        send_at(0x100, &p, GSO, gso_size, gso_size % 50);
        one(&p, GSO, gso_size, NET_TAG_AS_IS, 0);
        one(&p, GSO, gso_size, 9, 0);
    }
}

/* A checksum of any bytes, at any place. */
static void any_checksum(void **state UNUSED)
{
    receiver.at = 0x400;
    for (unsigned round = 0; round < 3000; round++) {
        struct net_header h = {.flags = NET_NEEDS_CSUM};
        unsigned size = 100 + (unsigned)rand() % 1500, start = 14 + (unsigned)rand() % 70, at, sum;

        h.csum_start = (uint16_t)start;
        h.csum_offset = (uint16_t)(rand() % (int)(size < 250 ? size - start - 1 : 160));
        at = start + h.csum_offset;
        memcpy(&guest.bytes[0x100], &h, sizeof(h));
        for (unsigned i = 0; i < size; i++)
            guest.bytes[0x100 + 12 + i] = (uint8_t)(i == 12 ? 0 : rand());
        fake_readable(&sent, &guest, 0x100, 12 + size, round % 90);
        assert_int_equal(net_frame_take(&frame, &sent.ring, &sent.chain, NET_F_CSUM), NET_PASSED);
        assert_int_equal(convert(NET_TAG_AS_IS, 0), NET_PASSED);
        sum = slow_sum(0, &guest.bytes[0x100 + 12 + start], size - start);
        put_net16(&guest.bytes[0x100 + 12 + at], sum == 0xffff ? 0xffff : ~sum & 0xffff);
        assert_memory_equal(receiver.frames[0], &guest.bytes[0x100 + 12], size);
    }
}

/* --- what does not come out --- */

static enum net_drop convert_within(uint32_t mtu, uint32_t tag, uint64_t features)
{
    struct net_sink to = fake_sink(&receiver, features, mtu);

    fake_forget(&receiver);
    return net_convert(&frame, tag, &to);
}

static void mtu(void **state UNUSED)
{
    struct packet p = {.tcp = true, .tcp_words = 5, .payload = 1460};
    struct layout l = send_at(0x100, &p, NOTHING, 0, 0);

    assert_int_equal(l.size, 1514);
    assert_int_equal(convert_within(1500, NET_TAG_AS_IS, 0), NET_PASSED);
    assert_int_equal(convert_within(1496, NET_TAG_AS_IS, 0), NET_PASSED);
    assert_int_equal(convert_within(1495, NET_TAG_AS_IS, 0), NET_DROP_TOO_BIG);
    assert_int_equal(convert_within(1496, 5, 0), NET_DROP_TOO_BIG);
    assert_int_equal(convert_within(1500, 5, 0), NET_PASSED);
    p.payload = 30000;
    send_at(0x100, &p, GSO, 1460, 0);
    for (unsigned whole = 0; whole < 2; whole++) {
        assert_int_equal(convert_within(1496, NET_TAG_AS_IS, whole ? GUEST_ALL : 0), NET_PASSED);
        assert_int_equal(convert_within(1495, NET_TAG_AS_IS, whole ? GUEST_ALL : 0), NET_DROP_TOO_BIG);
        assert_int_equal(receiver.count, 0);
    }
}

static void no_room(void **state UNUSED)
{
    struct packet p = {.tcp = true, .tcp_words = 5, .payload = 5000};
    struct net_sink to = fake_sink(&receiver, 0, NET_MAX_MTU);

    fake_forget(&receiver);
    send_at(0x100, &p, GSO, 1000, 0);
    receiver.room = 3;
    assert_int_equal(net_convert(&frame, NET_TAG_AS_IS, &to), NET_DROP_NO_BUFFER);
    assert_int_equal(to.pieces, 3);
    assert_int_equal(to.bytes, 3 * 1054);
    receiver.room = FAKE_GOT;
}

static void closed_memory(void **state UNUSED)
{
    struct packet p = {.tcp = true, .tcp_words = 5, .payload = 5000};

    for (enum undone undone = NOTHING; undone <= GSO; undone++) {
        send_at(FAKE_FLAT + 100, &p, undone, 1000, 0);
        receiver.ram.closing = receiver.ram.closed = true;
        assert_int_equal(convert(NET_TAG_AS_IS, 0), NET_DROP_MEMORY);
        receiver.ram.closing = receiver.ram.closed = false;
        assert_int_equal(convert(NET_TAG_AS_IS, 0), NET_PASSED);
        guest.lost = true;
        sent.segments[0].at += FAKE_MAPPED; /* where it is read */
        assert_int_equal(convert(NET_TAG_AS_IS, 0), NET_DROP_MEMORY);
        guest.lost = false;
    }
}

/* Whatever the sender writes meanwhile: the headers that come out are those that were taken. */
static void changes(void **state UNUSED)
{
    struct packet p = {.tcp = true, .tcp_words = 5, .payload = 5000, .tags = 1};
    uint8_t before[NET_HEAD];

    for (enum undone undone = NOTHING; undone <= GSO; undone++) {
        struct layout l = send_at(0x100, &p, undone, 1000, 0);

        memcpy(before, &guest.bytes[0x100 + 12], sizeof(before));
        memset(&guest.bytes[0x100], 0xff, 12 + NET_PLAIN_HEAD);
        for (unsigned whole = 0; whole < 2; whole++) {
            assert_int_equal(convert(NET_TAG_AS_IS, whole ? GUEST_ALL : 0), NET_PASSED);
            for (unsigned i = 0; i < receiver.count; i++)
                assert_memory_equal(receiver.frames[i], before, l.l3);
        }
    }
}

/* A frame from a guest's memory to the same memory, one over the other: nothing else is harmed. */
static void over_itself(void **state UNUSED)
{
    struct packet p = {.payload = 3000};
    struct fake_chain to;
    struct net_piece piece;

    send_at(0x100, &p, NOTHING, 0, 0);
    fake_writable(&to, &guest, 0x180, frame.size, 0);
    net_piece_whole(&piece, &frame);
    assert_true(net_piece_copy(&piece, frame.size, &to.ring, &to.chain));
    assert_int_equal(to.chain.written, frame.size);
    assert_memory_equal(&guest.bytes[0x180], frame.head, frame.head_size);
    net_piece_whole(&piece, &frame);
    assert_true(net_piece_write(&piece, &guest.bytes[0x140]));
    assert_memory_equal(&guest.bytes[0x14c], frame.head, frame.head_size);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(matrix),  cmocka_unit_test(small_segments), cmocka_unit_test(any_checksum),
        cmocka_unit_test(mtu),     cmocka_unit_test(no_room),        cmocka_unit_test(closed_memory),
        cmocka_unit_test(changes), cmocka_unit_test(over_itself),
    };
    int failed;

    fake_ram_init(&guest);
    fake_receiver_init(&receiver);
    failed = cmocka_run_group_tests(all, NULL, NULL);
    fake_forget(&receiver);
    return failed;
}
