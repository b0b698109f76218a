/* SPDX-License-Identifier: BSD-2-Clause */
#include "net.h"

enum { RX, TX, CONTROL };
enum { NO_INTERRUPT = 1, NO_NOTIFY = 1 };

static void fence(void)
{
    __asm__ volatile("lock; addl $0, (%%esp)" : : : "memory");
}

void net_set_up_ring(const struct virtio *v, unsigned queue, struct net_ring *r)
{
    const struct virtio_area *c = &v->common;

    virtio_set(c, COMMON_QUEUE, 2, queue);
    virtio_set(c, COMMON_SIZE, 2, NET_RING);
    virtio_set(c, 0x20, 4, (uint32_t)r->desc);
    virtio_set(c, 0x24, 4, 0);
    virtio_set(c, 0x28, 4, (uint32_t)&r->avail);
    virtio_set(c, 0x2c, 4, 0);
    virtio_set(c, 0x30, 4, (uint32_t)&r->used);
    virtio_set(c, 0x34, 4, 0);
    virtio_set(c, 0x1a, 2, 0xffff);
    r->avail.flags = NO_INTERRUPT;
    virtio_set(c, COMMON_ENABLE, 2, 1);
}

static void give_buffer(struct net_card *n, unsigned i)
{
    struct net_ring *r = &n->rx;

    r->desc[i] = (struct net_descriptor){(uint32_t)n->buffers[i], 0, NET_BUFFER, DESC_WRITE, 0};
    r->avail.ring[r->avail.idx % NET_RING] = (uint16_t)i;
    __asm__ volatile("" ::: "memory");
    r->avail.idx++;
}

bool net_open(struct net_card *n, unsigned slot, uint32_t features)
{
    memset(n, 0, sizeof(*n));
    if (!virtio_find(&n->v, slot))
        return false;
    virtio_negotiate(&n->v, features, false);
    if (!(virtio_get(&n->v.common, COMMON_STATUS, 1) & 8))
        return false;
    net_set_up_ring(&n->v, RX, &n->rx);
    net_set_up_ring(&n->v, TX, &n->tx);
    if (features & NET_CTRL)
        net_set_up_ring(&n->v, CONTROL, &n->control);
    for (unsigned i = 0; i < NET_RING; i++)
        give_buffer(n, i);
    for (unsigned i = 0; i < sizeof(n->mac); i++)
        n->mac[i] = (uint8_t)virtio_get(&n->v.config, i, 1);
    virtio_set(&n->v.common, COMMON_STATUS, 1, 0xf);
    return virtio_get(&n->v.common, COMMON_STATUS, 1) == 0xf;
}

void net_close(struct net_card *n)
{
    virtio_stop(&n->v);
}

void net_offer(struct net_card *n, const struct net_header *header, const void *frame, uint32_t size)
{
    struct net_ring *r = &n->tx;
    unsigned i = n->tx_next % (NET_RING / 2), at = 2 * i;

    n->headers[i] = header ? *header : (struct net_header){0};
    r->desc[at] = (struct net_descriptor){(uint32_t)&n->headers[i], 0, sizeof(n->headers[i]), DESC_NEXT,
                                          (uint16_t)(at + 1)};
    r->desc[at + 1] = (struct net_descriptor){(uint32_t)frame, 0, size, 0, 0};
    r->avail.ring[n->tx_next % NET_RING] = (uint16_t)at;
    n->tx_next++;
}

void net_kick(struct net_card *n)
{
    fence();
    n->tx.avail.idx = n->tx_next;
    fence();
    if (n->tx.used.flags & NO_NOTIFY)
        return;
    n->kicks++;
    virtio_set(&n->v.port_bell, 0, 2, TX);
}

bool net_all_sent(const struct net_card *n)
{
    return n->tx.used.idx == n->tx_next;
}

static uint32_t take_used(struct net_card *n, uint8_t *to, uint32_t room)
{
    unsigned id = n->rx.used.ring[n->rx_seen % NET_RING].id;
    uint32_t size = n->rx.used.ring[n->rx_seen % NET_RING].size;

    if (size <= room)
        memcpy(to, n->buffers[id % NET_RING], size);
    n->rx_seen++;
    give_buffer(n, id % NET_RING);
    return size <= room ? size : room;
}

uint32_t net_receive(struct net_card *n, void *to, uint32_t room)
{
    uint8_t *bytes = to;
    uint32_t done;

    if (n->rx.used.idx == n->rx_seen)
        return 0;
    fence();
    done = take_used(n, bytes, room);
    /* All buffers of a frame are shown at once. */
    for (unsigned more = ((struct net_header *)to)->num_buffers; more > 1; more--)
        done += take_used(n, bytes + done, room - done);
    return done;
}

uint8_t net_control(struct net_card *n, uint8_t class, uint8_t command, const void *data, uint32_t size)
{
    static uint8_t head[2];
    static volatile uint8_t answer;
    struct net_ring *r = &n->control;

    head[0] = class;
    head[1] = command;
    answer = 0xff;
    r->desc[0] = (struct net_descriptor){(uint32_t)head, 0, 2, DESC_NEXT, 1};
    r->desc[1] = (struct net_descriptor){(uint32_t)data, 0, size, DESC_NEXT, 2};
    r->desc[2] = (struct net_descriptor){(uint32_t)&answer, 0, 1, DESC_WRITE, 0};
    r->avail.ring[n->control_next++ % NET_RING] = 0;
    fence();
    r->avail.idx = n->control_next;
    fence();
    virtio_set(&n->v.port_bell, 0, 2, CONTROL);
    return answer;
}
