/* SPDX-License-Identifier: BSD-2-Clause */
/* Two network cards on a link, from their registers to each other's receive queues. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_net.h"

#include "dev/net/card.c"
#include "dev/net/control.c"
#include "dev/net/receive.c"

/* --- two guests with a card each --- */

#define SIZE      64u /* of their rings */
#define QUEUES    3
#define BUFFERS   16u
#define BUFFER_AT 0x8000u
#define FRAME_AT  0x18000u
#define TABLE_AT  0x1e000u
#define DESC(q)   (0x2000u * (q))
#define AVAIL(q)  (DESC(q) + 0x800u)
#define USED(q)   (DESC(q) + 0xc00u)

enum { RX, TX, CONTROL };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

static struct side {
    struct fake_ram ram;
    struct virtio_pci *pci;
    struct vm vm;
    uint16_t avail[QUEUES], seen[QUEUES], desc[QUEUES];
    unsigned interrupts[QUEUES + 1], config_interrupts;
} sides[2];
static struct vm_config configs[2];
static struct net net;
static struct net_port ports[2];
static unsigned wakes;

void poll_wake(const struct net_port *port UNUSED)
{
    wakes++;
}

static void note_interrupt(void *context, uint16_t vector, unsigned isr)
{
    struct side *s = context;

    if (isr == VIRTIO_ISR_CONFIG)
        s->config_interrupts++;
    else
        s->interrupts[MIN(vector, QUEUES)]++;
}

static void no_later(void *context UNUSED)
{
}

struct virtio_pci *virtio_pci_create(struct vm *vm, const struct virtio_identity *id)
{
    unsigned i = vm == &sides[1].vm, n = id->queue_count;
    struct virtio_pci *p = calloc(1, sizeof(*p));
    struct virtio_device *d = &p->device;

    d->ops = id->ops;
    d->model = calloc(1, id->model_size);
    memcpy(d->model, id->model, id->model_given);
    d->host = (struct virtio_host){&sides[i], &sides[i].ram.memory, note_interrupt, no_later};
    d->queues = calloc(n, sizeof(*d->queues));
    d->queue_count = n;
    d->vectors = n + 1;
    d->config_size = id->config_size;
    memcpy(d->config, id->config, id->config_size);
    virtio_init(d, id->features | (VIRTIO_F_TRANSPORT & ~id->without),
                calloc((size_t)n * id->ops->queue_size, sizeof(struct ring_segment)));
    return p;
}

static struct virtio_device *dev(unsigned i)
{
    return &sides[i].pci->device;
}

static void put(unsigned i, uint64_t at, uint64_t value, unsigned n)
{
    store_le(&sides[i].ram.bytes[at], value, n);
}

static unsigned get16(unsigned i, uint64_t at)
{
    return le16(&sides[i].ram.bytes[at]);
}

static void reg(unsigned i, unsigned offset, unsigned size, uint32_t value)
{
    virtio_common_write(dev(i), offset, size, value);
}

static void set_up_queue(unsigned i, unsigned q)
{
    reg(i, 0x16, 2, q);
    reg(i, 0x18, 2, SIZE);
    reg(i, 0x20, 4, DESC(q));
    reg(i, 0x28, 4, AVAIL(q));
    reg(i, 0x30, 4, USED(q));
    reg(i, 0x1a, 2, q);
    reg(i, 0x1c, 2, 1);
}

/* True: its driver has what it asked for. */
static bool start(unsigned i, uint64_t features)
{
    reg(i, 0x14, 1, 0);
    reg(i, 0x14, 1, 1);
    reg(i, 0x14, 1, 3);
    for (unsigned word = 0; word < 2; word++) {
        reg(i, 8, 4, word);
        reg(i, 0xc, 4, (uint32_t)((features | VIRTIO_F_VERSION_1) >> 32 * word));
    }
    reg(i, 0x14, 1, 0xb);
    if (!(virtio_common_read(dev(i), 0x14, 1) & VIRTIO_FEATURES_OK))
        return false;
    memset(sides[i].avail, 0, sizeof(sides[i].avail));
    memset(sides[i].seen, 0, sizeof(sides[i].seen));
    memset(sides[i].desc, 0, sizeof(sides[i].desc));
    memset(sides[i].ram.bytes, 0, 0x8000);
    for (unsigned q = 0; q < QUEUES; q++)
        set_up_queue(i, q);
    reg(i, 0x14, 1, 0xf);
    virtio_work(dev(i));
    return true;
}

struct piece {
    uint64_t at;
    uint32_t size;
    unsigned flags;
};

static void offer(unsigned i, unsigned q, const struct piece *p, unsigned n)
{
    struct side *s = &sides[i];
    unsigned head = s->desc[q] % SIZE;

    for (unsigned k = 0; k < n; k++, s->desc[q]++) {
        unsigned at = DESC(q) + 16 * (s->desc[q] % SIZE);

        put(i, at, p[k].at, 8);
        put(i, at + 8, p[k].size, 4);
        put(i, at + 12, p[k].flags | (k + 1 < n ? NEXT : 0), 2);
        put(i, at + 14, (s->desc[q] + 1u) % SIZE, 2);
    }
    put(i, AVAIL(q) + 4 + 2 * (s->avail[q] % SIZE), head, 2);
    put(i, AVAIL(q) + 2, ++s->avail[q], 2);
}

static bool came_back(unsigned i, unsigned q, unsigned *id, uint32_t *size)
{
    uint64_t at = USED(q) + 4 + 8 * (sides[i].seen[q] % SIZE);

    if (sides[i].seen[q] == get16(i, USED(q) + 2))
        return false;
    sides[i].seen[q]++;
    *id = get16(i, at);
    *size = le32(&sides[i].ram.bytes[at + 4]);
    return true;
}

static void give_buffers(unsigned i, unsigned n, uint32_t size)
{
    for (unsigned k = 0; k < n; k++)
        offer(i, RX, &(struct piece){BUFFER_AT + k * 0x800, size, WRITE}, 1);
}

/* n bytes behind a header in guest i: to the other one, a pattern, of a type that nobody has. */
static void make_plain(unsigned i, uint32_t n)
{
    uint8_t *f = &sides[i].ram.bytes[FRAME_AT + NET_HEADER_SIZE];

    memset(&sides[i].ram.bytes[FRAME_AT], 0, NET_HEADER_SIZE);
    for (uint32_t k = 0; k < n; k++)
        f[k] = (uint8_t)(k * 7 + 1);
    store_le(f, ports[!i].mac, 6);
    store_le(f + 6, ports[i].mac, 6);
    f[12] = 0x88;
    f[13] = 0xb5;
}

static void send(unsigned i, uint32_t n)
{
    offer(i, TX, &(struct piece){FRAME_AT, NET_HEADER_SIZE + n, 0}, 1);
    virtio_kick(dev(i), TX);
}

static uint64_t drops(unsigned i, enum net_drop why)
{
    struct net_sent sent;

    net_sum_sent(&ports[i], &sent);
    return sent.drops[why];
}

static void add_up(void)
{
    uint64_t delivered = 0, taken = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct net_sent sent;
        struct net_received got;
        uint64_t dropped = 0;

        net_sum_sent(&ports[i], &sent);
        net_sum_received(&ports[i], &got);
        for (unsigned k = 1; k < NET_DROPS; k++)
            dropped += sent.drops[k];
        assert_int_equal(sent.copies, sent.delivered + dropped);
        delivered += sent.delivered;
        taken += got.copies;
    }
    assert_int_equal(delivered, taken);
}

static struct port_config card_config = {.mtu = 9000, .pairs = 1};

static int set_up(void **state UNUSED)
{
    memset(ports, 0, sizeof(ports));
    net_init(&net, NET_LINK, ports, 2, NULL, 1000000000, 0);
    for (unsigned i = 0; i < 2; i++) {
        sides[i] = (struct side){.vm = {.config = &configs[i], .id = i}};
        fake_ram_init(&sides[i].ram);
        configs[i] = (struct vm_config){.port_count = 1};
        configs[i].ports[0] = card_config;
        memcpy(configs[i].ports[0].mac, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)i}, 6);
        ports[i].mac = net_mac(configs[i].ports[0].mac);
        ports[i].mtu = 9000;
        sides[i].pci = card_create(&sides[i].vm, 0, &ports[i]);
        net_attach(&ports[i], &card_receiver_ops, card_of(sides[i].pci));
    }
    assert_null(net_start(&net));
    return 0;
}

static int tear_down(void **state UNUSED)
{
    add_up();
    for (unsigned i = 0; i < 2; i++) {
        net_detach(&ports[i]);
        free(dev(i)->queues[0].chain.segments);
        free(dev(i)->queues);
        free(dev(i)->model);
        free(sides[i].pci);
    }
    return 0;
}

/* --- what it is --- */

static void registers(void **state UNUSED)
{
    const uint8_t *config = dev(1)->config;

    assert_int_equal(dev(1)->ops->type, 1);
    assert_int_equal(virtio_common_read(dev(1), 0x12, 2), 3);
    assert_memory_equal(config, ((const uint8_t[]){2, 0, 0, 0, 0, 1, 1, 0, 1, 0}), 10);
    assert_int_equal(le16(config + 10), 9000);
    assert_int_equal(config[16], 1);
    assert_true(dev(0)->offered & NET_F_MRG_RXBUF);
    assert_false(dev(0)->offered & NET_F_MQ);
}

static void features(void **state UNUSED)
{
    static const uint64_t refused[] = {NET_F_GUEST_TSO4,
                                       NET_F_GUEST_ECN | NET_F_GUEST_CSUM,
                                       NET_F_HOST_TSO6,
                                       NET_F_HOST_ECN | NET_F_CSUM,
                                       NET_F_CTRL_RX,
                                       NET_F_CTRL_MAC_ADDR,
                                       NET_F_CTRL_GUEST_OFFLOADS,
                                       NET_F_GUEST_USO4,
                                       NET_F_HOST_USO,
                                       NET_F_MQ,
                                       BIT(10),
                                       BIT(60)};

    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
        assert_false(start(0, refused[i]));
    assert_true(start(0, 0));
    assert_true(start(0, dev(0)->offered & ~VIRTIO_F_PACKED));
    assert_int_equal(ports[0].features, OFFLOADS);
    reg(0, 0x14, 1, 0);
    assert_int_equal(ports[0].features, 0);
}

/* --- frames --- */

static void came_as_sent(unsigned to, uint64_t at, uint32_t n)
{
    const uint8_t *got = &sides[to].ram.bytes[at];

    assert_memory_equal(got, ((const uint8_t[NET_HEADER_SIZE]){[10] = 1}), NET_HEADER_SIZE);
    assert_memory_equal(got + NET_HEADER_SIZE, &sides[!to].ram.bytes[FRAME_AT + NET_HEADER_SIZE], n);
}

static void plain_frames(void **state UNUSED)
{
    static const uint32_t sizes[] = {14, 15, 60, 63, 64, 65, 128, 1500, 1514};
    unsigned id;
    uint32_t size;

    assert_true(start(0, 0) && start(1, 0));
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        give_buffers(1, 1, 2000);
        make_plain(0, sizes[i]);
        send(0, sizes[i]);
        assert_true(came_back(0, TX, &id, &size));
        assert_int_equal(size, 0);
        assert_true(came_back(1, RX, &id, &size));
        assert_int_equal(size, NET_HEADER_SIZE + sizes[i]);
        came_as_sent(1, BUFFER_AT, sizes[i]);
        assert_int_equal(sides[1].interrupts[RX], i + 1);
    }
    send(0, 64);
    assert_true(came_back(0, TX, &id, &size)); /* there is no buffer */
    assert_false(came_back(1, RX, &id, &size));
    assert_int_equal(drops(0, NET_DROP_NO_BUFFER), 1);
}

/* Header and frame as drivers lay them out, and a little beside: all by one way or the other. */
static void shapes(void **state UNUSED)
{
    static const uint32_t sizes[] = {14, 60, 64, 65, 1514};
    static const unsigned tables[] = {0, 0, 0, 1}, heads[] = {12, 11, 13, 12};
    unsigned id;
    uint32_t size;

    assert_true(start(0, VIRTIO_F_INDIRECT) && start(1, 0));
    for (unsigned i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(heads); i++) {
        uint32_t n = sizes[i / 4], head = heads[i % 4];
        const struct piece two[] = {{FRAME_AT, head, 0}, {FRAME_AT + head, NET_HEADER_SIZE + n - head, 0}};

        give_buffers(1, 1, 2000);
        make_plain(0, n);
        memset(&sides[1].ram.bytes[BUFFER_AT], 0xee, 2000);
        for (unsigned k = 0; k < 2; k++) {
            put(0, TABLE_AT + 16 * k, two[k].at, 8);
            put(0, TABLE_AT + 16 * k + 8, two[k].size, 4);
            put(0, TABLE_AT + 16 * k + 12, k ? 0 : NEXT | 1 << 16, 4);
        }
        if (tables[i % 4])
            offer(0, TX, &(struct piece){TABLE_AT, 32, INDIRECT}, 1);
        else
            offer(0, TX, two, 2);
        virtio_kick(dev(0), TX);
        assert_true(came_back(0, TX, &id, &size) && size == 0);
        assert_true(came_back(1, RX, &id, &size));
        assert_int_equal(size, NET_HEADER_SIZE + n);
        came_as_sent(1, BUFFER_AT, n);
    }
    assert_int_equal(dev(0)->queues[TX].chains, ARRAY_SIZE(sizes) * ARRAY_SIZE(heads));
}

/* What needs more than a copy is not for the short way, nor what is no frame. */
static void short_way_refuses(void **state UNUSED)
{
    uint8_t *header = &sides[0].ram.bytes[FRAME_AT];

    assert_true(start(0, 0) && start(1, 0));
    give_buffers(1, 8, 1000);
    make_plain(0, 100);
    header[0] = NET_NEEDS_CSUM; /* which it has not negotiated */
    send(0, 100);
    header[0] = 0;
    header[1] = NET_GSO_TCP4;
    send(0, 100);
    assert_int_equal(drops(0, NET_DROP_BAD_HEADER), 2);
    header[1] = 0;
    offer(0, TX, (const struct piece[]){{FRAME_AT, 12, 0}, {FRAME_AT + 12, 13, 0}}, 2);
    virtio_kick(dev(0), TX);
    assert_int_equal(drops(0, NET_DROP_SHORT), 1);
    send(0, NET_MAX_FRAME + 1);
    assert_int_equal(drops(0, NET_DROP_TOO_BIG), 1);
    assert_int_equal(ports[1].received[0].drops[NET_DROP_TOO_BIG], 0); /* it never came so far */
    assert_int_equal(get16(1, USED(RX) + 2), 0);
    assert_int_equal(get16(0, USED(TX) + 2), 4);
}

/* What is read and what is written is counted: a turn ends behind 256 KiB of them. */
static void bounded_turn(void **state UNUSED)
{
    const uint32_t n = 9000, most = 256 * 1024 / (2 * n) + 1;

    assert_true(start(0, 0) && start(1, 0));
    make_plain(0, n);
    for (unsigned i = 0; i < SIZE; i++) {
        offer(1, RX, &(struct piece){BUFFER_AT, NET_HEADER_SIZE + n, WRITE}, 1);
        offer(0, TX, &(struct piece){FRAME_AT, NET_HEADER_SIZE + n, 0}, 1);
    }
    virtio_kick(dev(0), TX);
    assert_in_range(get16(0, USED(TX) + 2), most - 2, most);
    assert_int_equal(get16(1, USED(RX) + 2), get16(0, USED(TX) + 2));
    for (unsigned i = 0; i < SIZE / (most - 2); i++)
        virtio_work(dev(0));
    assert_int_equal(get16(0, USED(TX) + 2), SIZE);
}

/* Cut anywhere: the header over several descriptors, too. */
static void frames_in_pieces(void **state UNUSED)
{
    struct piece p[20];
    unsigned id;
    uint32_t size;

    assert_true(start(0, 0) && start(1, 0));
    make_plain(0, 100);
    for (unsigned i = 0; i < 13; i++)
        p[i] = (struct piece){FRAME_AT + i, 1, 0};
    p[13] = (struct piece){FRAME_AT + 13, 12 + 100 - 13, 0};
    for (unsigned i = 0; i < 15; i++)
        p[i + (i > 13)].flags = 0;
    give_buffers(1, 1, 2000);
    offer(0, TX, p, 14);
    virtio_kick(dev(0), TX);
    assert_true(came_back(1, RX, &id, &size));
    came_as_sent(1, BUFFER_AT, 100);
    for (unsigned i = 0; i < 19; i++)
        p[i] = (struct piece){BUFFER_AT + 0x1000 + i * 6, 6, WRITE};
    offer(1, RX, p, 19);
    send(0, 100);
    assert_true(came_back(1, RX, &id, &size));
    assert_int_equal(size, 112);
    came_as_sent(1, BUFFER_AT + 0x1000, 100);
}

static void merged(void **state UNUSED)
{
    uint32_t size, left = NET_HEADER_SIZE + 5000;
    unsigned id, count = 0;

    assert_true(start(0, 0) && start(1, NET_F_MRG_RXBUF));
    give_buffers(1, 3, 1000);
    make_plain(0, 5000);
    send(0, 5000);
    assert_false(came_back(1, RX, &id, &size)); /* three do not hold it: none is taken */
    assert_int_equal(drops(0, NET_DROP_NO_BUFFER), 1);
    for (unsigned k = 3; k < 7; k++)
        offer(1, RX, &(struct piece){BUFFER_AT + k * 0x800, 1000, WRITE}, 1);
    send(0, 5000);
    assert_int_equal(sides[1].interrupts[RX], 1);
    assert_int_equal(get16(1, BUFFER_AT + 10), 6);
    for (uint32_t done = 0; came_back(1, RX, &id, &size); done += size, left -= size, count++) {
        const uint8_t *got = &sides[1].ram.bytes[BUFFER_AT + count * 0x800];

        assert_int_equal(size, MIN(left, 1000u));
        if (count)
            assert_memory_equal(got, &sides[0].ram.bytes[FRAME_AT + done], size);
    }
    assert_true(count == 6 && !left);
}

static void too_small(void **state UNUSED)
{
    unsigned id;
    uint32_t size;

    assert_true(start(0, 0) && start(1, 0)); /* without merging */
    give_buffers(1, 1, 100);
    make_plain(0, 100);
    send(0, 100);
    assert_int_equal(drops(0, NET_DROP_TOO_BIG), 1);
    send(0, 88);
    assert_true(came_back(1, RX, &id, &size) && size == 100);
    assert_null(dev(1)->fault);
    assert_true(start(1, NET_F_MRG_RXBUF)); /* less than a header */
    offer(1, RX, &(struct piece){BUFFER_AT, 11, WRITE}, 1);
    give_buffers(1, 2, 1000);
    send(0, 100);
    assert_non_null(dev(1)->fault);
    assert_null(dev(0)->fault);
    assert_true(start(1, 0));
    give_buffers(1, 1, 1000);
    send(0, 100);
    assert_true(came_back(1, RX, &id, &size));
}

/* What a driver does wrong with a ring breaks its own device, and only that. */
static void wrong_ways(void **state UNUSED)
{
    unsigned id;
    uint32_t size;

    assert_true(start(0, 0) && start(1, 0));
    make_plain(0, 100);
    offer(1, RX, &(struct piece){BUFFER_AT, 1000, 0}, 1);
    send(0, 100);
    assert_string_equal(dev(1)->fault, "readable buffer in a receive queue");
    assert_int_equal(sides[1].config_interrupts, 1);
    send(0, 100);
    assert_int_equal(drops(0, NET_DROP_LINK_DOWN), 1);
    assert_true(start(1, 0));
    offer(0, TX, (const struct piece[]){{FRAME_AT, 112, 0}, {FRAME_AT, 8, WRITE}}, 2);
    virtio_kick(dev(0), TX);
    assert_string_equal(dev(0)->fault, "writable buffer in a transmit queue");
    assert_true(start(0, 0));
    offer(1, RX, &(struct piece){BUFFER_AT, 0, WRITE}, 1); /* without a byte: it goes back as it came */
    give_buffers(1, 1, 1000);
    send(0, 100);
    assert_true(came_back(1, RX, &id, &size) && size == 0);
    assert_true(came_back(1, RX, &id, &size) && size == 112);
}

static void short_frames(void **state UNUSED)
{
    assert_true(start(0, 0) && start(1, 0));
    give_buffers(1, 4, 1000);
    make_plain(0, 100);
    for (uint32_t n = 1; n < NET_HEADER_SIZE + 14; n++) {
        offer(0, TX, &(struct piece){FRAME_AT, n, 0}, 1);
        virtio_kick(dev(0), TX);
    }
    assert_int_equal(drops(0, NET_DROP_SHORT), NET_HEADER_SIZE + 13);
    assert_int_equal(get16(1, USED(RX) + 2), 0);
    assert_null(dev(0)->fault);
}

/* --- lives --- */

static void resets(void **state UNUSED)
{
    unsigned id;
    uint32_t size;

    assert_true(start(0, 0));
    make_plain(0, 100);
    send(0, 100);
    assert_int_equal(drops(0, NET_DROP_LINK_DOWN), 1);
    assert_true(start(1, 0));
    give_buffers(1, 2, 1000);
    virtio_reset(dev(1));
    send(0, 100);
    assert_int_equal(drops(0, NET_DROP_LINK_DOWN), 2);
    assert_int_equal(get16(1, USED(RX) + 2), 0);
    ports[1].down = true;
    card_link_changed(card_of(sides[1].pci));
    assert_int_equal(dev(1)->config[6], 0);
    assert_true(start(1, NET_F_STATUS | NET_F_CTRL_VQ | NET_F_GUEST_ANNOUNCE));
    give_buffers(1, 2, 1000);
    send(0, 100);
    assert_int_equal(drops(0, NET_DROP_LINK_DOWN), 3);
    ports[1].down = false;
    card_link_changed(card_of(sides[1].pci));
    assert_int_equal(dev(1)->config[6], 3);
    assert_int_equal(sides[1].config_interrupts, 1);
    send(0, 100);
    assert_true(came_back(1, RX, &id, &size));
}

static void closed_memory(void **state UNUSED)
{
    assert_true(start(0, 0) && start(1, 0));
    make_plain(0, 1000);
    give_buffers(1, 1, 2000);
    sides[1].ram.closing = 1;
    send(0, 1000);
    assert_int_equal(drops(0, NET_DROP_MEMORY), 0);
    assert_int_equal(drops(0, NET_DROP_NO_BUFFER), 0);
    sides[1].ram.closed = true;
    send(0, 1000); /* its rings are closed, too */
    assert_non_null(dev(1)->fault);
}

/* --- control --- */

#define ASK_AT    0x1c000u
#define ANSWER_AT 0x1d000u

static unsigned ask(unsigned class, unsigned command, const void *data, uint32_t n)
{
    unsigned id;
    uint32_t size;

    sides[1].ram.bytes[ASK_AT] = (uint8_t) class;
    sides[1].ram.bytes[ASK_AT + 1] = (uint8_t)command;
    if (n)
        memcpy(&sides[1].ram.bytes[ASK_AT + 2], data, n);
    sides[1].ram.bytes[ANSWER_AT] = 0xee;
    offer(1, CONTROL, (const struct piece[]){{ASK_AT, 2 + n, 0}, {ANSWER_AT, 1, WRITE}}, 2);
    virtio_kick(dev(1), CONTROL);
    assert_true(came_back(1, CONTROL, &id, &size));
    return sides[1].ram.bytes[ANSWER_AT];
}

#define CONTROL_ALL (CONTROL_FEATURES | NET_F_CTRL_GUEST_OFFLOADS | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4)

static bool arrives(void)
{
    unsigned before = get16(1, USED(RX) + 2);

    offer(1, RX, &(struct piece){BUFFER_AT, 1000, WRITE}, 1);
    send(0, 100);
    if (get16(1, USED(RX) + 2) != before)
        return true;
    sides[1].avail[RX]--; /* the buffer is still there: the next round uses it */
    sides[1].desc[RX]--;
    put(1, AVAIL(RX) + 2, sides[1].avail[RX], 2);
    return false;
}

static void control_filter(void **state UNUSED)
{
    uint8_t *to = &sides[0].ram.bytes[FRAME_AT + NET_HEADER_SIZE];
    const uint8_t on = 1, off = 0, two = 2;
    const uint8_t table[] = {1, 0, 0, 0, 2, 0, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1};

    assert_true(start(0, 0) && start(1, CONTROL_ALL));
    make_plain(0, 100);
    assert_true(arrives());
    to[5] = 9;
    assert_false(arrives());
    assert_int_equal(drops(0, NET_DROP_FILTERED), 1);
    assert_int_equal(ask(0, FILTER_PROMISCUOUS, &on, 1), 0);
    assert_true(arrives());
    assert_int_equal(ask(0, FILTER_PROMISCUOUS, &off, 1), 0);
    assert_int_equal(ask(1, 0, table, sizeof(table)), 0);
    assert_true(arrives());
    memcpy(to, table + 14, 6);
    assert_true(arrives());
    to[5] = 2;
    assert_false(arrives());
    assert_int_equal(ask(0, FILTER_PROMISCUOUS, &two, 1), 1);
    assert_int_equal(ask(0, FILTER_MODES, &on, 1), 1);
    assert_int_equal(ask(0, FILTER_PROMISCUOUS, table, 2), 1);
    assert_int_equal(ask(0, FILTER_PROMISCUOUS, NULL, 0), 1);
}

static void control_refused(void **state UNUSED)
{
    static const struct {
        unsigned class, command, size;
        uint8_t data[16];
    } rows[] = {
        {1, 0, 4, {0xff, 0xff, 0xff, 0xff}}, /* a table that is not there */
        {1, 0, 9, {1, 0, 0, 0, 2, 0, 0, 0, 0}},
        {1, 0, 4, {0}},
        {1, 0, 9, {0, 0, 0, 0, 0, 0, 0, 0, 7}},
        {1, 1, 5, {2, 0, 0, 0, 0}},
        {1, 1, 6, {3, 0, 0, 0, 0, 0}}, /* a group */
        {1, 2, 6, {2}},
        {2, 0, 2, {0, 0x10}}, /* VLAN 4096 */
        {2, 0, 1, {1}},
        {2, 2, 2, {1}},
        {3, 1, 0, {0}},
        {3, 0, 1, {0}},
        {4, 0, 2, {1}}, /* it has one pair */
        {5, 0, 8, {0xff}},
        {5, 0, 4, {2}},
        {5, 0, 8, {0x80}}, /* TSO without checksums */
        {255, 0, 1, {0}},
    };

    assert_true(start(0, 0) && start(1, CONTROL_ALL));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(ask(rows[i].class, rows[i].command, rows[i].data, rows[i].size), 1);
    assert_int_equal(dev(1)->errors, ARRAY_SIZE(rows));
    assert_null(dev(1)->fault);
    assert_true(start(1, NET_F_CTRL_VQ)); /* none of it was negotiated */
    assert_int_equal(ask(0, 0, (const uint8_t[]){1}, 1), 1);
    assert_int_equal(ask(1, 1, (const uint8_t[6]){2}, 6), 1);
    assert_int_equal(ask(2, 0, (const uint8_t[2]){1}, 2), 1);
}

static void control_settings(void **state UNUSED)
{
    const uint8_t mac[] = {2, 0, 0, 0, 0, 0x44}, vlan[] = {7, 0};
    uint8_t *frame = &sides[0].ram.bytes[FRAME_AT + NET_HEADER_SIZE];

    assert_true(start(0, 0) && start(1, CONTROL_ALL));
    make_plain(0, 100);
    assert_int_equal(ask(1, 1, mac, 6), 0);
    assert_memory_equal(dev(1)->config, mac, 6);
    assert_false(arrives());
    memcpy(frame, mac, 6);
    assert_true(arrives());
    memcpy(frame + 12, (const uint8_t[]){0x81, 0, 0, 7}, 4);
    assert_false(arrives());
    assert_int_equal(ask(2, 0, vlan, 2), 0);
    assert_true(arrives());
    assert_int_equal(ask(2, 1, vlan, 2), 0);
    assert_false(arrives());
    assert_int_equal(ports[1].features, NET_F_GUEST_CSUM | NET_F_GUEST_TSO4);
    assert_int_equal(ask(5, 0, (const uint8_t[8]){2}, 8), 0);
    assert_int_equal(ports[1].features, NET_F_GUEST_CSUM);
    assert_int_equal(ask(3, 0, NULL, 0), 0);
    virtio_reset(dev(1));
    assert_memory_equal(dev(1)->config, ((const uint8_t[]){2, 0, 0, 0, 0, 1}), 6);
}

/* No place for an answer, or not even a command: its driver has lost its way. */
static void control_broken(void **state UNUSED)
{
    static const struct piece wrong[][2] = {{{ASK_AT, 3, 0}, {ASK_AT, 3, 0}},
                                            {{ASK_AT, 1, 0}, {ANSWER_AT, 1, WRITE}}};

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_true(start(1, CONTROL_ALL));
        offer(1, CONTROL, wrong[i], 2);
        virtio_kick(dev(1), CONTROL);
        assert_string_equal(dev(1)->fault, "control request without a command or an answer");
    }
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        ROW(registers),        ROW(features),       ROW(plain_frames),   ROW(frames_in_pieces),
        ROW(merged),           ROW(too_small),      ROW(wrong_ways),     ROW(short_frames),
        ROW(resets),           ROW(closed_memory),  ROW(control_filter), ROW(control_refused),
        ROW(control_settings), ROW(control_broken), ROW(shapes),         ROW(short_way_refuses),
        ROW(bounded_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
