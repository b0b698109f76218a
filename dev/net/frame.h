/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame that a guest sends, where it lies in that guest's memory (virtio 1.2, "Device Operation" of the
 * network device, "Packet Transmission"). The guest may write to it at any time: what is looked at is read
 * once, into head, and delivered from there; what stands behind that is copied and never looked at.
 */
#pragma once

#include "dev/net/features.h"
#include "dev/virtio/ring.h"

#define NET_HEAD       256u /* bytes of a frame that are ever looked at */
#define NET_PLAIN_HEAD 64u  /* and of one that needs nothing done to it */
#define NET_LINK_SIZE  14u  /* bytes of an Ethernet header without a tag; the shortest frame */
#define NET_TAG_SIZE   4u   /* of an 802.1Q tag */
#define NET_OVERHEAD   18u  /* what a frame may have above its MTU */
#define NET_MAX_MTU    65535u
#define NET_MAX_FRAME  (NET_MAX_MTU + 40u + NET_OVERHEAD) /* IPv6 does not count its own header */
#define NET_MAX_PIECES 512u                               /* that one frame may be segmented into */

/* In front of each frame, in both directions. */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

#define NET_HEADER_SIZE 12u
_Static_assert(sizeof(struct net_header) == NET_HEADER_SIZE, "as drivers have it");

enum { NET_NEEDS_CSUM = 1, NET_DATA_VALID = 2 }; /* flags */
enum { NET_GSO_NONE = 0, NET_GSO_TCP4 = 1, NET_GSO_TCP6 = 4, NET_GSO_UDP = 5, NET_GSO_ECN = 0x80 };

/* What becomes of a copy of a frame. */
enum net_drop {
    NET_PASSED,
    NET_DROP_BAD_HEADER, /* the sender's header: not negotiated, or not what the frame is */
    NET_DROP_SHORT,      /* no header, or less than an Ethernet header behind it */
    NET_DROP_TOO_BIG,    /* more than a frame may have, or than the receiver's MTU */
    NET_DROP_DEEP,       /* headers that end behind NET_HEAD */
    NET_DROP_MEMORY,     /* a guest has closed, or lost, the memory it lies in or goes to */
    NET_DROP_SPOOF,      /* a source address that the port may not have */
    NET_DROP_VLAN,       /* not a VLAN of the sender or of the receiver */
    NET_DROP_ISOLATED,   /* from an isolated port to another */
    NET_DROP_RESERVED,   /* to 01:80:c2:00:00:0x, which ends at a switch */
    NET_DROP_RATE,       /* above the sender's rate */
    NET_DROP_FLOOD,      /* to all ports, above the sender's bound for that */
    NET_DROP_NO_PORT,    /* there is no other port to send it to */
    NET_DROP_LINK_DOWN,  /* the port is down, or nobody drives the device behind it */
    NET_DROP_NO_BUFFER,  /* the receiver has not made enough available */
    NET_DROP_FILTERED,   /* the receiver does not want it */
    NET_DROPS,
};

extern const char *const net_drop_names[NET_DROPS];

#define NET_NO_TAG 0x10000u /* in the place of a tag's 16 bits */

struct net_frame {
    struct net_header header; /* as a receiver that has everything may see it: checked, else 0 */
    uint32_t size;            /* bytes of the frame, without header */
    uint32_t tag;             /* the 16 bits of its outermost 802.1Q tag, or NET_NO_TAG */
    uint16_t head_size;
    uint16_t segments;              /* that it stands for: 1, but for segmentation offload */
    uint16_t l3, l4, payload;       /* offsets, of segmentation offload only */
    const struct ring *ring;        /* where it lies; */
    const struct ring_chain *chain; /* the caller keeps both */
    struct ring_part rest;          /* what stands behind head, if anything does */
    uint8_t head[NET_HEAD] ALIGNED(8);
};

/*
 * The readable part of a chain as a header and a frame; features: what the sender has negotiated. Else why
 * not, with *f undefined.
 */
enum net_drop net_frame_take(struct net_frame *f, struct ring *r, struct ring_chain *c, uint64_t features);

/*
 * The same by a short way: one piece, or a header and its frame, that needs nothing done to it. c: its
 * segments are the pieces, for as long as the frame is used. False: it is another, or a bad one.
 */
bool net_frame_take_pieces(struct net_frame *f, const struct ring *r, const struct ring_chain *c,
                           unsigned pieces);

/* The 48 bits of an address, the first byte lowest; of the frame's destination and source. */
static inline uint64_t net_mac(const uint8_t *at)
{
    return le32(at) | (uint64_t)le16(at + 4) << 32;
}

static inline uint64_t net_frame_to(const struct net_frame *f)
{
    return le64(f->head) & (BIT(48) - 1);
}

static inline uint64_t net_frame_from(const struct net_frame *f)
{
    return le64(f->head + 4) >> 16;
}

static inline bool net_is_group(uint64_t mac)
{
    return mac & 1;
}

/* The same for both directions of a flow, and for all of its frames. */
uint32_t net_frame_flow(const struct net_frame *f);

/*
 * What a receiver gets: a header, then size bytes as a stream, of which head_size at head come first and the
 * others from where the frame lies, from rest on.
 */
struct net_piece {
    struct net_header header; /* num_buffers is the receiver's */
    uint32_t size;            /* bytes that are left */
    uint32_t head_size;       /* of them */
    const uint8_t *head;
    const struct net_frame *frame;
    struct ring_part rest; /* if anything does */
};

static inline struct ring_part net_frame_rest(const struct net_frame *f)
{
    return f->size > f->head_size ? f->rest : (struct ring_part){0};
}

/* The frame as it is. */
static inline void net_piece_whole(struct net_piece *p, const struct net_frame *f)
{
    p->header = f->header;
    p->size = f->size;
    p->head_size = f->head_size;
    p->head = f->head;
    p->frame = f;
    if (f->size > f->head_size)
        p->rest = f->rest;
}

/* The next n bytes, to the next writable ones of a chain of another ring: one copy. False: there are not so
 * many on either side, or a guest has closed its memory. */
bool net_piece_copy(struct net_piece *p, uint32_t n, struct ring *to, struct ring_chain *c);

/* The same, of the header and the first n bytes behind it. */
bool net_piece_begin(struct net_piece *p, uint32_t n, struct ring *to, struct ring_chain *c);

/* All that is left, behind the header, to memory. False: the sender has lost it. */
bool net_piece_write(struct net_piece *p, uint8_t *to);
