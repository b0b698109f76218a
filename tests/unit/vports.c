/* SPDX-License-Identifier: BSD-2-Clause */
/* A console's ports: what its driver and the device say of them, and the bytes of port 1. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_virtio.h"

#include "dev/virtio/serial.h"
#include "dev/virtio/vports.h"

#define BYTES_AT UINT64_C(0x10000)
#define QUEUE_AT UINT64_C(0x1a000) /* 1000h for each of the two queues that speak of ports */
#define ENTRIES  16u

enum { READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME };

static struct vports ports;
static struct serial_line line;
static struct serial_end *const mine = &line.ends[0], *const theirs = &line.ends[1];

/* --- a device that has nothing but these queues --- */

static bool ready(struct virtio_device *d UNUSED, unsigned queue)
{
    return vports_ready(&ports, queue);
}

static void begin(struct virtio_device *d UNUSED, unsigned queue)
{
    vports_begin(&ports, queue);
}

static void end(struct virtio_device *d UNUSED, unsigned queue)
{
    vports_end(&ports, queue);
}

static bool serve_short(struct virtio_device *d, unsigned queue, struct ring *r UNUSED)
{
    return vports_say(d, &ports, queue);
}

static void serve(struct virtio_device *d, unsigned queue, struct ring *r, struct ring_chain *c)
{
    vports_serve(d, &ports, queue, r, c);
}

static void reset(struct virtio_device *d UNUSED)
{
    vports_reset(&ports);
}

static const struct virtio_ops ops = {.name = "ports",
                                      .type = 3,
                                      .queue_count = VPORTS_QUEUES,
                                      .queue_size = 64,
                                      .ready = ready,
                                      .begin = begin,
                                      .end = end,
                                      .serve_short = serve_short,
                                      .serve = serve,
                                      .reset = reset};

static void hear(void *context UNUSED, enum serial_news news)
{
    static const unsigned queues[] = {VPORTS_HEARD, VPORTS_SAYS, VPORTS_TOLD};

    virtio_poke(&device, queues[news]);
}

/* --- its driver: the two queues that speak of ports, split, beside the one of fake_driver.h --- */

static uint16_t made[2], seen[2];

static uint64_t place(unsigned queue)
{
    return QUEUE_AT + (queue - VPORTS_TOLD) * 0x1000u;
}

static void set_up_control(unsigned queue)
{
    uint64_t at = place(queue);

    memset(ram(at), 0, 0x1000);
    made[queue - VPORTS_TOLD] = seen[queue - VPORTS_TOLD] = 0;
    wr(R_QUEUE, 2, queue);
    wr(R_SIZE, 2, ENTRIES);
    write_address(R_DESC, at);
    write_address(R_DRIVER, at + 0x400);
    write_address(R_DEVICE, at + 0x800);
    wr(R_ENABLE, 2, 1);
}

static void offer_control(unsigned queue, uint32_t size)
{
    uint64_t at = place(queue);
    unsigned i = made[queue - VPORTS_TOLD]++ % ENTRIES;

    put_desc(at, i, at + 0xc00 + 0x40 * i, size, queue == VPORTS_TOLD ? F_WRITE : 0, 0);
    put16(at + 0x404 + 2 * i, i);
    put16(at + 0x402, made[queue - VPORTS_TOLD]);
    virtio_kick(&device, queue);
    virtio_work(&device);
}

/* The next buffer that came back; NULL: none has. */
static const uint8_t *control_back(unsigned queue, uint32_t *n)
{
    uint64_t at = place(queue);
    uint16_t *next = &seen[queue - VPORTS_TOLD];
    unsigned i = *next % ENTRIES;

    if (*next == get16(at + 0x802))
        return NULL;
    ++*next;
    *n = get32(at + 0x808 + 8 * i);
    return ram(at + 0xc00 + 0x40 * get32(at + 0x804 + 8 * i));
}

static void say_control(uint32_t size, uint32_t id, unsigned event, unsigned value)
{
    uint64_t at = place(VPORTS_ASKS) + 0xc00 + 0x40 * (made[1] % ENTRIES);
    uint32_t n;

    put32(at, id);
    put16(at + 4, event);
    put16(at + 6, value);
    offer_control(VPORTS_ASKS, size);
    assert_non_null(control_back(VPORTS_ASKS, &n));
    assert_int_equal(n, 0);
}

/* What the device says next is this. */
static void is_told(uint32_t id, unsigned event, unsigned value)
{
    const uint8_t *m;
    uint32_t n;

    offer_control(VPORTS_TOLD, 64);
    m = control_back(VPORTS_TOLD, &n);
    assert_non_null(m);
    assert_int_equal(n, event == NAME ? 12 : 8);
    assert_int_equal(le32(m), id);
    assert_int_equal(le16(m + 4), event);
    assert_int_equal(le16(m + 6), value);
    assert_true(event != NAME || !memcmp(m + 8, "wire", 4));
}

/* A buffer stays with the device until it has something to say. */
static bool buffer_waits(void)
{
    uint32_t n;

    return !control_back(VPORTS_TOLD, &n);
}

static void start(bool in_split, uint64_t features, unsigned queue)
{
    split = in_split;
    memset(&ports, 0, sizeof(ports));
    memset(&line, 0, sizeof(line));
    serial_init(&line);
    ports = (struct vports){.end = mine, .name = "wire"};
    fake_device(&ops, &ports, VPORTS_FEATURE);
    serial_connect(mine, hear, NULL);
    bring_up(features, queue, ENTRIES);
    if (in_split) {
        set_up_control(VPORTS_TOLD);
        set_up_control(VPORTS_ASKS);
        virtio_work(&device);
    }
}

static void start_ports(unsigned queue)
{
    start(true, VPORTS_FEATURE, queue);
    say_control(8, UINT32_MAX, READY, 1);
    is_told(VPORTS_CONSOLE, ADD, 1);
    is_told(VPORTS_LINE, ADD, 1);
    say_control(8, VPORTS_LINE, PORT_READY, 1);
    is_told(VPORTS_LINE, NAME, 1);
    assert_int_equal(device.errors, 0);
}

/* --- ports --- */

static void ports_come(void **state UNUSED)
{
    uint32_t n;

    start(true, VPORTS_FEATURE, VPORTS_HEARD);
    offer_control(VPORTS_TOLD, 64);
    assert_true(buffer_waits());
    say_control(8, UINT32_MAX, READY, 1);
    assert_non_null(control_back(VPORTS_TOLD, &n)); /* the one that waited */
    is_told(VPORTS_LINE, ADD, 1);
    offer_control(VPORTS_TOLD, 64);
    assert_true(buffer_waits());
    say_control(8, VPORTS_CONSOLE, PORT_READY, 1);
    assert_non_null(control_back(VPORTS_TOLD, &n));
    is_told(VPORTS_CONSOLE, OPEN, 1);
    say_control(8, VPORTS_LINE, PORT_READY, 1);
    is_told(VPORTS_LINE, NAME, 1);
    offer_control(VPORTS_TOLD, 64);
    assert_true(buffer_waits());
    serial_open(theirs);
    virtio_work(&device);
    assert_non_null(control_back(VPORTS_TOLD, &n));
    serial_close(theirs);
    is_told(VPORTS_LINE, OPEN, 0);
    say_control(8, VPORTS_LINE, OPEN, 1);
    assert_true(mine->open);
    say_control(8, VPORTS_CONSOLE, OPEN, 1);
    say_control(20, VPORTS_LINE, OPEN, 0); /* what is behind it does not matter */
    assert_false(mine->open);
    assert_int_equal(device.errors, 0);
}

static void bad_messages(void **state UNUSED)
{
    start(true, VPORTS_FEATURE, VPORTS_HEARD);
    say_control(8, VPORTS_LINE, OPEN, 1); /* a port that is not ready */
    say_control(7, UINT32_MAX, READY, 1);
    say_control(0, UINT32_MAX, READY, 1);
    say_control(8, VPORTS_COUNT, PORT_READY, 1);
    say_control(8, UINT32_MAX, PORT_READY, 1);
    say_control(8, UINT32_MAX, OPEN, 1);
    for (unsigned event = 0; event < 0x10000; event += event < 10 ? 1 : 0xfff) {
        if (event != READY && event != PORT_READY && event != OPEN)
            say_control(8, VPORTS_LINE, event, 1);
    }
    assert_int_equal(device.errors, 6 + 7 + 17);
    assert_false(mine->open || ports.driver || ports.ready[0] || ports.ready[1]);
    say_control(8, 0, READY, 7); /* not ready, then */
    offer_control(VPORTS_TOLD, 64);
    assert_true(buffer_waits());
    start(true, 0, VPORTS_HEARD); /* a console without ports */
    say_control(8, UINT32_MAX, READY, 1);
    assert_int_equal(device.errors, 1);
    assert_false(ports.driver);
    assert_int_equal(rd(R_STATUS, 1), 0xf);
}

static void short_buffers(void **state UNUSED)
{
    uint32_t n;

    start(true, VPORTS_FEATURE, VPORTS_HEARD);
    say_control(8, UINT32_MAX, READY, 1);
    offer_control(VPORTS_TOLD, 7);
    assert_non_null(control_back(VPORTS_TOLD, &n));
    assert_int_equal(n, 0);
    is_told(VPORTS_CONSOLE, ADD, 1);
    is_told(VPORTS_LINE, ADD, 1);
    say_control(8, VPORTS_LINE, PORT_READY, 1);
    offer_control(VPORTS_TOLD, 11); /* not its name */
    assert_non_null(control_back(VPORTS_TOLD, &n));
    assert_int_equal(n, 0);
    is_told(VPORTS_LINE, NAME, 1);
    assert_int_equal(device.errors, 2);
    say_control(8, VPORTS_LINE, OPEN, 1);
    say_control(8, VPORTS_LINE, PORT_READY, 0);
    assert_false(mine->open);
}

/* --- bytes --- */

static uint8_t heard[3 * SERIAL_BYTES];

static unsigned hear_all(unsigned most)
{
    unsigned all = 0, n;

    do {
        n = serial_take(theirs, heard + all, most - all);
        all += n;
    } while (n);
    return all;
}

static void fill_memory(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        *ram(BYTES_AT + i) = (uint8_t)(i * 7 + i / 256);
}

static void connect_theirs(void)
{
    serial_open(mine);
    serial_open(theirs);
    serial_tell(theirs, true);
    serial_tell(mine, true);
}

/* A chain that is longer than the line waits with what it has left, and comes back when all was said. */
static void long_chain(bool in_split)
{
    const struct buffer b[] = {{BYTES_AT, 5000, 0}, {BYTES_AT + 5000, 3000, 0}};
    const struct buffer more = {BYTES_AT, 10, 0};
    uint32_t written;
    unsigned id;

    start(in_split, in_split ? VPORTS_FEATURE : 0, VPORTS_SAYS);
    connect_theirs();
    fill_memory(8000);
    offer(b, 2);
    virtio_kick(&device, VPORTS_SAYS);
    assert_false(came_back(&id, &written));
    offer(&more, 1);
    virtio_kick(&device, VPORTS_SAYS);
    assert_int_equal(hear_all(SERIAL_BYTES), SERIAL_BYTES);
    assert_memory_equal(heard, ram(BYTES_AT), SERIAL_BYTES);
    virtio_work(&device);
    assert_true(came_back(&id, &written) && written == 0);
    assert_true(came_back(&id, &written) && written == 0);
    assert_int_equal(hear_all(sizeof(heard)), 8010 - SERIAL_BYTES);
    assert_memory_equal(heard, ram(BYTES_AT + SERIAL_BYTES), 8000 - SERIAL_BYTES);
    assert_memory_equal(heard + 8000 - SERIAL_BYTES, ram(BYTES_AT), 10);
    assert_int_equal(device.errors, 0);
    assert_int_equal(mine->lost, 0);
    assert_int_equal(rd(R_STATUS, 1), 0xf);
}

static void long_chains(void **state UNUSED)
{
    long_chain(true);
    long_chain(false);
}

/* The driver shortens a chain of which a part has been said, or takes the ring away. */
static void changed_chain(void **state UNUSED)
{
    const struct buffer b = {BYTES_AT, 8000, 0};
    uint32_t written;
    unsigned id;

    start(true, VPORTS_FEATURE, VPORTS_SAYS);
    connect_theirs();
    offer(&b, 1);
    virtio_kick(&device, VPORTS_SAYS);
    assert_int_equal(ports.done, SERIAL_BYTES);
    put_desc(DESC_AT, 0, BYTES_AT, 100, 0, 0);
    assert_int_equal(hear_all(SERIAL_BYTES), SERIAL_BYTES);
    virtio_work(&device);
    assert_true(came_back(&id, &written));
    assert_int_equal(hear_all(SERIAL_BYTES), 0);
    assert_int_equal(ports.done, 0);
    offer(&b, 1);
    virtio_kick(&device, VPORTS_SAYS);
    assert_int_equal(ports.done, SERIAL_BYTES);
    wr(R_STATUS, 1, 0);
    assert_int_equal(ports.done, 0);
    assert_false(mine->open);
    assert_int_equal(hear_all(SERIAL_BYTES), SERIAL_BYTES); /* it was said before */
}

/* However long it is, and though nobody hears it, a turn has its bound. */
static void nobody_hears(void **state UNUSED)
{
    struct buffer b[ENTRIES];
    uint32_t written;
    unsigned id, turns = 1;

    start(true, VPORTS_FEATURE, VPORTS_SAYS);
    for (unsigned i = 0; i < ENTRIES; i++)
        b[i] = (struct buffer){BYTES_AT, 0x8000, 0};
    offer(b, ENTRIES);
    virtio_kick(&device, VPORTS_SAYS);
    for (; !came_back(&id, &written) && turns < 100; turns++)
        virtio_work(&device);
    assert_true(turns == 8 || turns == 9);
    assert_int_equal(mine->lost, ENTRIES * 0x8000);
}

static void what_is_heard(void **state UNUSED)
{
    const struct buffer b[] = {{BYTES_AT, 100, F_WRITE}, {BYTES_AT + 0x1000, 0x5000, F_WRITE}};
    uint8_t bytes[SERIAL_BYTES];
    uint32_t written;
    unsigned id;

    start_ports(VPORTS_HEARD);
    offer(b, 2);
    virtio_kick(&device, VPORTS_HEARD);
    say_control(8, VPORTS_LINE, OPEN, 1);
    serial_open(theirs);
    serial_tell(theirs, true);
    for (unsigned i = 0; i < SERIAL_BYTES; i++)
        bytes[i] = (uint8_t)(i * 3 + i / 256);
    assert_int_equal(serial_say(theirs, bytes, SERIAL_BYTES), SERIAL_BYTES);
    virtio_work(&device);
    assert_false(came_back(&id, &written)); /* the opening comes first */
    is_told(VPORTS_LINE, OPEN, 1);
    virtio_work(&device);
    assert_true(came_back(&id, &written));
    assert_int_equal(written, SERIAL_BYTES);
    assert_memory_equal(ram(BYTES_AT), bytes, 100);
    assert_memory_equal(ram(BYTES_AT + 0x1000), bytes + 100, SERIAL_BYTES - 100);
    serial_say(theirs, bytes, 1);
    virtio_work(&device);
    offer(b, 1);
    virtio_kick(&device, VPORTS_HEARD);
    assert_true(came_back(&id, &written) && written == 1);
    serial_say(theirs, bytes, 50);
    guest_closes = 1;
    closed_from = BYTES_AT;
    closed_to = BYTES_AT + 1;
    offer(b, 1);
    virtio_kick(&device, VPORTS_HEARD);
    assert_true(came_back(&id, &written) && written == 0);
    assert_int_equal(device.errors, 1);
    guest_closes = closed_from = closed_to = 0;
    assert_int_equal(rd(R_STATUS, 1), 0xf);
}

/* Whoever is reset does not hold up the other end, and begins anew. */
static void reset_in_traffic(void **state UNUSED)
{
    const struct buffer b = {BYTES_AT, 6000, 0};
    uint8_t bytes[SERIAL_BYTES] = {0};

    start_ports(VPORTS_SAYS);
    say_control(8, VPORTS_LINE, OPEN, 1);
    serial_open(theirs);
    serial_tell(theirs, true);
    is_told(VPORTS_LINE, OPEN, 1);
    offer(&b, 1);
    virtio_kick(&device, VPORTS_SAYS);
    assert_int_equal(serial_say(theirs, bytes, sizeof(bytes)), sizeof(bytes));
    assert_false(serial_may_say(theirs));
    wr(R_STATUS, 1, 0);
    assert_true(serial_may_say(theirs));
    assert_int_equal(ports.done + ports.told[0] + ports.told[1] + ports.driver, 0);
    assert_int_equal(theirs->lost, SERIAL_BYTES);
    assert_int_equal(hear_all(SERIAL_BYTES), SERIAL_BYTES);
    virtio_work(&device);
    assert_int_equal(rd(R_STATUS, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_come),    cmocka_unit_test(bad_messages),     cmocka_unit_test(short_buffers),
        cmocka_unit_test(long_chains),   cmocka_unit_test(changed_chain),    cmocka_unit_test(nobody_hears),
        cmocka_unit_test(what_is_heard), cmocka_unit_test(reset_in_traffic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
