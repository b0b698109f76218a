/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a virtio device and the work on its queues, above rings that have anything, or break. */
#include "tests/prove/one_cpu.h"

#include "dev/virtio/ring.h"

/* It looks into a ring, which here has anything (tests/prove/ring.c has it as it is). */
#define ring_has_more(r) ((void)(r), any_bool())

#include "dev/virtio/virtio.c"

#define QUEUES 3

void main(void);

/* --- rings --- */

bool ring_begin(struct ring *r)
{
    r->fault = any_bool() ? "proof" : NULL;
    return !r->fault;
}

enum ring_pop ring_pop(struct ring *r, struct ring_chain *c)
{
    r->fault = any_bool() ? "proof" : NULL;
    c->readable.left = any64();
    c->writable.left = any64();
    c->written = any32();
    return (enum ring_pop)Frama_C_interval(RING_EMPTY, RING_BROKEN);
}

void ring_push(struct ring *r, const struct ring_chain *c)
{
    (void)r;
    (void)c;
}

bool ring_publish(struct ring *r)
{
    (void)r;
    return any_bool();
}

bool ring_listen(struct ring *r)
{
    (void)r;
    return any_bool();
}

void ring_deafen(struct ring *r)
{
    (void)r;
}

void ring_disable(struct ring *r)
{
    *r = (struct ring){0};
}

/* --- a model, and what its device is bound to --- */

static void whenever(struct virtio_device *d, unsigned queue)
{
    (void)queue;
    d->polled = any_bool();
}

static bool sometimes(struct virtio_device *d, unsigned queue)
{
    (void)d;
    (void)queue;
    return any_bool();
}

static bool serve_short(struct virtio_device *d, unsigned queue, struct ring *r)
{
    (void)r;
    d->queues[queue].work = any64();
    return any_bool();
}

static void serve(struct virtio_device *d, unsigned queue, struct ring *r, struct ring_chain *c)
{
    (void)d;
    (void)queue;
    r->fault = any_bool() ? "proof" : NULL;
    c->written = any32();
}

static void reset(struct virtio_device *d)
{
    (void)d;
}

static void interrupt_guest(void *context, uint16_t vector, unsigned isr)
{
    (void)context;
    (void)vector;
    (void)isr;
}

static void later(void *context)
{
    (void)context;
}

/* --- in any order --- */

static void visit(struct virtio_device *d)
{
    struct virtio_queue *q = virtio_enter(d, (unsigned)Frama_C_interval(0, QUEUES - 1));

    if (q)
        virtio_leave(d, q);
}

static void operate(struct virtio_device *d)
{
    switch (Frama_C_interval(0, 8)) {
    case 0: virtio_kick(d, any32()); break;
    case 1: virtio_work(d); break;
    case 2: virtio_poke(d, (unsigned)Frama_C_interval(0, QUEUES - 1)); break;
    case 3: virtio_poll(d, (unsigned)Frama_C_interval(0, QUEUES - 1)); break;
    case 4: virtio_end_polling(d, (unsigned)Frama_C_interval(0, QUEUES - 1)); break;
    case 5: visit(d); break;
    case 6: virtio_reset(d); break;
    case 7: virtio_start(d); break;
    default: virtio_break(d, "proof"); break;
    }
}

void main(void)
{
    static const struct virtio_ops ops = {.name = "proof",
                                          .queue_count = QUEUES,
                                          .queue_size = 16,
                                          .begin = whenever,
                                          .end = whenever,
                                          .ready = sometimes,
                                          .serve = serve,
                                          .serve_short = serve_short,
                                          .start = reset,
                                          .reset = reset};
    static const struct ring_memory memory;
    static struct virtio_queue queues[QUEUES];
    static struct ring_segment segments[QUEUES * 16];
    static struct virtio_device device;

    device.ops = &ops;
    device.queues = queues;
    device.queue_count = QUEUES;
    device.vectors = QUEUES + 1;
    device.host = (struct virtio_host){NULL, &memory, interrupt_guest, later};
    virtio_init(&device, VIRTIO_F_VERSION_1, segments);
    while (any_bool()) {
        unsigned i = (unsigned)Frama_C_interval(0, QUEUES - 1);

        device.status = any8();
        queues[i].ring.memory = any_bool() ? &memory : NULL;
        operate(&device);
        virtio_take_isr(&device);
        virtio_tell_config(&device);
    }
}
