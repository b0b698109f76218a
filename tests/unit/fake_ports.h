/* SPDX-License-Identifier: BSD-2-Clause */
/* A net of ports whose devices take every frame, and look after the rules of struct net_receiver_ops. */
#pragma once

#include "tests/unit/unit.h"

#include <sched.h>

#include "dev/net/switch.h"
#include "tests/unit/fake_net.h"

#define HZ UINT64_C(1000000000)

struct fake_device {
    bool gone;     /* nobody may call it (atomic) */
    bool undriven; /* it has no receive queue to give */
    bool full;     /* nor a buffer */
    bool claimed[NET_MAX_PAIRS];
    unsigned claims;
    uint64_t frames, bytes;
    unsigned last_pair;
    struct net_header last_header;
    uint32_t last_size;
    uint8_t last[256]; /* the start of what it got last */
};

static _Thread_local unsigned claimed_now; /* by this CPU */
static _Thread_local struct fake_device *claimed_device;
static _Thread_local unsigned claimed_pair;

static struct net net;
static struct net_port *ports;
static struct fdb table;
static struct fake_device devices[NET_MAX_PORTS];

static inline void *device_claim(void *device, unsigned pair)
{
    struct fake_device *d = device;

    assert_false(__atomic_load_n(&d->gone, __ATOMIC_SEQ_CST));
    assert_int_equal(claimed_now, 0);
    assert_true(pair < NET_MAX_PAIRS);
    if (d->undriven)
        return NULL;
    while (__atomic_exchange_n(&d->claimed[pair], true, __ATOMIC_ACQUIRE))
        sched_yield();
    claimed_now++;
    claimed_device = d;
    claimed_pair = pair;
    __atomic_fetch_add(&d->claims, 1, __ATOMIC_RELAXED);
    return &d->claimed[pair];
}

static inline enum net_drop device_put(void *claimed, struct net_piece *p)
{
    struct fake_device *d = claimed_device;

    assert_int_equal(claimed_now, 1);
    assert_ptr_equal(claimed, &d->claimed[claimed_pair]);
    assert_false(__atomic_load_n(&d->gone, __ATOMIC_SEQ_CST));
    if (d->full)
        return NET_DROP_NO_BUFFER;
    __atomic_fetch_add(&d->frames, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&d->bytes, p->size, __ATOMIC_RELAXED);
    d->last_pair = claimed_pair;
    d->last_header = p->header;
    d->last_size = p->size;
    memcpy(d->last, p->head, p->head_size < sizeof(d->last) ? p->head_size : sizeof(d->last));
    return NET_PASSED;
}

static inline void device_release(void *claimed)
{
    assert_int_equal(claimed_now, 1);
    assert_ptr_equal(claimed, &claimed_device->claimed[claimed_pair]);
    claimed_now--;
    __atomic_store_n((bool *)claimed, false, __ATOMIC_RELEASE);
}

static const struct net_receiver_ops fake_ops = {device_claim, device_put, device_release};

/* Ports without settings, and nothing behind them. */
static inline void make_net(enum net_kind kind, unsigned count)
{
    free(ports);
    ports = aligned_alloc(64, count * sizeof(*ports));
    memset(ports, 0, count * sizeof(*ports));
    memset(&table, 0, sizeof(table));
    memset(devices, 0, sizeof(devices));
    net_init(&net, kind, ports, count, kind == NET_SWITCH ? &table : NULL, HZ, 12345);
}

static inline void start_net(void)
{
    assert_null(net_start(&net));
    for (unsigned i = 0; i < net.count; i++)
        net_attach(&ports[i], &fake_ops, &devices[i]);
}

static inline uint64_t mac_of(unsigned n)
{
    return 2 | (uint64_t)n << 40;
}

#define MAC_ALL   UINT64_C(0xffffffffffff)
#define NO_TAG    (-1)
#define SENT_SIZE 100u

static struct fake_ram sender_ram;

/* A frame of SENT_SIZE bytes. */
static inline void build_plain(struct fake_ram *m, struct fake_chain *c, uint32_t at, uint64_t to,
                               uint64_t from, int tag)
{
    uint8_t *f = &m->bytes[at + NET_HEADER_SIZE];

    memset(&m->bytes[at], 0, NET_HEADER_SIZE + SENT_SIZE);
    store_le(f, to, 6);
    store_le(f + 6, from, 6);
    if (tag != NO_TAG)
        put_net32(f + 12, 0x81000000 | (unsigned)tag);
    put_net16(f + (tag == NO_TAG ? 12 : 16), 0x88b5);
    f[SENT_SIZE - 1] = 0x77;
    fake_readable(c, m, at, NET_HEADER_SIZE + SENT_SIZE, 0);
}

static inline void send_in(struct net_batch *b, uint64_t to, uint64_t from, int tag)
{
    struct fake_chain c;

    build_plain(&sender_ram, &c, 0x100, to, from, tag);
    net_transmit(b, &c.ring, &c.chain);
}

/* One frame in a turn of its own. */
static inline void send_one(unsigned port, uint64_t to, uint64_t from, int tag)
{
    struct net_batch b;

    net_begin(&b, &ports[port], 0, 0, 0);
    send_in(&b, to, from, tag);
    net_end(&b);
    assert_int_equal(claimed_now, 0);
}

/* Which ports got something since this was asked last. */
static inline uint64_t who_got(void)
{
    static uint64_t before[NET_MAX_PORTS];
    uint64_t set = 0;

    for (unsigned i = 0; i < NET_MAX_PORTS; i++) {
        if (devices[i].frames != before[i])
            set |= BIT(i);
        before[i] = devices[i].frames;
    }
    return set;
}

static inline uint64_t sum_drops(const uint64_t drops[NET_DROPS])
{
    uint64_t sum = 0;

    for (unsigned d = 0; d < NET_DROPS; d++)
        sum += drops[d];
    return sum;
}

/* Every frame has ended somewhere, by either side's counters and by what the devices saw. */
static inline void check_counters(void)
{
    uint64_t went = 0, came = 0;

    for (unsigned i = 0; i < net.count; i++) {
        struct net_sent s;
        struct net_received r;

        net_sum_sent(&ports[i], &s);
        net_sum_received(&ports[i], &r);
        assert_int_equal(s.copies, s.delivered + sum_drops(s.drops));
        assert_true(s.copies >= s.frames && s.mirrors >= s.mirrored && !s.drops[NET_PASSED]);
        assert_int_equal(r.frames, devices[i].frames);
        assert_int_equal(r.bytes, devices[i].bytes);
        assert_int_equal(ports[i].users, 0);
        went += s.delivered + s.mirrored;
        came += r.copies;
    }
    assert_int_equal(went, came);
}
