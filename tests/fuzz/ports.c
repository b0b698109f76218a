/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any chains in the queues of a console's ports, any bytes in guest memory, and a peer that opens, closes,
 * says and hears, in any order: the work of each is bounded, nothing but RAM is touched, and a reset always
 * brings it back.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/fake_virtio.h"

#include "dev/virtio/serial.h"
#include "dev/virtio/vports.h"

/* Said by one operation: a turn, its last chain, and what waited in the line when an end was closed. */
#define MOST_BYTES (256 * KIB + 64 * KIB + 2 * SERIAL_BYTES)

/* The input is a row of these; those that set memory are followed by so many bytes. */
struct PACKED operation {
    uint8_t what, size;
    uint16_t offset;
    uint32_t value;
};

enum { WRITE, KICK, WORK, SET_MEMORY, BRING_UP, OPEN, SAY, HEAR, OPERATIONS };

static struct vports ports;
static struct serial_line line;
static struct serial_end *const mine = &line.ends[0], *const theirs = &line.ends[1];

static bool is_ready(struct virtio_device *d, unsigned queue)
{
    (void)d;
    return queue >= VPORTS_TOLD && vports_ready(&ports, queue);
}

static void begin(struct virtio_device *d, unsigned queue)
{
    (void)d;
    vports_begin(&ports, queue);
}

static void end(struct virtio_device *d, unsigned queue)
{
    (void)d;
    vports_end(&ports, queue);
}

static bool serve_short(struct virtio_device *d, unsigned queue, struct ring *r)
{
    (void)r;
    return vports_say(d, &ports, queue);
}

static void serve(struct virtio_device *d, unsigned queue, struct ring *r, struct ring_chain *c)
{
    vports_serve(d, &ports, queue, r, c);
}

static void reset(struct virtio_device *d)
{
    (void)d;
    vports_reset(&ports);
}

static const struct virtio_ops ops = {.name = "ports",
                                      .type = 3,
                                      .queue_count = VPORTS_QUEUES,
                                      .queue_size = 64,
                                      .ready = is_ready,
                                      .begin = begin,
                                      .end = end,
                                      .serve_short = serve_short,
                                      .serve = serve,
                                      .reset = reset};

static void hear(void *context, enum serial_news news)
{
    static const unsigned queues[] = {VPORTS_HEARD, VPORTS_SAYS, VPORTS_TOLD};

    (void)context;
    virtio_poke(&device, queues[news]);
}

static void create(void)
{
    memset(&line, 0, sizeof(line));
    serial_init(&line);
    ports = (struct vports){.end = mine, .name = "wire"};
    fake_device(&ops, &ports, VPORTS_FEATURE);
    serial_connect(mine, hear, NULL);
    memset(ram_low, 0, 0x8000);
}

/* One queue in use, whichever. */
static void bring_it_up(uint32_t value)
{
    split = value & 1;
    bring_up(VPORTS_FEATURE | (value & 2 ? VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT : 0),
             VPORTS_TOLD + (value >> 2) % 4, 4u << (value >> 4) % 5);
    MUST(rd(R_STATUS, 1) == 0xf);
}

static void open_theirs(uint32_t value)
{
    bool open;

    if (value & 1)
        serial_open(theirs);
    else
        serial_close(theirs);
    if (value & 2)
        serial_open(mine);
    if (serial_due(theirs, &open))
        serial_tell(theirs, open);
    if (value & 4 && serial_due(mine, &open))
        serial_tell(mine, open);
}

static void use_line(const struct operation *o)
{
    uint8_t bytes[256] = {0};

    if (o->what % OPERATIONS == SAY)
        MUST(serial_say(theirs, bytes, o->size) <= o->size);
    else
        MUST(serial_take(theirs, bytes, o->size) <= o->size);
}

static size_t set_memory(const struct operation *o, const uint8_t *data, size_t left)
{
    size_t n = MIN(left, o->size);

    memcpy(ram(DESC_AT) + o->offset % 0x4000, data, n);
    return n;
}

static void one_operation(const struct operation *o)
{
    uint64_t before = mine->said + mine->lost;

    switch (o->what % OPERATIONS) {
    case WRITE: wr(o->offset % 0x48, o->size & 7, o->value); break;
    case KICK: virtio_kick(&device, o->value % (VPORTS_QUEUES + 1)); break;
    case WORK: virtio_work(&device); break;
    case BRING_UP: bring_it_up(o->value); break;
    case OPEN: open_theirs(o->value); break;
    case SAY:
    case HEAR: use_line(o); break;
    default: break;
    }
    MUST(mine->said + mine->lost - before <= MOST_BYTES);
    MUST(mine->head - mine->tail <= SERIAL_BYTES && theirs->head - theirs->tail <= SERIAL_BYTES);
    MUST(!!(rd(R_STATUS, 1) & VIRTIO_NEEDS_RESET) == !!device.fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct operation o;

    create();
    while (n >= sizeof(o)) {
        size_t more = 0;

        memcpy(&o, data, sizeof(o));
        data += sizeof(o);
        n -= sizeof(o);
        if (o.what % OPERATIONS == SET_MEMORY)
            more = set_memory(&o, data, n);
        one_operation(&o);
        data += more;
        n -= more;
    }
    wr(R_STATUS, 1, 0);
    MUST(!mine->open && !ports.done && !ports.driver);
    bring_it_up(1);
    return 0;
}
