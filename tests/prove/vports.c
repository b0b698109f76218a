/* SPDX-License-Identifier: BSD-2-Clause */
/* The ports of a console: any chains of any bytes in its queues, and whatever a line does meanwhile. */
#include "tests/prove/libc.h"

#include "dev/virtio/vports.c"

void main(void);

/* --- what is below: its own proofs and tests are elsewhere --- */

bool ring_get_pieces(struct ring *r, struct ring_chain *c, void *to, uint32_t n)
{
    (void)r;
    for (uint32_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = any8();
    c->readable.left = any32();
    return any_bool();
}

bool ring_put_pieces(struct ring *r, struct ring_chain *c, const void *from, uint32_t n)
{
    uint8_t sum = 0;

    (void)r;
    for (uint32_t i = 0; i < n; i++)
        sum ^= ((const uint8_t *)from)[i];
    c->writable.left = any32();
    return any_bool() || sum;
}

bool ring_skip(struct ring_chain *c, uint32_t n)
{
    (void)n;
    c->readable.left = any32();
    return any_bool();
}

enum ring_pop ring_pop(struct ring *r, struct ring_chain *c)
{
    (void)r;
    c->readable.left = any32();
    return (enum ring_pop)Frama_C_interval(RING_EMPTY, RING_BROKEN);
}

void ring_push(struct ring *r, const struct ring_chain *c)
{
    (void)r;
    (void)c;
}

void virtio_poke(struct virtio_device *d, unsigned queue)
{
    if (queue >= d->queue_count)
        assertion_failed(__LINE__, "there is such a queue");
}

void serial_open(struct serial_end *e)
{
    (void)e;
}

void serial_close(struct serial_end *e)
{
    (void)e;
}

void serial_reset(struct serial_end *e)
{
    (void)e;
}

bool serial_due(struct serial_end *e, bool *open)
{
    (void)e;
    *open = any_bool();
    return any_bool();
}

void serial_tell(struct serial_end *e, bool open)
{
    (void)e;
    (void)open;
}

bool serial_may_say(struct serial_end *e)
{
    (void)e;
    return any_bool();
}

bool serial_has_come(struct serial_end *e)
{
    (void)e;
    return any_bool();
}

unsigned serial_say(struct serial_end *e, const uint8_t *bytes, unsigned n)
{
    uint8_t sum = 0;

    (void)e;
    for (unsigned i = 0; i < n; i++)
        sum ^= bytes[i];
    return any_bool() ? sum % (n + 1) : n;
}

unsigned serial_take(struct serial_end *e, uint8_t *bytes, unsigned n)
{
    unsigned done = (unsigned)Frama_C_interval(0, 128);

    (void)e;
    done = MIN(n, done);
    for (unsigned i = 0; i < done; i++)
        bytes[i] = any8();
    return done;
}

/* --- what its console does with it --- */

static void work_on(struct virtio_device *d, struct vports *p, unsigned queue)
{
    struct virtio_queue *q = &d->queues[queue];

    q->chain.readable.left = any32();
    q->chain.writable.left = any32();
    vports_begin(p, queue);
    vports_ready(p, queue);
    if (!vports_say(d, p, queue) && queue != VPORTS_SAYS)
        vports_serve(d, p, queue, &q->ring, &q->chain);
    vports_end(p, queue);
    vports_ready(p, queue);
}

void main(void)
{
    static struct virtio_queue queues[VPORTS_QUEUES];
    static struct virtio_device device;
    static struct serial_end end;
    static struct ring_memory memory;
    static struct ring_segment segments[2];
    static struct vports ports;
    static uintptr_t closing = 1;
    static char name[32];

    memory.closing = &closing;
    for (unsigned i = 0; i + 1 < sizeof(name); i++)
        name[i] = (char)any8();
    for (unsigned i = 0; i < VPORTS_QUEUES; i++) {
        queues[i].ring.memory = &memory;
        queues[i].chain.segments = segments;
    }
    device.queues = queues;
    device.queue_count = VPORTS_QUEUES;
    ports.end = &end;
    ports.name = name;
    while (any_bool()) {
        device.features = any64();
        switch (Frama_C_interval(VPORTS_TOLD, VPORTS_QUEUES)) {
        case VPORTS_TOLD: work_on(&device, &ports, VPORTS_TOLD); break;
        case VPORTS_ASKS: work_on(&device, &ports, VPORTS_ASKS); break;
        case VPORTS_HEARD: work_on(&device, &ports, VPORTS_HEARD); break;
        case VPORTS_SAYS: work_on(&device, &ports, VPORTS_SAYS); break;
        default: vports_reset(&ports); break;
        }
    }
}
