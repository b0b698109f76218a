/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two of these at the ends of a serial line: each says BYTES and hears as many, at the same time. One
 * (`resets`) first resets its device in the middle of that. Or one alone, which answers lines of the monitor
 * (`echo`).
 */
#include "lib/net.h"

#define SLOT      0xc
#define MULTIPORT BIT(1)
#define BYTES     100000u
#define CHUNK     3000u /* that are said at a time: no part of the line's size */
#define BUFFERS   8u    /* of CHUNK, to be said; to be heard; control messages */
#define BEGINNING 0xffu /* before the first byte of a session, and nowhere else */
#define PATIENT   200000000u

const char guest_name[] = "serial";

enum { TOLD = 2, ASKS, HEARD, SAYS, QUEUES };
enum { READY, ADD, PORT_READY = 3, CONSOLE, OPEN = 6, NAME };

struct message {
    uint32_t id;
    uint16_t event, value;
    char name[32];
};

static struct virtio device;
static struct net_ring rings[QUEUES];
static uint16_t seen[QUEUES];
static struct message told[BUFFERS], asked;
static uint8_t heard[BUFFERS][CHUNK], said[BUFFERS][CHUNK];
static bool peer_open, named;
static unsigned closings; /* of the other end */

static struct {
    uint32_t said, heard, sum;
    bool begun, wrong;
} session;

/* --- queues --- */

static void fence(void)
{
    __asm__ volatile("lock; addl $0, (%%esp)" : : : "memory");
}

static void give(unsigned queue, unsigned i, const void *at, uint32_t size, unsigned flags)
{
    struct net_ring *r = &rings[queue];

    r->desc[i] = (struct net_descriptor){(uint32_t)at, 0, size, (uint16_t)flags, 0};
    r->avail.ring[r->avail.idx % NET_RING] = (uint16_t)i;
    fence();
    r->avail.idx++;
    fence();
    if (!(r->used.flags & 1))
        virtio_set(&device.port_bell, 0, 2, queue);
}

/* A buffer that came back; false: none has. */
static bool back(unsigned queue, unsigned *i, uint32_t *size)
{
    struct net_ring *r = &rings[queue];

    if (r->used.idx == seen[queue])
        return false;
    fence();
    *i = r->used.ring[seen[queue] % NET_RING].id % BUFFERS;
    *size = r->used.ring[seen[queue]++ % NET_RING].size;
    return true;
}

static unsigned under_way(unsigned queue)
{
    return (uint16_t)(rings[queue].avail.idx - seen[queue]);
}

/* --- ports --- */

static void ask(uint32_t id, unsigned event, unsigned value)
{
    unsigned i;
    uint32_t size;

    asked = (struct message){.id = id, .event = (uint16_t)event, .value = (uint16_t)value};
    give(ASKS, 0, &asked, 8, 0);
    while (!back(ASKS, &i, &size))
        ;
}

static void take_open(const struct message *m)
{
    if (m->id != 1)
        return;
    peer_open = m->value;
    closings += !peer_open;
}

static void obey(const struct message *m, uint32_t size)
{
    switch (m->event) {
    case ADD: ask(m->id, PORT_READY, 1); break;
    case OPEN: take_open(m); break;
    case NAME: named = size > 8 && m->id == 1; break;
    default: break;
    }
}

static void listen(void)
{
    unsigned i;
    uint32_t size;

    while (back(TOLD, &i, &size)) {
        struct message m = told[i];

        give(TOLD, i, &told[i], sizeof(told[i]), DESC_WRITE);
        obey(&m, size);
    }
}

static bool open_port(void)
{
    memset(rings, 0, sizeof(rings));
    memset(seen, 0, sizeof(seen));
    peer_open = named = false;
    virtio_negotiate(&device, MULTIPORT, false);
    for (unsigned i = 0; i < QUEUES; i++)
        net_set_up_ring(&device, i, &rings[i]);
    virtio_set(&device.common, COMMON_STATUS, 1, 0xf);
    for (unsigned i = 0; i < BUFFERS; i++) {
        give(TOLD, i, &told[i], sizeof(told[i]), DESC_WRITE);
        give(HEARD, i, heard[i], CHUNK, DESC_WRITE);
    }
    ask(UINT32_MAX, READY, 1);
    for (unsigned n = 0; n < PATIENT && !named; n++)
        listen();
    if (named)
        ask(1, OPEN, 1);
    return named && virtio_get(&device.config, 4, 4) == 2;
}

/* --- sessions --- */

static uint8_t byte_at(uint32_t i)
{
    return (uint8_t)((i * 7 + i / 251) % BEGINNING);
}

/* What is behind the beginning. */
static void check_byte(uint8_t byte)
{
    if (byte == BEGINNING) {
        session.begun = true;
        session.heard = session.sum = 0;
        return;
    }
    if (!session.begun)
        return;
    session.wrong |= byte != byte_at(session.heard);
    session.sum = session.sum * 31 + byte;
    session.heard++;
}

static void hear(void)
{
    unsigned i;
    uint32_t size;

    if (!back(HEARD, &i, &size))
        return;
    for (uint32_t k = 0; k < size && k < CHUNK; k++)
        check_byte(heard[i][k]);
    give(HEARD, i, heard[i], CHUNK, DESC_WRITE);
}

static void speak(void)
{
    uint32_t size, n = 0;
    unsigned i = seen[SAYS] % BUFFERS;

    while (back(SAYS, &i, &size))
        ;
    if (session.said == BYTES || under_way(SAYS) == BUFFERS)
        return;
    i = rings[SAYS].avail.idx % BUFFERS;
    if (!session.said)
        said[i][n++] = BEGINNING;
    while (n < CHUNK && session.said < BYTES)
        said[i][n++] = byte_at(session.said++);
    give(SAYS, i, said[i], n, 0);
}

/* And that all that was given to say has come back. */
static void wait_open(void)
{
    uint32_t size;
    unsigned i;

    for (unsigned n = 0; n < PATIENT && (!peer_open || under_way(SAYS)); n++) {
        listen();
        hear();
        while (back(SAYS, &i, &size))
            ;
    }
    check(peer_open && !under_way(SAYS), "the other end is open, and nothing waits");
}

/* Until so many bytes are heard, and all is said, or the other end closes. */
static void talk(uint32_t most)
{
    unsigned before = closings;

    session.said = 0;
    for (unsigned n = 0; n < PATIENT && closings == before; n++) {
        speak();
        hear();
        listen();
        if (session.heard >= most && (most < BYTES || (session.said == BYTES && !under_way(SAYS))))
            break;
    }
    check(!session.wrong, "heard as it was said");
}

static uint32_t sum_of_all(void)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < BYTES; i++)
        sum = sum * 31 + byte_at(i);
    return sum;
}

static void exchange_all(void)
{
    wait_open();
    talk(BYTES);
    check(session.heard == BYTES && session.sum == sum_of_all(), "%u bytes, sum %08x", session.heard,
          session.sum);
}

static void be_reset(void)
{
    wait_open();
    talk(BYTES / 3);
    check(session.heard >= BYTES / 3 && session.heard < BYTES, "a third of it, then a reset, at %u and %u",
          session.said, session.heard);
    virtio_stop(&device);
    memset(&session, 0, sizeof(session));
    check(open_port(), "port 1 is back");
}

static void outlive_reset(void)
{
    wait_open();
    talk(BYTES);
    check(session.heard < BYTES && closings == 1, "the other end closed in the middle, at %u bytes",
          session.heard);
}

/* --- the monitor's lines --- */

static void answer(const uint8_t *line, uint32_t size)
{
    static const char words[] = "you say: ";
    uint32_t n = sizeof(words) - 1;

    memcpy(said[0], words, n);
    memcpy(said[0] + n, line, size);
    give(SAYS, 0, said[0], n + size, 0);
}

static void echo_lines(void)
{
    uint32_t size, unused;
    unsigned i, k;

    wait_open();
    say("waits for a line");
    while (!back(HEARD, &i, &size))
        listen();
    check(size > 0 && size < 100, "%u bytes of the monitor", size);
    answer(heard[i], size);
    while (!back(SAYS, &k, &unused))
        ;
    say("has answered");
    while (!back(HEARD, &i, &size))
        listen();
}

void guest_main(const struct boot_info *info)
{
    check(virtio_find(&device, SLOT) && open_port(), "port 1 of the console");
    if (boot_word(info, "echo")) {
        echo_lines();
    } else {
        if (boot_word(info, "resets"))
            be_reset();
        else
            outlive_reset();
        exchange_all();
    }
    finish();
}
