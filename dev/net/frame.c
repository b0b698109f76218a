/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/frame.h"

#include "core/base/panic.h"
#include "dev/net/parse.h"
#include "dev/virtio/foreign.h"
#include "dev/virtio/ring_copy.h"

const char *const net_drop_names[NET_DROPS] = {
    [NET_PASSED] = "passed",
    [NET_DROP_BAD_HEADER] = "bad-header",
    [NET_DROP_SHORT] = "short",
    [NET_DROP_TOO_BIG] = "too-big",
    [NET_DROP_DEEP] = "deep-header",
    [NET_DROP_MEMORY] = "no-memory",
    [NET_DROP_SPOOF] = "spoof",
    [NET_DROP_VLAN] = "vlan",
    [NET_DROP_ISOLATED] = "isolated",
    [NET_DROP_RESERVED] = "reserved",
    [NET_DROP_RATE] = "rate",
    [NET_DROP_FLOOD] = "flood-limit",
    [NET_DROP_NO_PORT] = "no-port",
    [NET_DROP_LINK_DOWN] = "link-down",
    [NET_DROP_NO_BUFFER] = "no-buffer",
    [NET_DROP_FILTERED] = "filtered",
};

/* In the first word of a header: NET_NEEDS_CSUM, or any type of segmentation. */
#define UNDONE UINT64_C(0xff01)

/* --- segmentation offload: what the sender says against what the frame is --- */

struct gso_kind {
    uint8_t type, protocol, csum_offset, header;
    uint64_t needs; /* features of the sender */
};

enum { TCP_CSUM = 16, TCP_SIZE = 20, TCP_WORDS = 12, UDP_CSUM = 6, UDP_SIZE = 8 };

static const struct gso_kind gso_kinds[] = {
    {NET_GSO_TCP4, IP_TCP, TCP_CSUM, TCP_SIZE, NET_F_HOST_TSO4},
    {NET_GSO_TCP6, IP_TCP, TCP_CSUM, TCP_SIZE, NET_F_HOST_TSO6},
    {NET_GSO_TCP4 | NET_GSO_ECN, IP_TCP, TCP_CSUM, TCP_SIZE, NET_F_HOST_TSO4 | NET_F_HOST_ECN},
    {NET_GSO_TCP6 | NET_GSO_ECN, IP_TCP, TCP_CSUM, TCP_SIZE, NET_F_HOST_TSO6 | NET_F_HOST_ECN},
    {NET_GSO_UDP, IP_UDP, UDP_CSUM, UDP_SIZE, NET_F_HOST_USO},
};

static const struct gso_kind *find_kind(uint8_t type, uint64_t features)
{
    for (unsigned i = 0; i < ARRAY_SIZE(gso_kinds); i++) {
        if (gso_kinds[i].type == type)
            return (gso_kinds[i].needs & ~features) ? NULL : &gso_kinds[i];
    }
    return NULL;
}

/* The checksum is where the protocol has it; and the version of IP is the one that the type says, if any. */
static bool is_as_said(const struct net_frame *f, const struct net_layers *l, const struct gso_kind *k)
{
    uint8_t type = k->type & (uint8_t)~NET_GSO_ECN;

    return l->protocol == k->protocol && !l->fragment && l->l4 == f->header.csum_start &&
           k->csum_offset == f->header.csum_offset && (type != NET_GSO_TCP4 || !l->ip6) &&
           (type != NET_GSO_TCP6 || l->ip6);
}

/* Where the payload begins; 0: the header cannot be. What it has at least is in head. */
static unsigned find_payload(const struct net_frame *f, const struct gso_kind *k)
{
    unsigned at = f->header.csum_start, size = k->header;

    if (k->protocol == IP_TCP)
        size = (f->head[at + TCP_WORDS] >> 4) * 4u;
    return size < k->header ? 0 : at + size;
}

static enum net_drop count_segments(struct net_frame *f, uint16_t gso_size)
{
    uint32_t bytes = f->size - f->payload, most = MIN(bytes, gso_size);

    if (f->payload - f->l3 + most > NET_MAX_MTU || (bytes + gso_size - 1) / gso_size > NET_MAX_PIECES)
        return NET_DROP_BAD_HEADER;
    f->segments = (uint16_t)((bytes + gso_size - 1) / gso_size);
    f->header.gso_size = gso_size;
    return NET_PASSED;
}

static enum net_drop check_gso(struct net_frame *f, const struct net_header *h, uint64_t features)
{
    const struct gso_kind *k = find_kind(h->gso_type, features);
    struct net_layers l;
    unsigned payload;

    if (!k || !h->gso_size || h->gso_size == UINT16_MAX || !net_parse(f->head, f->head_size, &l) ||
        !is_as_said(f, &l, k))
        return NET_DROP_BAD_HEADER;
    if (l.l4 + k->header > f->head_size)
        return l.l4 + k->header > f->size ? NET_DROP_BAD_HEADER : NET_DROP_DEEP;
    payload = find_payload(f, k);
    if (!payload || payload >= f->size)
        return NET_DROP_BAD_HEADER;
    if (payload > f->head_size)
        return NET_DROP_DEEP;
    f->l3 = l.l3;
    f->l4 = l.l4;
    f->payload = f->header.hdr_len = (uint16_t)payload;
    f->header.gso_type = k->type;
    return count_segments(f, h->gso_size);
}

/* --- a checksum that is left undone --- */

/* The addresses and the tag, which have been decided by, are not to be written over by it. */
static enum net_drop check_csum(struct net_frame *f, const struct net_header *h, uint64_t features)
{
    unsigned first = f->tag == NET_NO_TAG ? NET_LINK_SIZE : NET_LINK_SIZE + NET_TAG_SIZE;
    uint32_t end = h->csum_start + h->csum_offset + 2u;

    if (!(features & NET_F_CSUM) || !(h->flags & NET_NEEDS_CSUM) || h->csum_start < first || end > f->size)
        return NET_DROP_BAD_HEADER;
    if (end > NET_HEAD)
        return NET_DROP_DEEP;
    f->header.flags = NET_NEEDS_CSUM;
    f->header.csum_start = h->csum_start;
    f->header.csum_offset = h->csum_offset;
    return NET_PASSED;
}

static bool read_more(struct net_frame *f, struct ring *r, struct ring_chain *c, uint32_t want)
{
    uint32_t n = MIN(f->size, want);
    bool done = true;

    if (n > f->head_size) {
        done = ring_get(r, c, f->head + f->head_size, n - f->head_size);
        f->head_size = (uint16_t)n;
    }
    f->rest = c->readable;
    return done;
}

static NOINLINE enum net_drop take_undone(struct net_frame *f, struct ring *r, struct ring_chain *c,
                                          const uint64_t words[2], uint64_t features)
{
    struct net_header h;
    enum net_drop drop;

    __builtin_memcpy(&h, words, sizeof(h));
    drop = check_csum(f, &h, features);
    if (drop)
        return drop;
    if (!read_more(f, r, c, h.gso_type ? NET_HEAD : h.csum_start + h.csum_offset + 2u))
        return NET_DROP_MEMORY;
    return h.gso_type ? check_gso(f, &h, features) : NET_PASSED;
}

/* --- any frame --- */

static COLD enum net_drop refuse(const struct ring_chain *c)
{
    if (c->readable.left < NET_HEADER_SIZE + NET_LINK_SIZE)
        return NET_DROP_SHORT;
    return c->writable.left ? NET_DROP_BAD_HEADER : NET_DROP_TOO_BIG;
}

/* The header in two words. False: a guest has lost its memory. */
static inline bool read_start(struct net_frame *f, uint64_t words[2], struct ring *r, struct ring_chain *c)
{
    const uint8_t *at = ring_flat_piece(r, c, &c->readable, NET_HEADER_SIZE + f->head_size);

    if (unlikely(!at))
        return ring_get(r, c, words, NET_HEADER_SIZE) && ring_get(r, c, f->head, f->head_size);
    words[0] = foreign_read64(at);
    words[1] = foreign_read32(at + 8);
    memcpy(f->head, at + NET_HEADER_SIZE, f->head_size);
    return true;
}

static inline uint32_t find_tag(const struct net_frame *f)
{
    bool tagged = be16(f->head + 12) == ETHER_TAG && f->size >= NET_LINK_SIZE + NET_TAG_SIZE;

    return unlikely(tagged) ? be16(f->head + 14) : NET_NO_TAG;
}

/* What is neither read nor checked by either way. */
static inline void begin_frame(struct net_frame *f, const struct ring *r, const struct ring_chain *c)
{
    f->ring = r;
    f->chain = c;
    f->header = (struct net_header){0};
    f->segments = 1;
    f->tag = find_tag(f);
}

enum net_drop net_frame_take(struct net_frame *f, struct ring *r, struct ring_chain *c, uint64_t features)
{
    uint64_t above = c->readable.left - NET_HEADER_SIZE - NET_LINK_SIZE, words[2];

    if (unlikely(above > NET_MAX_FRAME - NET_LINK_SIZE || c->writable.left))
        return refuse(c);
    f->size = (uint32_t)above + NET_LINK_SIZE;
    f->head_size = (uint16_t)MIN(f->size, NET_PLAIN_HEAD);
    if (unlikely(!read_start(f, words, r, c)))
        return NET_DROP_MEMORY;
    begin_frame(f, r, c);
    if (f->size > f->head_size)
        f->rest = c->readable;
    if (likely(!(words[0] & UNDONE)))
        return NET_PASSED;
    return take_undone(f, r, c, words, features);
}

bool net_frame_take_pieces(struct net_frame *f, const struct ring *r, const struct ring_chain *c,
                           unsigned pieces)
{
    const struct ring_segment *s = &c->segments[pieces - 1];
    const uint8_t *flat = r->memory->flat, *at = flat + s->at;
    uint32_t before = pieces == 1 ? NET_HEADER_SIZE : 0, size = s->size - before;

    if ((pieces == 2 && c->segments[0].size != NET_HEADER_SIZE) || s->size < before + NET_LINK_SIZE ||
        size > NET_MAX_FRAME || (foreign_read32(flat + c->segments[0].at) & UNDONE))
        return false;
    f->size = size;
    f->head_size = (uint16_t)MIN(size, NET_PLAIN_HEAD);
    memcpy(f->head, at + before, f->head_size);
    begin_frame(f, r, c);
    if (size > f->head_size)
        f->rest = (struct ring_part){pieces - 1, pieces, before + f->head_size, size - f->head_size};
    return true;
}

/* --- its flow --- */

static uint32_t mix_flow(uint64_t both)
{
    both = (both ^ both >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(both >> 32);
}

static uint64_t mix_addresses(const uint8_t *ip, bool ip6)
{
    if (!ip6)
        return le32(ip + 12) ^ le32(ip + 16);
    return mix_flow(le64(ip + 8) ^ le64(ip + 24)) ^ le64(ip + 16) ^ le64(ip + 32);
}

/* What a plain frame has in head is looked at, whatever this one has: they may be of one flow. */
uint32_t net_frame_flow(const struct net_frame *f)
{
    unsigned size = MIN(f->head_size, NET_PLAIN_HEAD);
    struct net_layers l;
    uint64_t both;

    if (!net_parse(f->head, size, &l))
        return mix_flow(net_frame_to(f) ^ net_frame_from(f));
    both = mix_addresses(f->head + l.l3, l.ip6);
    if (!l.fragment && (l.protocol == IP_TCP || l.protocol == IP_UDP) && l.l4 + 4u <= size)
        both ^= (uint64_t)(be16(f->head + l.l4) ^ be16(f->head + l.l4 + 2)) << 40;
    return mix_flow(both);
}

/* --- pieces of it --- */

static inline void skip_head(struct net_piece *p, uint32_t n)
{
    p->head += n;
    p->head_size -= n;
}

bool net_piece_copy(struct net_piece *p, uint32_t n, struct ring *to, struct ring_chain *c)
{
    uint32_t first = MIN(n, p->head_size);

    ASSERT(n <= p->size);
    if (first && !ring_put(to, c, p->head, first))
        return false;
    skip_head(p, first);
    p->size -= n;
    return n == first || ring_copy(p->frame->ring, p->frame->chain, &p->rest, n - first, to, c);
}

bool net_piece_begin(struct net_piece *p, uint32_t n, struct ring *to, struct ring_chain *c)
{
    uint32_t first = MIN(n, p->head_size), bytes = NET_HEADER_SIZE + first;
    uint8_t *at = is_closing(to->memory) ? NULL : ring_flat_piece(to, c, &c->writable, bytes);

    ASSERT(n <= p->size);
    if (unlikely(!at))
        return ring_put(to, c, &p->header, NET_HEADER_SIZE) && net_piece_copy(p, n, to, c);
    __builtin_memcpy(at, &p->header, NET_HEADER_SIZE);
    memcpy(at + NET_HEADER_SIZE, p->head, first);
    c->written += bytes;
    p->size -= n;
    skip_head(p, first);
    return n == first || ring_copy(p->frame->ring, p->frame->chain, &p->rest, n - first, to, c);
}

bool net_piece_write(struct net_piece *p, uint8_t *to)
{
    uint32_t rest = p->size - p->head_size;

    __builtin_memcpy(to, &p->header, NET_HEADER_SIZE);
    to += NET_HEADER_SIZE;
    memcpy(to, p->head, p->head_size);
    return !rest || ring_copy_out(p->frame->ring, p->frame->chain, &p->rest, rest, to + p->head_size);
}
