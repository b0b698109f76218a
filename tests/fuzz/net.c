/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a header and a frame, in memory whose guest goes on writing to it, to any receiver: what is
 * decided by is what is delivered, nothing is undone that the receiver does not take, and all of it is
 * bounded.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/fake_net.h"

/* The input begins with it; then header and frame, repeated up to size. */
struct PACKED setup {
    uint8_t sender, receiver, flags, place;
    uint8_t sender_most, receiver_most; /* bytes of segments; 0: any */
    uint16_t mtu, size, tci, seed;
};

enum { FLIPS = 1, PUSHES = 2, POPS = 4, LONG = 8, LOSES = 16, CLOSES = 32, WRITES = 64 };

static const uint64_t host_bits[] = {NET_F_CSUM, NET_F_HOST_TSO4, NET_F_HOST_TSO6, NET_F_HOST_ECN,
                                     NET_F_HOST_USO};
static const uint64_t guest_bits[] = {NET_F_GUEST_CSUM, NET_F_GUEST_TSO4, NET_F_GUEST_TSO6,
                                      NET_F_GUEST_ECN,  NET_F_GUEST_USO4, NET_F_GUEST_USO6};
static const uint32_t places[] = {0x100,       FAKE_FLAT - 100, FAKE_FLAT + 77, FAKE_MAPPED - 20,
                                  FAKE_MAPPED, FAKE_SIZE - 100};

static struct fake_ram sender_ram, receiver_ram;
static struct setup setup;
static struct net_frame frame;
static struct net_sink sink;
static uint32_t tag;
static uint64_t put_bytes;

static uint64_t pick_bits(unsigned set, const uint64_t *bits, unsigned n)
{
    uint64_t features = 0;

    for (unsigned i = 0; i < n; i++)
        features |= set >> i & 1 ? bits[i] : 0;
    return features;
}

static void flip(uint64_t at, size_t n)
{
    for (size_t i = 0; i < n && at + i < FAKE_SIZE; i += 1 + setup.seed % 7)
        sender_ram.bytes[at + i] ^= (uint8_t)(setup.seed + i) | 1;
}

/* --- what a frame is taken for --- */

static void check_taken(uint32_t size)
{
    const struct net_header *h = &frame.header;

    MUST(frame.size == size && size >= NET_LINK_SIZE && size <= NET_MAX_FRAME);
    MUST(frame.head_size <= NET_HEAD && frame.head_size <= size &&
         net_frame_rest(&frame).left == size - frame.head_size);
    MUST(frame.tag <= NET_NO_TAG && frame.segments >= 1 && frame.segments <= NET_MAX_PIECES);
    MUST(!(h->flags & ~NET_NEEDS_CSUM) && (!h->gso_type || h->flags) && (frame.segments == 1 || h->gso_type));
    MUST(!h->flags || h->csum_start + h->csum_offset + 2u <= frame.head_size);
    if (!h->gso_type)
        return;
    MUST(frame.l3 < frame.l4 && frame.l4 < frame.payload && frame.payload <= frame.head_size);
    MUST(frame.payload < size && h->gso_size && h->hdr_len == frame.payload);
    MUST((uint64_t)frame.segments * h->gso_size >= size - frame.payload);
}

/* --- what a receiver gets --- */

static void check_offload(const struct net_piece *p)
{
    const struct net_header *h = &p->header;
    unsigned type = h->gso_type & ~NET_GSO_ECN;

    MUST(!h->flags || (sink.features & NET_F_GUEST_CSUM));
    MUST(!h->flags || h->csum_start + h->csum_offset + 2u <= p->size);
    MUST(type != NET_GSO_TCP4 || (sink.features & NET_F_GUEST_TSO4));
    MUST(type != NET_GSO_TCP6 || (sink.features & NET_F_GUEST_TSO6));
    MUST(type != NET_GSO_UDP || (sink.features & (NET_F_GUEST_USO4 | NET_F_GUEST_USO6)));
    MUST(!(h->gso_type & NET_GSO_ECN) || (sink.features & NET_F_GUEST_ECN));
    MUST(h->gso_type || p->size <= sink.mtu + NET_OVERHEAD);
}

static void check_start(const struct net_piece *p)
{
    MUST(p->size >= NET_LINK_SIZE && p->head_size >= NET_LINK_SIZE && p->head_size <= p->size);
    MUST(!memcmp(p->head, frame.head, 12));
    if (tag < NET_NO_TAG)
        MUST(p->head_size >= 18 && net32(p->head + 12) == (0x81000000 | tag));
    else if (tag == NET_TAG_AS_IS && frame.tag != NET_NO_TAG)
        MUST(net32(p->head + 12) == (0x81000000 | frame.tag));
}

/* A segment is whole by the reference, when nobody wrote to it between its sum and its copy. */
static void check_segment(const uint8_t *f, uint32_t size, int shift)
{
    unsigned l3 = (unsigned)(frame.l3 + shift), l4 = (unsigned)(frame.l4 + shift);
    bool ip6 = f[l3] >> 4 == 6;
    unsigned protocol = frame.header.gso_type == NET_GSO_UDP ? 17 : 6;

    MUST(slow_sum(pseudo_sum(f + l3, ip6, protocol, size - l4), f + l4, size - l4) == 0xffff);
    MUST(net16(f + l3 + (ip6 ? 4 : 2)) == size - l3 - (ip6 ? 40 : 0));
    MUST(ip6 || slow_sum(0, f + l3, l4 - l3) == 0xffff);
}

static bool take_piece(struct net_piece *p, uint32_t at, uint32_t first)
{
    uint32_t size = p->size;
    struct fake_chain c;

    if (setup.flags & WRITES)
        return net_piece_write(p, &receiver_ram.bytes[at]);
    fake_writable(&c, &receiver_ram, at, NET_HEADER_SIZE + size, setup.receiver_most);
    if (!net_piece_begin(p, first, &c.ring, &c.chain) || !net_piece_copy(p, size - first, &c.ring, &c.chain))
        return false;
    MUST(c.chain.written == NET_HEADER_SIZE + size && !p->size && !c.chain.writable.left);
    return true;
}

static enum net_drop put(void *claimed, struct net_piece *p)
{
    uint32_t size = p->size, at = places[setup.receiver % ARRAY_SIZE(places)],
             first = size - setup.seed % size;
    int shift = tag == NET_TAG_AS_IS ? 0 : ((tag != NET_NO_TAG) - (frame.tag != NET_NO_TAG)) * 4;
    bool done = !p->header.flags && frame.header.gso_type;

    MUST(claimed == &receiver_ram);
    check_offload(p);
    check_start(p);
    if (at + NET_HEADER_SIZE > FAKE_SIZE - size)
        return NET_DROP_NO_BUFFER;
    if (!take_piece(p, at, first))
        return NET_DROP_MEMORY;
    if (done && !(setup.flags & FLIPS))
        check_segment(&receiver_ram.bytes[at + NET_HEADER_SIZE], size, shift);
    put_bytes += size;
    if (setup.flags & FLIPS)
        flip(places[setup.place % ARRAY_SIZE(places)], NET_HEAD);
    return (setup.flags & LOSES) && sink.pieces == setup.seed % 9u ? NET_DROP_NO_BUFFER : NET_PASSED;
}

static void convert(void)
{
    enum net_drop drop;

    tag = setup.flags & PUSHES ? setup.tci : setup.flags & POPS ? NET_NO_TAG : NET_TAG_AS_IS;
    sink = (struct net_sink){.claimed = &receiver_ram,
                             .put = put,
                             .features = pick_bits(setup.receiver, guest_bits, ARRAY_SIZE(guest_bits)),
                             .mtu = setup.mtu};
    put_bytes = 0;
    drop = net_convert(&frame, tag, &sink);
    MUST(drop < NET_DROPS && sink.pieces <= frame.segments && sink.bytes <= put_bytes);
    MUST(drop || (sink.pieces && sink.bytes == put_bytes));
    MUST(sink.work <= 3 * (uint64_t)frame.size + frame.segments * (2 * NET_PIECE_WORK + NET_HEAD));
    net_frame_flow(&frame);
}

static void fill(uint32_t at, const uint8_t *data, size_t n, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        sender_ram.bytes[at + i] = n ? data[i % n] : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fake_chain c;
    uint32_t at, size;
    enum net_drop drop;

    if (n < sizeof(setup))
        return 0;
    if (!sender_ram.memory.context) {
        fake_ram_init(&sender_ram);
        fake_ram_init(&receiver_ram);
        sender_ram.after_read = flip;
    }
    memcpy(&setup, data, sizeof(setup));
    srand(setup.seed);
    at = places[setup.place % ARRAY_SIZE(places)];
    size = MIN(setup.size + (setup.flags & LONG ? 0x4000u : 0), FAKE_SIZE - at);
    fill(at, data + sizeof(setup), n - sizeof(setup), size);
    fake_readable(&c, &sender_ram, at, size, setup.sender_most);
    sender_ram.after_read = setup.flags & FLIPS ? flip : NULL;
    receiver_ram.closing = receiver_ram.closed = setup.flags & CLOSES;
    drop =
        net_frame_take(&frame, &c.ring, &c.chain, pick_bits(setup.sender, host_bits, ARRAY_SIZE(host_bits)));
    MUST(drop < NET_DROPS);
    if (drop)
        return 0;
    check_taken(size - NET_HEADER_SIZE);
    convert();
    return 0;
}
