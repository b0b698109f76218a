/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/card.h"

#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "dev/net/control.h"
#include "dev/net/networks.h"
#include "dev/net/poll.h"

#define NET_CLASS   0x020000 /* network controller, Ethernet */
#define RING_SIZE   256
#define SPEED_MBIT  100000u /* nothing is slower for it */
#define FULL_DUPLEX 1

enum {
    CONFIG_MAC = 0,
    CONFIG_STATUS = 6,
    CONFIG_PAIRS = 8,
    CONFIG_MTU = 10,
    CONFIG_SPEED = 12,
    CONFIG_DUPLEX = 16
};
enum { CONFIG_SIZE = 17 };
enum { LINK_UP = 1, ANNOUNCE = 2 };

#define CSUM_FEATURES (NET_F_CSUM | NET_F_GUEST_CSUM)
#define TSO_FEATURES                                                                             \
    (NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | \
     NET_F_HOST_ECN)
#define USO_FEATURES (NET_F_GUEST_USO4 | NET_F_GUEST_USO6 | NET_F_HOST_USO)
#define CONTROL_FEATURES                                                                            \
    (NET_F_CTRL_VQ | NET_F_CTRL_RX | NET_F_CTRL_RX_EXTRA | NET_F_CTRL_VLAN | NET_F_GUEST_ANNOUNCE | \
     NET_F_CTRL_MAC_ADDR)
#define FIXED_FEATURES (NET_F_MAC | NET_F_MTU | NET_F_STATUS | NET_F_SPEED_DUPLEX)
#define OFFLOADS                                                                                   \
    (NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN | NET_F_GUEST_USO4 | \
     NET_F_GUEST_USO6)

static struct net_card *card_behind(const struct virtio_device *d)
{
    return d->model;
}

struct net_card *card_of(struct virtio_pci *p)
{
    return card_behind(&p->device);
}

/* --- queues: receive and transmit of each pair, then control --- */

static bool is_control(const struct virtio_device *d, unsigned queue)
{
    return queue == (d->features & NET_F_MQ ? d->queue_count - 1 : 2);
}

/* The control queue's number is even, however many pairs there are. */
static bool is_transmit(unsigned queue)
{
    return queue & 1;
}

/* What lies in a receive queue waits for a sender. */
static bool card_has_work(struct virtio_device *d, unsigned queue)
{
    return is_transmit(queue) || is_control(d, queue);
}

static void begin_sending(struct virtio_device *d, unsigned queue)
{
    struct net_card *card = card_behind(d);

    if (is_transmit(queue))
        net_begin(&card->batches[queue / 2], card->id.port, queue / 2, d->features, rdtsc());
}

static void end_sending(struct virtio_device *d, unsigned queue)
{
    struct net_card *card = card_behind(d);

    if (!is_transmit(queue))
        return;
    net_end(&card->batches[queue / 2]);
    if (unlikely(card->id.port->poller))
        poll_wake(card->id.port);
}

static void send_or_obey(struct virtio_device *d, unsigned queue, struct ring *r, struct ring_chain *c)
{
    struct net_card *card = card_behind(d);
    struct net_batch *b;
    uint64_t before;

    if (!is_transmit(queue)) {
        control_serve(card, r, c);
        return;
    }
    if (c->writable.left) {
        ring_break(r, "writable buffer in a transmit queue");
        return;
    }
    b = &card->batches[queue / 2];
    before = b->work;
    net_transmit(b, r, c);
    d->queues[queue].work += b->work - before;
}

static bool send_short(struct virtio_device *d, unsigned queue, struct ring *r)
{
    struct net_batch *b;
    uint64_t before;

    if (!is_transmit(queue))
        return false;
    b = &card_behind(d)->batches[queue / 2];
    before = b->work;
    if (!net_transmit_short(b, r))
        return false;
    d->queues[queue].work += b->work - before;
    return true;
}

/* --- what its driver settles --- */

static bool needs(uint64_t features, uint64_t any, uint64_t also)
{
    return !(features & any) || (features & also) == also;
}

/* "Feature bit requirements" */
static bool features_go_together(uint64_t f)
{
    return needs(f, OFFLOADS & ~NET_F_GUEST_CSUM, NET_F_GUEST_CSUM) &&
           needs(f, NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN | NET_F_HOST_USO, NET_F_CSUM) &&
           (!(f & NET_F_GUEST_ECN) || (f & (NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6))) &&
           (!(f & NET_F_HOST_ECN) || (f & (NET_F_HOST_TSO4 | NET_F_HOST_TSO6))) &&
           needs(f, (CONTROL_FEATURES & ~NET_F_CTRL_VQ) | NET_F_MQ | NET_F_CTRL_GUEST_OFFLOADS,
                 NET_F_CTRL_VQ);
}

static void settle_offloads(struct net_card *card, uint64_t offloads)
{
    __atomic_store_n(&card->id.port->features, offloads, __ATOMIC_RELAXED);
}

bool card_set_offloads(struct net_card *card, uint64_t offloads)
{
    if (offloads & ~(card->pci->device.features & OFFLOADS) || !features_go_together(offloads))
        return false;
    settle_offloads(card, offloads);
    return true;
}

static void start_card(struct virtio_device *d)
{
    struct net_card *card = card_behind(d);

    settle_offloads(card, d->features & OFFLOADS);
    filter_set_vlans(&card->filter, d->features & NET_F_CTRL_VLAN);
    if (!(d->features & NET_F_CTRL_RX)) /* it cannot say what it wants */
        filter_set_mode(&card->filter, FILTER_PROMISCUOUS, true);
}

static uint16_t link_status(const struct net_card *card)
{
    return __atomic_load_n(&card->id.port->down, __ATOMIC_RELAXED) ? 0 : LINK_UP;
}

static void write_mac(struct virtio_device *d, uint64_t mac)
{
    store_le(d->config + CONFIG_MAC, mac, NET_MAC_BYTES);
}

static void reset_card(struct virtio_device *d)
{
    struct net_card *card = card_behind(d);

    settle_offloads(card, 0);
    __atomic_store_n(&card->id.port->pairs, 1, __ATOMIC_RELAXED);
    filter_reset(&card->filter, card->id.mac);
    write_mac(d, card->id.mac);
    store_le(d->config + CONFIG_STATUS, link_status(card), 2);
}

/* The driver shall tell the others on the network where it is, as they may have forgotten. */
void card_link_changed(struct net_card *card)
{
    struct virtio_device *d = &card->pci->device;
    uint16_t status = link_status(card);

    if (status && (d->features & NET_F_GUEST_ANNOUNCE))
        status |= ANNOUNCE;
    virtio_config_change(d, CONFIG_STATUS, status);
}

void card_announced(struct net_card *card)
{
    store_le(card->pci->device.config + CONFIG_STATUS, link_status(card), 2);
}

static const struct virtio_ops card_ops = {.name = "net",
                                           .type = 1,
                                           .queue_count = 3,
                                           .queue_size = RING_SIZE,
                                           .begin = begin_sending,
                                           .end = end_sending,
                                           .ready = card_has_work,
                                           .serve = send_or_obey,
                                           .serve_short = send_short,
                                           .accepts = features_go_together,
                                           .start = start_card,
                                           .reset = reset_card};

/* --- how it comes into being --- */

static uint64_t offered_features(const struct port_config *c)
{
    unsigned of = c->features ? c->features : ~0u;
    uint64_t f = FIXED_FEATURES;

    f |= of & PORT_CSUM ? CSUM_FEATURES : 0;
    f |= of & PORT_TSO ? TSO_FEATURES : 0;
    f |= of & PORT_USO ? USO_FEATURES : 0;
    f |= of & PORT_MERGE ? NET_F_MRG_RXBUF : 0;
    if (!(of & PORT_CONTROL))
        return f;
    f |= CONTROL_FEATURES & ~(c->mac_lock ? NET_F_CTRL_MAC_ADDR : 0);
    f |= of & PORT_CSUM ? NET_F_CTRL_GUEST_OFFLOADS : 0;
    return f | (c->pairs > 1 ? NET_F_MQ : 0);
}

static uint64_t left_out(const struct port_config *c)
{
    unsigned of = c->features ? c->features : ~0u;

    return (of & PORT_INDIRECT ? 0 : VIRTIO_F_INDIRECT) | (of & PORT_EVENT_IDX ? 0 : VIRTIO_F_EVENT_IDX) |
           (of & PORT_PACKED ? 0 : VIRTIO_F_PACKED) | (of & PORT_IN_ORDER ? 0 : VIRTIO_F_IN_ORDER) |
           (of & PORT_RESET ? 0 : VIRTIO_F_RESET);
}

struct virtio_pci *card_create(struct vm *vm, unsigned i, struct net_port *port)
{
    const struct port_config *c = &vm->config->ports[i];
    const struct card_identity model = {port, c->pairs, net_mac(c->mac)};
    uint8_t config[CONFIG_SIZE] = {[CONFIG_DUPLEX] = FULL_DUPLEX};
    struct virtio_identity id = {.ops = &card_ops,
                                 .slot = NET_SLOT + i,
                                 .class_code = NET_CLASS,
                                 .features = offered_features(c),
                                 .without = left_out(c),
                                 .config = config,
                                 .config_size = CONFIG_SIZE,
                                 .queue_count = 2 * c->pairs + 1,
                                 .model = &model,
                                 .model_given = sizeof(model),
                                 .model_size = sizeof(struct net_card)};
    struct virtio_pci *p;

    ASSERT(i < VM_MAX_PORTS && c->pairs <= NET_MAX_PAIRS);
    store_le(config + CONFIG_PAIRS, c->pairs, 2);
    store_le(config + CONFIG_MTU, c->mtu, 2);
    store_le(config + CONFIG_SPEED, SPEED_MBIT, 4);
    p = virtio_pci_create(vm, &id);
    if (p)
        card_of(p)->pci = p;
    return p;
}
