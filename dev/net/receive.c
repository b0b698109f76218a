/* SPDX-License-Identifier: BSD-2-Clause */
/* A card's receive queues, on the CPU of whoever sends (virtio 1.2, "Processing of Incoming Packets"). */
#include "core/base/panic.h"
#include "dev/net/card.h"
#include "dev/virtio/ring_short.h"

static void *claim_queue(void *device, unsigned pair)
{
    struct net_card *card = device;
    struct virtio_queue *q = virtio_enter(&card->pci->device, 2 * pair);

    ASSERT(pair < card->id.pairs);
    if (!q)
        return NULL;
    card->claims[pair] = (struct net_claim){card, q};
    return &card->claims[pair];
}

static void release_queue(void *claimed)
{
    struct net_claim *k = claimed;

    virtio_leave(&k->card->pci->device, k->queue);
}

/* The next buffer. One without a byte goes back as it came. */
static bool take_buffer(struct ring *r, struct ring_chain *c, struct ring_mark *mark)
{
    for (;;) {
        *mark = ring_mark(r);
        if (ring_pop(r, c) != RING_CHAIN)
            return false;
        if (c->readable.left)
            return ring_break(r, "readable buffer in a receive queue");
        if (c->writable.left)
            return true;
        ring_push(r, c);
    }
}

/* How many buffers hold this many bytes, from the one that is taken already; none is taken afterwards. 0:
 * there are not so many. */
static unsigned count_buffers(struct ring *r, struct ring_chain *c, struct ring_mark mark, uint64_t bytes)
{
    uint64_t room = c->writable.left;
    unsigned count = 1;

    while (room < bytes && ring_pop(r, c) == RING_CHAIN) {
        room += c->writable.left;
        count++;
    }
    if (r->works)
        ring_return(r, mark);
    return room < bytes ? 0 : count;
}

static bool fill_buffer(struct ring *r, struct ring_chain *c, struct net_piece *p)
{
    uint32_t n = (uint32_t)MIN(c->writable.left, p->size);

    return net_piece_copy(p, n, r, c);
}

/* All but the last are filled to the end. A driver that changes its buffers meanwhile has broken its ring. */
static enum net_drop fill_buffers(struct ring *r, struct ring_chain *c, struct net_piece *p, unsigned count)
{
    p->header.num_buffers = (uint16_t)count;
    for (unsigned i = 0; i < count; i++) {
        bool good = ring_pop(r, c) == RING_CHAIN && !c->readable.left;

        if (!good || (i == 0 && !ring_put(r, c, &p->header, NET_HEADER_SIZE)) || !fill_buffer(r, c, p)) {
            ring_break(r, "receive buffers that changed, or are too small for a header");
            return NET_DROP_MEMORY;
        }
        ring_push(r, c);
    }
    if (p->size) {
        ring_break(r, "receive buffers that changed");
        return NET_DROP_MEMORY;
    }
    return NET_PASSED;
}

static enum net_drop put_merged(struct net_claim *k, struct net_piece *p, struct ring_mark mark)
{
    struct ring *r = &k->queue->ring;
    unsigned count;

    if (!(k->card->pci->device.features & NET_F_MRG_RXBUF)) {
        ring_return(r, mark);
        return NET_DROP_TOO_BIG;
    }
    count = count_buffers(r, &k->queue->chain, mark, (uint64_t)p->size + NET_HEADER_SIZE);
    return count ? fill_buffers(r, &k->queue->chain, p, count) : NET_DROP_NO_BUFFER;
}

static NOINLINE enum net_drop put_chain(struct net_claim *k, struct net_piece *p)
{
    struct ring *r = &k->queue->ring;
    struct ring_chain *c = &k->queue->chain;
    struct ring_mark mark;

    if (!take_buffer(r, c, &mark))
        return NET_DROP_NO_BUFFER;
    if (unlikely(c->writable.left < (uint64_t)p->size + NET_HEADER_SIZE))
        return put_merged(k, p, mark);
    p->header.num_buffers = 1;
    if (!net_piece_begin(p, p->size, r, c)) {
        ring_return(r, mark);
        return NET_DROP_MEMORY;
    }
    ring_push(r, c);
    k->queue->chains++;
    return NET_PASSED;
}

/* Most often the next buffer is one, and holds the frame. */
static enum net_drop put_piece(void *claimed, struct net_piece *p)
{
    struct net_claim *k = claimed;
    struct ring *r = &k->queue->ring;
    uint32_t n = NET_HEADER_SIZE + p->size;
    uint16_t id;
    uint8_t *at;

    if (!filter_takes(&k->card->filter, p->head))
        return NET_DROP_FILTERED;
    at = ring_peek_buffer(r, n, &id);
    if (unlikely(!at))
        return put_chain(k, p);
    p->header.num_buffers = 1;
    if (!net_piece_write(p, at))
        return NET_DROP_MEMORY;
    ring_give_buffer(r, id, n);
    k->queue->chains++;
    return NET_PASSED;
}

const struct net_receiver_ops card_receiver_ops = {claim_queue, put_piece, release_queue};
