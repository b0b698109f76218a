/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a virtio device, and the work on its queues. Its registers: common.c. */
#include "dev/virtio/virtio.h"

#include "arch/x86/speculation.h"
#include "core/base/panic.h"
#include "dev/virtio/virtio_inside.h"

/* One go at a queue: then its vCPU looks whether something else is wanted of it. */
#define MOST_CHAINS 64
#define MOST_BYTES  (256 * KIB)

_Static_assert(VIRTIO_MAX_QUEUES < VIRTIO_NO_VECTOR, "vectors are more than queues");

bool virtio_is_live(const struct virtio_device *d)
{
    uint8_t status = __atomic_load_n(&d->status, __ATOMIC_ACQUIRE);

    return (status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET | VIRTIO_FAILED)) == VIRTIO_DRIVER_OK;
}

/* --- interrupts --- */

static void interrupt(struct virtio_device *d, const uint16_t *vector, unsigned isr)
{
    d->host.interrupt(d->host.context, __atomic_load_n(vector, __ATOMIC_RELAXED), isr);
}

COLD void virtio_break(struct virtio_device *d, const char *why)
{
    uint8_t before = __atomic_fetch_or(&d->status, VIRTIO_NEEDS_RESET, __ATOMIC_ACQ_REL);

    if (before & VIRTIO_NEEDS_RESET)
        return;
    d->fault = why;
    d->faults++;
    if (before & VIRTIO_DRIVER_OK)
        interrupt(d, &d->config_vector, VIRTIO_ISR_CONFIG);
}

void virtio_tell_config(struct virtio_device *d)
{
    if (virtio_is_live(d))
        interrupt(d, &d->config_vector, VIRTIO_ISR_CONFIG);
}

uint8_t virtio_take_isr(struct virtio_device *d)
{
    return __atomic_exchange_n(&d->isr, 0, __ATOMIC_ACQ_REL);
}

/* --- queues --- */

static inline bool has_work(struct virtio_device *d, const struct virtio_queue *q)
{
    return !d->ops->ready || d->ops->ready(d, q->index);
}

static inline bool serve_by_short_way(struct virtio_device *d, struct virtio_queue *q)
{
    return d->ops->serve_short && d->ops->serve_short(d, q->index, &q->ring);
}

/* False: it is not to be served now, or is broken. */
static INLINED bool serve_by_long_way(struct virtio_device *d, struct virtio_queue *q)
{
    if (!has_work(d, q) || ring_pop(&q->ring, &q->chain) != RING_CHAIN)
        return false;
    q->work += q->chain.readable.left;
    d->ops->serve(d, q->index, &q->ring, &q->chain);
    q->work += q->chain.written;
    ring_push(&q->ring, &q->chain);
    return true;
}

/* What is there, up to a bound. True: that was all. */
static INLINED bool serve_chains(struct virtio_device *d, struct virtio_queue *q)
{
    q->work = 0;
    for (unsigned n = 0; n < MOST_CHAINS && q->work < MOST_BYTES; n++) {
        if (!ring_has_more(&q->ring) || (!serve_by_short_way(d, q) && !serve_by_long_way(d, q)))
            return true;
        q->chains++;
    }
    return false;
}

/* Whether there is more, for which no kick may come. */
static INLINED bool look_again(struct virtio_device *d, struct virtio_queue *q)
{
    if (has_work(d, q) && !__atomic_load_n(&d->polled, __ATOMIC_ACQUIRE))
        return ring_listen(&q->ring);
    ring_deafen(&q->ring);
    return false;
}

static void come_back(struct virtio_device *d, struct virtio_queue *q)
{
    __atomic_store_n(&q->later, true, __ATOMIC_RELEASE);
    d->host.later(d->host.context);
}

static INLINED bool serve_turn(struct virtio_device *d, struct virtio_queue *q)
{
    bool all;

    if (d->ops->begin)
        d->ops->begin(d, q->index);
    all = serve_chains(d, q);
    if (d->ops->end)
        d->ops->end(d, q->index);
    return all;
}

/* False: its ring is broken. */
static INLINED bool show_chains(struct virtio_device *d, struct virtio_queue *q)
{
    if (ring_publish(&q->ring)) {
        q->interrupts++;
        interrupt(d, &q->vector, VIRTIO_ISR_QUEUE);
    }
    if (unlikely(q->ring.fault))
        virtio_break(d, q->ring.fault);
    return !q->ring.fault;
}

static INLINED void work_on(struct virtio_device *d, struct virtio_queue *q)
{
    bool all;

    ring_begin(&q->ring);
    all = serve_turn(d, q);
    if (show_chains(d, q) && (!all || look_again(d, q)))
        come_back(d, q);
}

static INLINED bool is_ready(const struct virtio_device *d, const struct virtio_queue *q)
{
    return virtio_is_live(d) && q->ring.memory;
}

struct virtio_queue *virtio_enter(struct virtio_device *d, unsigned i)
{
    struct virtio_queue *q;

    ASSERT(i < d->queue_count);
    q = &d->queues[i];
    spin_lock(&q->lock);
    if (likely(is_ready(d, q))) {
        if (ring_begin(&q->ring))
            return q;
        virtio_break(d, q->ring.fault);
    }
    spin_unlock(&q->lock);
    return NULL;
}

void virtio_leave(struct virtio_device *d, struct virtio_queue *q)
{
    show_chains(d, q);
    spin_unlock(&q->lock);
}

static COLD void ignore(struct virtio_device *d)
{
    __atomic_fetch_add(&d->ignored, 1, __ATOMIC_RELAXED);
}

void virtio_kick(struct virtio_device *d, unsigned i)
{
    struct virtio_queue *q;

    if (unlikely(i >= d->queue_count)) {
        ignore(d);
        return;
    }
    q = &d->queues[index_nospec(i, d->queue_count)];
    spin_lock(&q->lock);
    if (likely(is_ready(d, q))) {
        q->kicks++;
        work_on(d, q);
    } else {
        ignore(d);
    }
    spin_unlock(&q->lock);
}

bool virtio_poll(struct virtio_device *d, unsigned i)
{
    struct virtio_queue *q = virtio_enter(d, i);
    bool more;

    if (!q)
        return false;
    more = ring_has_more(&q->ring);
    if (more) {
        serve_turn(d, q);
        ring_deafen(&q->ring);
    }
    virtio_leave(d, q);
    return more;
}

/* Whoever serves a kick meanwhile has the lock, and has seen that nobody polls, or does so before this. */
bool virtio_end_polling(struct virtio_device *d, unsigned i)
{
    struct virtio_queue *q = virtio_enter(d, i);
    bool more;

    if (!q)
        return false;
    more = ring_listen(&q->ring);
    virtio_leave(d, q);
    return more;
}

void virtio_work(struct virtio_device *d)
{
    for (unsigned i = 0; i < d->queue_count; i++) {
        struct virtio_queue *q = &d->queues[i];

        if (!__atomic_exchange_n(&q->later, false, __ATOMIC_ACQ_REL))
            continue;
        spin_lock(&q->lock);
        if (is_ready(d, q))
            work_on(d, q);
        spin_unlock(&q->lock);
    }
}

void virtio_poke(struct virtio_device *d, unsigned i)
{
    ASSERT(i < d->queue_count);
    come_back(d, &d->queues[i]);
}

/* --- its life --- */

void virtio_start(struct virtio_device *d)
{
    if (d->ops->start)
        d->ops->start(d);
    for (unsigned i = 0; i < d->queue_count; i++)
        virtio_poke(d, i); /* there may be buffers already */
}

void virtio_stop_queue(struct virtio_queue *q)
{
    spin_lock(&q->lock);
    ring_disable(&q->ring);
    q->size = q->max_size;
    q->desc = q->driver = q->device = 0;
    __atomic_store_n(&q->vector, VIRTIO_NO_VECTOR, __ATOMIC_RELAXED);
    spin_unlock(&q->lock);
}

/* The status is last: whoever reads 0 finds all at rest. */
void virtio_reset(struct virtio_device *d)
{
    for (unsigned i = 0; i < d->queue_count; i++)
        virtio_stop_queue(&d->queues[i]);
    if (d->ops->reset)
        d->ops->reset(d);
    __atomic_store_n(&d->config_vector, VIRTIO_NO_VECTOR, __ATOMIC_RELAXED);
    d->features = 0;
    d->wrong_features = false;
    d->queue_select = 0;
    d->offered_select = d->features_select = 0;
    d->fault = NULL;
    virtio_take_isr(d);
    __atomic_store_n(&d->status, 0, __ATOMIC_RELEASE);
}

void virtio_init(struct virtio_device *d, uint64_t features, struct ring_segment *segments)
{
    unsigned n = d->queue_count;

    ASSERT(n > 0 && n <= VIRTIO_MAX_QUEUES && d->ops->queue_size <= RING_MAX_SIZE);
    ASSERT(d->config_size <= VIRTIO_CONFIG_BYTES && d->vectors <= VIRTIO_NO_VECTOR);
    ASSERT(features & VIRTIO_F_VERSION_1);
    d->offered = features;
    for (unsigned i = 0; i < n; i++) {
        d->queues[i].index = (uint16_t)i;
        d->queues[i].max_size = d->ops->queue_size;
        d->queues[i].chain.segments = segments + i * d->ops->queue_size;
    }
    virtio_reset(d);
}
