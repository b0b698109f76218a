/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' memories with frames in them, and what a receiver got, looked at by a slow reference of its own:
 * one byte after the other, in the order of the network, as RFC 791, 1071, 8200, 9293 and 768 have it.
 */
#pragma once

#include "dev/net/offload.h"
#include "dev/virtio/ring_copy.h"

#include <stdlib.h>
#include <string.h>

/* --- memory: a part that is reached directly, a part in mapped pieces, and a part that must be read --- */

#define FAKE_SIZE   0x60000u
#define FAKE_FLAT   0x20000u
#define FAKE_MAPPED 0x40000u /* up to here, in pieces of */
#define FAKE_PIECE  0x1000u

struct fake_ram {
    struct ring_memory memory;
    uint8_t bytes[FAKE_SIZE];
    uintptr_t closing;
    bool closed, lost;         /* to writing; at all */
    unsigned reads[FAKE_SIZE]; /* of each byte behind FAKE_MAPPED */
    void (*after_read)(uint64_t at, size_t n);
};

static bool fake_ram_is(void *context, uint64_t at, uint64_t n)
{
    struct fake_ram *m = context;

    return !m->lost && at < FAKE_SIZE && n <= FAKE_SIZE - at;
}

static void *fake_ram_map(void *context, uint64_t at, size_t n, bool to_write)
{
    struct fake_ram *m = context;

    if (!fake_ram_is(m, at, n) || (to_write && m->closed) || at + n > FAKE_MAPPED)
        return NULL;
    return at / FAKE_PIECE == (at + n - 1) / FAKE_PIECE ? &m->bytes[at] : NULL;
}

static bool fake_ram_read(void *context, uint64_t at, void *to, size_t n)
{
    struct fake_ram *m = context;

    if (!fake_ram_is(m, at, n))
        return false;
    memcpy(to, &m->bytes[at], n);
    for (size_t i = 0; i < n; i++)
        m->reads[at + i]++;
    if (m->after_read)
        m->after_read(at, n);
    return true;
}

static bool fake_ram_write(void *context, uint64_t at, const void *from, size_t n)
{
    struct fake_ram *m = context;

    if (!fake_ram_is(m, at, n) || m->closed)
        return false;
    memcpy(&m->bytes[at], from, n);
    return true;
}

static inline void fake_ram_init(struct fake_ram *m)
{
    memset(m, 0, sizeof(*m));
    m->memory = (struct ring_memory){.context = m,
                                     .flat = m->bytes,
                                     .flat_size = FAKE_FLAT,
                                     .closing = &m->closing,
                                     .is_ram = fake_ram_is,
                                     .map = fake_ram_map,
                                     .read = fake_ram_read,
                                     .write = fake_ram_write};
}

/* --- chains: n bytes in memory from at on, cut into segments no longer than most (0: one) --- */

struct fake_chain {
    struct ring ring;
    struct ring_chain chain;
    struct ring_segment segments[RING_MAX_SIZE];
};

static inline void fake_cut(struct fake_chain *c, struct fake_ram *m, uint64_t at, uint32_t n, uint32_t most)
{
    uint32_t done = 0;
    unsigned count = 0;

    c->ring = (struct ring){.memory = &m->memory, .works = true};
    while (done < n) {
        uint32_t step = !most || count == RING_MAX_SIZE - 1 ? n - done : 1 + (uint32_t)rand() % most;

        step = step < n - done ? step : n - done;
        c->segments[count++] = (struct ring_segment){at + done, step};
        done += step;
    }
    c->chain = (struct ring_chain){.segments = c->segments, .count = (uint16_t)count};
}

static inline void fake_readable(struct fake_chain *c, struct fake_ram *m, uint64_t at, uint32_t n,
                                 uint32_t most)
{
    fake_cut(c, m, at, n, most);
    c->chain.readable = (struct ring_part){.end = c->chain.count, .left = n};
}

static inline void fake_writable(struct fake_chain *c, struct fake_ram *m, uint64_t at, uint32_t n,
                                 uint32_t most)
{
    fake_cut(c, m, at, n, most);
    c->chain.writable = (struct ring_part){.end = c->chain.count, .left = n};
}

/* --- the network's order, byte by byte --- */

static inline unsigned net16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static inline uint32_t net32(const uint8_t *at)
{
    return (uint32_t)net16(at) << 16 | net16(at + 2);
}

static inline void put_net16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put_net32(uint8_t *at, uint32_t value)
{
    put_net16(at, value >> 16);
    put_net16(at + 2, value & 0xffff);
}

/* Goes on with a sum of 16-bit words, carry brought around at once. */
static inline unsigned slow_sum(unsigned sum, const uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i += 2) {
        sum += (unsigned)at[i] << 8 | (i + 1 < n ? at[i + 1] : 0);
        if (sum > 0xffff)
            sum -= 0xffff;
    }
    return sum;
}

/* --- packets --- */

struct packet {
    bool ip6, tcp;
    unsigned tags;      /* 802.1Q tags in front of the IP header */
    unsigned options;   /* bytes of IPv4 options or of an IPv6 options header: a multiple of 8 */
    unsigned tcp_words; /* of the TCP header, from 5 on */
    uint8_t tcp_flags;
    uint32_t payload; /* bytes */
    unsigned seed;
};

struct layout {
    unsigned l3, l4, data, size;
};

static inline struct layout layout_of(const struct packet *p)
{
    struct layout l;

    l.l3 = 14 + 4 * p->tags;
    l.l4 = l.l3 + (p->ip6 ? 40 : 20) + p->options;
    l.data = l.l4 + (p->tcp ? p->tcp_words * 4 : 8);
    l.size = l.data + p->payload;
    return l;
}

static inline uint8_t payload_byte(unsigned seed, uint32_t i)
{
    return (uint8_t)((seed + i) * 2654435761u >> 13);
}

static inline unsigned pseudo_sum(const uint8_t *ip, bool ip6, unsigned protocol, unsigned l4_bytes)
{
    uint8_t tail[8] = {0};
    unsigned sum = ip6 ? slow_sum(0, ip + 8, 32) : slow_sum(0, ip + 12, 8);

    put_net32(tail, l4_bytes);
    tail[7] = (uint8_t)protocol;
    return slow_sum(sum, tail, 8);
}

static inline void build_ip(uint8_t *ip, const struct packet *p, unsigned l4_bytes)
{
    unsigned protocol = p->tcp ? 6 : 17;

    for (unsigned i = 0; i < 32; i++)
        ip[8 + i] = (uint8_t)(i * 7 + p->seed);
    if (p->ip6) {
        put_net32(ip, 0x60000000);
        put_net16(ip + 4, p->options + l4_bytes);
        ip[6] = p->options ? 60 : (uint8_t)protocol;
        ip[7] = 64;
        if (p->options) {
            memset(ip + 40, 0, p->options);
            ip[40] = (uint8_t)protocol;
            ip[41] = (uint8_t)(p->options / 8 - 1);
        }
        return;
    }
    put_net32(ip, 0x45000000 + (p->options / 4 << 24) + 20 + p->options + l4_bytes);
    put_net32(ip + 4, p->seed << 16);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    put_net16(ip + 10, 0);
    memset(ip + 20, 1, p->options);
    put_net16(ip + 10, ~slow_sum(0, ip, 20 + p->options) & 0xffff);
}

/* The frame, with the checksum of the pseudo header only in the place of the whole. */
static inline struct layout build_frame(uint8_t *f, const struct packet *p)
{
    struct layout l = layout_of(p);
    unsigned l4_bytes = l.size - l.l4;

    memcpy(f, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
    for (unsigned i = 0; i < p->tags; i++)
        put_net32(f + 12 + 4 * i, 0x8100a000 + 5 + i);
    put_net16(f + l.l3 - 2, p->ip6 ? 0x86dd : 0x0800);
    build_ip(f + l.l3, p, l4_bytes);
    memset(f + l.l4, 0, l.data - l.l4);
    put_net32(f + l.l4, 0x04d2162e + p->seed);
    if (p->tcp) {
        put_net32(f + l.l4 + 4, 0xfffffe00 + p->seed); /* soon to pass 0 */
        memset(f + l.l4 + 20, 1, p->tcp_words * 4 - 20);
        put_net16(f + l.l4 + 12, p->tcp_words << 12 | p->tcp_flags);
    } else {
        put_net16(f + l.l4 + 4, l4_bytes);
    }
    put_net16(f + l.l4 + (p->tcp ? 16 : 6), pseudo_sum(f + l.l3, p->ip6, p->tcp ? 6 : 17, l4_bytes));
    for (uint32_t i = 0; i < p->payload; i++)
        f[l.data + i] = payload_byte(p->seed, i);
    return l;
}

/* NULL, or what is wrong with a whole frame that carries n bytes of a packet's payload. */
static inline const char *check_frame(const uint8_t *f, uint32_t size, const struct packet *p, uint32_t n)
{
    struct packet part = *p;
    struct layout l;
    const uint8_t *ip, *l4;
    unsigned protocol = p->tcp ? 6 : 17;

    part.payload = n;
    l = layout_of(&part);
    ip = f + l.l3;
    l4 = f + l.l4;
    if (size != l.size)
        return "size";
    if (net16(f + l.l3 - 2) != (p->ip6 ? 0x86dd : 0x0800))
        return "type";
    if (!p->ip6 && (net16(ip + 2) != size - l.l3 || slow_sum(0, ip, 20 + p->options) != 0xffff))
        return "IPv4 length or checksum";
    if (p->ip6 && net16(ip + 4) != size - l.l3 - 40)
        return "IPv6 length";
    if (!p->tcp && (net16(l4 + 4) != size - l.l4 || !net16(l4 + 6)))
        return "UDP length or no checksum";
    if (slow_sum(pseudo_sum(ip, p->ip6, protocol, size - l.l4), l4, size - l.l4) != 0xffff)
        return "checksum";
    return NULL;
}

/* --- a receiver --- */

#define FAKE_GOT 600u

struct fake_receiver {
    struct fake_ram ram;
    uint32_t most;     /* bytes of its segments */
    uint64_t at;       /* where its buffers begin; */
    uint32_t capacity; /* bytes of one; */
    unsigned room;     /* how many it has */
    unsigned count;
    struct net_header headers[FAKE_GOT];
    uint8_t *frames[FAKE_GOT];
    uint32_t sizes[FAKE_GOT];
};

static inline void fake_receiver_init(struct fake_receiver *r)
{
    memset(r, 0, sizeof(*r));
    fake_ram_init(&r->ram);
    r->capacity = NET_MAX_FRAME;
    r->room = FAKE_GOT;
}

static inline void fake_forget(struct fake_receiver *r)
{
    while (r->count)
        free(r->frames[--r->count]);
}

/* In one step, or in two, as a device does that has two buffers for it. */
static inline bool fake_take(struct fake_receiver *r, struct net_piece *p, uint32_t first)
{
    uint32_t size = p->size;
    struct fake_chain c;

    if (!r->ram.closing && rand() % 3 == 0)
        return net_piece_write(p, &r->ram.bytes[r->at]);
    fake_writable(&c, &r->ram, r->at, NET_HEADER_SIZE + size, r->most);
    return net_piece_begin(p, first, &c.ring, &c.chain) && net_piece_copy(p, size - first, &c.ring, &c.chain);
}

static inline enum net_drop fake_put(void *claimed, struct net_piece *p)
{
    struct fake_receiver *r = claimed;
    uint32_t size = p->size, first = size ? (uint32_t)rand() % (size + 1) : 0;

    if (r->count == r->room || size > r->capacity)
        return NET_DROP_NO_BUFFER;
    if (!fake_take(r, p, first))
        return NET_DROP_MEMORY;
    memcpy(&r->headers[r->count], &r->ram.bytes[r->at], NET_HEADER_SIZE);
    r->frames[r->count] = malloc(size);
    memcpy(r->frames[r->count], &r->ram.bytes[r->at + NET_HEADER_SIZE], size);
    r->sizes[r->count++] = size;
    return NET_PASSED;
}

static inline struct net_sink fake_sink(struct fake_receiver *r, uint64_t features, uint32_t mtu)
{
    return (struct net_sink){.claimed = r, .put = fake_put, .features = features, .mtu = mtu};
}
