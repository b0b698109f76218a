/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/offload.h"

#include "core/base/panic.h"
#include "dev/net/parse.h"
#include "dev/net/sum.h"
#include "dev/virtio/ring_copy.h"

#define ADDRESSES 12u /* bytes of them, which the tag stands behind */

enum { IP4_LENGTH = 2, IP4_ID = 4, IP4_SUM = 10, IP4_ADDRESSES = 12, IP6_LENGTH = 4, IP6_ADDRESSES = 8 };
enum { TCP_SEQ = 4, TCP_FLAGS = 13, TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80, UDP_LENGTH = 4 };

/* The start of a frame, as it is to be, and how much longer that is. */
struct built {
    uint8_t head[NET_HEAD + NET_TAG_SIZE];
    unsigned size;
    int shift;
};

/* --- pieces --- */

static enum net_drop put_piece(struct net_sink *to, struct net_piece *p)
{
    uint32_t size = p->size;
    enum net_drop drop = to->put(to->claimed, p);

    to->work += size + NET_PIECE_WORK;
    if (unlikely(drop))
        return drop;
    to->pieces++;
    to->bytes += size;
    return NET_PASSED;
}

static inline enum net_drop put_as_is(const struct net_frame *f, struct net_sink *to)
{
    struct net_piece p;

    net_piece_whole(&p, f);
    return put_piece(to, &p);
}

static enum net_drop put_built(const struct net_frame *f, const struct built *b, struct net_header header,
                               struct net_sink *to)
{
    struct net_piece p;

    net_piece_whole(&p, f);
    p.header = header;
    p.size = f->size - f->head_size + b->size;
    p.head_size = b->size;
    p.head = b->head;
    return put_piece(to, &p);
}

/* --- tags --- */

static inline int find_shift(const struct net_frame *f, uint32_t tag)
{
    bool had = f->tag != NET_NO_TAG, has = tag == NET_TAG_AS_IS ? had : tag != NET_NO_TAG;

    return ((int)has - (int)had) * (int)NET_TAG_SIZE;
}

static inline bool changes_tag(const struct net_frame *f, uint32_t tag)
{
    return tag != NET_TAG_AS_IS && tag != f->tag;
}

static void build_head(const struct net_frame *f, uint32_t tag, struct built *b)
{
    unsigned from = ADDRESSES, at = ADDRESSES;

    b->shift = find_shift(f, tag);
    b->size = (unsigned)(f->head_size + b->shift);
    memcpy(b->head, f->head, ADDRESSES);
    if (changes_tag(f, tag)) {
        from += f->tag == NET_NO_TAG ? 0 : NET_TAG_SIZE;
        if (tag != NET_NO_TAG) {
            store_be16(b->head + at, ETHER_TAG);
            store_be16(b->head + at + 2, tag);
            at += NET_TAG_SIZE;
        }
    }
    memcpy(b->head + at, f->head + from, f->head_size - from);
}

/* What a receiver is told, that finishes the frame itself. */
static struct net_header shift_header(const struct net_frame *f, const struct built *b)
{
    struct net_header h = f->header;

    if (h.flags & NET_NEEDS_CSUM)
        h.csum_start = (uint16_t)(h.csum_start + b->shift);
    if (h.gso_type)
        h.hdr_len = (uint16_t)(h.hdr_len + b->shift);
    return h;
}

/* --- checksums --- */

/* n bytes from part on, which go on at an offset of what is summed. False: the sender has lost them. */
static bool sum_rest(const struct net_frame *f, struct ring_part *part, uint32_t n, size_t offset,
                     uint64_t *sum)
{
    uint8_t aside[RING_ASIDE];
    const uint8_t *at;

    if (n > part->left)
        return false;
    for (uint32_t step; n; n -= step, offset += step) {
        at = ring_view(f->ring, f->chain, part, n, aside, &step);
        if (!at)
            return false;
        *sum = sum_bytes_at(*sum, offset, at, step);
    }
    return true;
}

/* The sender has left the sum of the pseudo header in the checksum's place. */
static enum net_drop complete(const struct net_frame *f, struct built *b, struct net_sink *to)
{
    unsigned start = (unsigned)(f->header.csum_start + b->shift), at = start + f->header.csum_offset;
    struct ring_part part = net_frame_rest(f);
    uint64_t sum = sum_bytes(0, b->head + start, b->size - start);

    ASSERT(at + 2 <= b->size);
    to->work += f->size;
    if (!sum_rest(f, &part, f->size - f->head_size, b->size - start, &sum))
        return NET_DROP_MEMORY;
    store_le(b->head + at, sum_complement(sum), 2);
    return put_built(f, b, (struct net_header){0}, to);
}

/* --- segmentation --- */

/* Where a segment is built. */
struct cut {
    const struct net_frame *frame;
    struct built b;
    unsigned l3, l4, headers; /* offsets in the built head, and the bytes of all headers */
    bool ip6, tcp;
    uint32_t done, left;   /* bytes of the payload */
    uint32_t taken;        /* bytes of the frame's own head that were part of it, headers too */
    struct ring_part rest; /* of the frame */
};

static void begin_cut(struct cut *cut, const struct net_frame *f, uint32_t tag)
{
    build_head(f, tag, &cut->b);
    cut->frame = f;
    cut->l3 = (unsigned)(f->l3 + cut->b.shift);
    cut->l4 = (unsigned)(f->l4 + cut->b.shift);
    cut->headers = (unsigned)(f->payload + cut->b.shift);
    cut->ip6 = cut->b.head[cut->l3] >> 4 == 6;
    cut->tcp = f->header.gso_type != NET_GSO_UDP;
    cut->done = 0;
    cut->left = f->size - f->payload;
    cut->taken = f->payload;
    cut->rest = net_frame_rest(f);
}

/* bytes: of the segment from its IP header on. */
static void write_ip4(uint8_t *ip, unsigned bytes, bool first)
{
    unsigned size = (ip[0] & 15) * 4u;

    store_be16(ip + IP4_LENGTH, bytes);
    if (!first)
        store_be16(ip + IP4_ID, be16(ip + IP4_ID) + 1u);
    store_le(ip + IP4_SUM, 0, 2);
    store_le(ip + IP4_SUM, (uint16_t)~sum_fold(sum_bytes(0, ip, size)), 2);
}

static void write_ip(const struct cut *cut, uint8_t *ip, uint32_t n)
{
    unsigned bytes = cut->headers - cut->l3 + n;

    if (cut->ip6)
        store_be16(ip + IP6_LENGTH, bytes - IP6_SIZE);
    else
        write_ip4(ip, bytes, !cut->done);
}

/* FIN and PSH are the last segment's, CWR is the first one's (RFC 3168, "6.1.2"). sent: the flags as sent. */
static void write_tcp(const struct cut *cut, uint8_t *tcp, uint32_t n, uint8_t sent)
{
    uint8_t flags = sent;

    if (cut->left > n)
        flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (cut->done)
        flags &= (uint8_t)~TCP_CWR;
    tcp[TCP_FLAGS] = flags;
    if (cut->done)
        store_be32(tcp + TCP_SEQ, be32(tcp + TCP_SEQ) + cut->frame->header.gso_size);
}

static void write_l4(const struct cut *cut, uint8_t *l4, uint32_t n)
{
    if (cut->tcp)
        write_tcp(cut, l4, n, cut->frame->head[cut->frame->l4 + TCP_FLAGS]);
    else
        store_be16(l4 + UDP_LENGTH, cut->headers - cut->l4 + n);
    store_le(l4 + cut->frame->header.csum_offset, 0, 2);
}

/* Of the addresses, the protocol and the length (RFC 9293, "3.1"; RFC 8200, "8.1"). */
static uint64_t sum_pseudo(const struct cut *cut, uint32_t n)
{
    const uint8_t *ip = cut->b.head + cut->l3;
    uint64_t sum = cut->ip6 ? sum_bytes(0, ip + IP6_ADDRESSES, 32) : sum_bytes(0, ip + IP4_ADDRESSES, 8);
    unsigned bytes = cut->headers - cut->l4 + n, protocol = cut->tcp ? IP_TCP : IP_UDP;

    return sum_add64(sum, __builtin_bswap32(bytes) + (uint64_t)__builtin_bswap32(protocol));
}

/* The part of n bytes that stands in the frame's head goes to the built one. */
static uint32_t take_from_head(struct cut *cut, uint32_t n)
{
    uint32_t own = MIN(n, cut->frame->head_size - cut->taken);

    memcpy(cut->b.head + cut->headers, cut->frame->head + cut->taken, own);
    cut->taken += own;
    cut->b.size = cut->headers + own;
    return own;
}

static enum net_drop put_cut(struct cut *cut, uint32_t n, struct net_sink *to)
{
    uint8_t *head = cut->b.head;
    uint32_t own = take_from_head(cut, n);
    struct net_piece p = {.size = cut->headers + n,
                          .head_size = cut->b.size,
                          .head = head,
                          .frame = cut->frame,
                          .rest = cut->rest};
    uint64_t sum;

    write_ip(cut, head + cut->l3, n);
    write_l4(cut, head + cut->l4, n);
    sum = sum_bytes(sum_pseudo(cut, n), head + cut->l4, cut->b.size - cut->l4);
    to->work += n;
    if (!sum_rest(cut->frame, &cut->rest, n - own, cut->b.size - cut->l4, &sum))
        return NET_DROP_MEMORY;
    store_le(head + cut->l4 + cut->frame->header.csum_offset, sum_complement(sum), 2);
    cut->done += n;
    cut->left -= n;
    return put_piece(to, &p);
}

static enum net_drop segment(const struct net_frame *f, uint32_t tag, struct net_sink *to)
{
    enum net_drop drop = NET_PASSED;
    struct cut cut;

    begin_cut(&cut, f, tag);
    while (cut.left && !drop)
        drop = put_cut(&cut, MIN(cut.left, f->header.gso_size), to);
    return drop;
}

/* --- what it takes --- */

static uint64_t features_for(const struct net_frame *f)
{
    uint64_t ecn = f->header.gso_type & NET_GSO_ECN ? NET_F_GUEST_ECN : 0;

    switch (f->header.gso_type & ~NET_GSO_ECN) {
    case NET_GSO_NONE: return NET_F_GUEST_CSUM;
    case NET_GSO_TCP4: return NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | ecn;
    case NET_GSO_TCP6: return NET_F_GUEST_CSUM | NET_F_GUEST_TSO6 | ecn;
    default: return NET_F_GUEST_CSUM | (f->head[f->l3] >> 4 == 6 ? NET_F_GUEST_USO6 : NET_F_GUEST_USO4);
    }
}

static NOINLINE enum net_drop convert(const struct net_frame *f, uint32_t tag, struct net_sink *to)
{
    bool undone = f->header.flags & NET_NEEDS_CSUM, takes = !(features_for(f) & ~to->features);
    struct built b;

    if (undone && !takes && f->header.gso_type)
        return segment(f, tag, to);
    build_head(f, tag, &b);
    return undone && !takes ? complete(f, &b, to) : put_built(f, &b, shift_header(f, &b), to);
}

/* The longest frame that the receiver's side of the wire would see. */
static inline uint32_t longest(const struct net_frame *f, uint32_t tag)
{
    uint32_t bytes = f->size;

    if (f->header.gso_type)
        bytes = f->payload + MIN(f->size - f->payload, f->header.gso_size);
    return bytes + (uint32_t)find_shift(f, tag);
}

enum net_drop net_convert(const struct net_frame *f, uint32_t tag, struct net_sink *to)
{
    if (unlikely(longest(f, tag) > to->mtu + NET_OVERHEAD))
        return NET_DROP_TOO_BIG;
    if (likely(!f->header.flags || !(features_for(f) & ~to->features)) && likely(!changes_tag(f, tag)))
        return put_as_is(f, to);
    return convert(f, tag, to);
}
