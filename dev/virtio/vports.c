/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/vports.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "dev/virtio/serial.h"

#define PIECE 128u
/* Said in one go, whether or not somebody hears it. */
#define MOST_SAID (16 * SERIAL_BYTES)

/* Control messages: "Device Operation", "Multiport Device Operation". */
enum control_event {
    DEVICE_READY,
    DEVICE_ADD,
    DEVICE_REMOVE,
    PORT_READY,
    CONSOLE_PORT,
    RESIZE,
    PORT_OPEN,
    PORT_NAME,
};

struct control {
    uint32_t id;
    uint16_t event, value;
};

_Static_assert(sizeof(struct control) == 8, "as drivers have it");

/* --- what the driver is to be told: made out of what it was told, so that nothing queues up --- */

static bool was_told(const struct vports *p, unsigned port, enum control_event event)
{
    return p->told[port] & 1u << event;
}

static bool is_there(const struct vports *p, unsigned port)
{
    return __atomic_load_n(&p->ready[port], __ATOMIC_ACQUIRE);
}

/* Whether the other end is open changes; a console's is. */
static bool open_is_due(const struct vports *p, unsigned port, uint16_t *open)
{
    bool there = true, due = !was_told(p, port, PORT_OPEN);

    if (port == VPORTS_LINE)
        due = serial_due(p->end, &there);
    *open = there;
    return due;
}

static bool next_of_port(const struct vports *p, unsigned port, struct control *m)
{
    enum control_event kind = port == VPORTS_CONSOLE ? CONSOLE_PORT : PORT_NAME;

    *m = (struct control){.id = port, .event = DEVICE_ADD, .value = 1};
    if (!was_told(p, port, DEVICE_ADD))
        return true;
    if (!is_there(p, port))
        return false;
    m->event = (uint16_t)kind;
    if (!was_told(p, port, kind))
        return true;
    m->event = PORT_OPEN;
    return open_is_due(p, port, &m->value);
}

/* False: it knows all. */
static bool next_message(const struct vports *p, struct control *m)
{
    if (!__atomic_load_n(&p->driver, __ATOMIC_ACQUIRE))
        return false;
    return next_of_port(p, VPORTS_CONSOLE, m) || next_of_port(p, VPORTS_LINE, m);
}

static bool put_message(struct ring *r, struct ring_chain *c, const struct control *m, const char *name)
{
    uint32_t n = m->event == PORT_NAME ? (uint32_t)strlen(name) : 0;

    return c->writable.left >= sizeof(*m) + n && ring_put(r, c, m, sizeof(*m)) &&
           (!n || ring_put(r, c, name, n));
}

/* A message that has no room in this buffer is for the next one. */
static void tell_driver(struct virtio_device *d, struct vports *p, struct ring *r, struct ring_chain *c)
{
    struct control m;

    if (!next_message(p, &m))
        return;
    if (!put_message(r, c, &m, p->name)) {
        d->errors++;
        return;
    }
    p->told[m.id] |= 1u << m.event;
    if (m.id == VPORTS_LINE && m.event == PORT_OPEN)
        serial_tell(p->end, m.value);
}

/* --- what it says of ports --- */

static void set_open(struct vports *p, bool open)
{
    if (open)
        serial_open(p->end);
    else
        serial_close(p->end);
}

static void set_ready(struct vports *p, unsigned port, bool ready)
{
    __atomic_store_n(&p->ready[port], ready, __ATOMIC_RELEASE);
    if (port == VPORTS_LINE && !ready)
        serial_close(p->end);
}

/* False: it means nothing. */
static bool obey(struct vports *p, const struct control *m)
{
    bool yes = m->value == 1;

    if (m->event == DEVICE_READY) {
        __atomic_store_n(&p->driver, yes, __ATOMIC_RELEASE);
        return true;
    }
    if (m->id >= VPORTS_COUNT)
        return false;
    if (m->event == PORT_READY) {
        set_ready(p, m->id % VPORTS_COUNT, yes);
        return true;
    }
    if (m->event != PORT_OPEN || !is_there(p, m->id % VPORTS_COUNT))
        return false;
    if (m->id == VPORTS_LINE)
        set_open(p, yes);
    return true;
}

static void take_message(struct virtio_device *d, struct vports *p, struct ring *r, struct ring_chain *c)
{
    struct control m;

    if (!(d->features & VPORTS_FEATURE) || !ring_get(r, c, &m, sizeof(m)) || !obey(p, &m))
        d->errors++;
    else
        virtio_poke(d, VPORTS_TOLD);
}

/* --- the bytes of port 1 --- */

static void hand_over(struct virtio_device *d, struct vports *p, struct ring *r, struct ring_chain *c)
{
    uint8_t bytes[PIECE] = {0}; /* nothing of ours can get out */
    unsigned n;

    for (unsigned left = SERIAL_BYTES; left && c->writable.left; left -= n) {
        n = serial_take(p->end, bytes, MIN(MIN(c->writable.left, PIECE), left));
        if (!n)
            return;
        if (!ring_put(r, c, bytes, n)) {
            d->errors++;
            return;
        }
    }
}

/* False: some of the chain is left, with no room for it, or for another turn. */
static bool say_rest(struct vports *p, struct virtio_queue *q)
{
    uint8_t bytes[PIECE] = {0}; /* nothing of ours can get out */
    uint32_t end = p->done + MOST_SAID;

    if (!ring_skip(&q->chain, p->done))
        return true; /* the driver has made it shorter */
    while (q->chain.readable.left) {
        uint32_t n = (uint32_t)MIN(q->chain.readable.left, PIECE), said;

        if (p->done == end)
            return false;
        if (!ring_get(&q->ring, &q->chain, bytes, n))
            return true;
        said = serial_say(p->end, bytes, n);
        p->done += said;
        q->work += said;
        if (said < n)
            return false;
    }
    return true;
}

bool vports_say(struct virtio_device *d, struct vports *p, unsigned queue)
{
    struct virtio_queue *q = &d->queues[queue];
    struct ring_mark start = ring_mark(&q->ring);

    if (queue != VPORTS_SAYS || !serial_may_say(p->end) || ring_pop(&q->ring, &q->chain) != RING_CHAIN)
        return false;
    if (!say_rest(p, q)) {
        ring_return(&q->ring, start);
        return false;
    }
    p->done = 0;
    ring_push(&q->ring, &q->chain);
    return true;
}

/* --- all of them --- */

/* The end of a turn asks whether kicks are wanted; within one vports_say() takes all chains. */
bool vports_ready(const struct vports *p, unsigned queue)
{
    struct control m;

    switch (queue) {
    case VPORTS_TOLD: return next_message(p, &m);
    case VPORTS_HEARD: return serial_has_come(p->end);
    case VPORTS_SAYS: return !p->in_turn && serial_may_say(p->end);
    default: return true;
    }
}

void vports_begin(struct vports *p, unsigned queue)
{
    if (queue == VPORTS_SAYS)
        p->in_turn = true;
}

void vports_end(struct vports *p, unsigned queue)
{
    if (queue == VPORTS_SAYS)
        p->in_turn = false;
}

void vports_serve(struct virtio_device *d, struct vports *p, unsigned queue, struct ring *r,
                  struct ring_chain *c)
{
    ASSERT(queue != VPORTS_SAYS && queue < VPORTS_QUEUES);
    if (queue == VPORTS_TOLD)
        tell_driver(d, p, r, c);
    else if (queue == VPORTS_ASKS)
        take_message(d, p, r, c);
    else
        hand_over(d, p, r, c);
}

void vports_reset(struct vports *p)
{
    p->driver = false;
    for (unsigned i = 0; i < VPORTS_COUNT; i++) {
        p->ready[i] = false;
        p->told[i] = 0;
    }
    p->done = 0;
    serial_reset(p->end);
}
