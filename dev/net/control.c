/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/control.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

enum { CLASS_RX, CLASS_MAC, CLASS_VLAN, CLASS_ANNOUNCE, CLASS_MQ, CLASS_OFFLOADS };
enum { MAC_TABLE_SET, MAC_ADDRESS_SET };
enum { VLAN_ADD, VLAN_DELETE };
enum { ACK_OK, ACK_ERROR };

#define VLAN_NUMBERS 4096
#define FIRST_EXTRA  FILTER_ALL_UNICAST /* modes from this on are CTRL_RX_EXTRA's */

struct request {
    uint8_t class, command;
};

static bool has(const struct net_card *card, uint64_t feature)
{
    return card->pci->device.features & feature;
}

/* Its data is n bytes, and no more. */
static bool take_data(struct ring *r, struct ring_chain *c, void *to, uint32_t n)
{
    return c->readable.left == n && ring_get(r, c, to, n);
}

static bool set_mode(struct net_card *card, struct ring *r, struct ring_chain *c, unsigned mode)
{
    uint8_t on;

    if (mode >= FILTER_MODES || !has(card, mode < FIRST_EXTRA ? NET_F_CTRL_RX : NET_F_CTRL_RX_EXTRA) ||
        !take_data(r, c, &on, 1) || on > 1)
        return false;
    filter_set_mode(&card->filter, mode, on);
    return true;
}

struct mac_table {
    uint64_t macs[NET_MAX_FILTERED];
    uint32_t count;
};

/* What does not fit is counted only: the filter then takes all of the kind. */
static bool take_macs(struct ring *r, struct ring_chain *c, struct mac_table *t)
{
    uint8_t mac[NET_MAC_BYTES];

    if (!ring_get(r, c, &t->count, sizeof(t->count)) || t->count > c->readable.left / NET_MAC_BYTES)
        return false;
    if (t->count > NET_MAX_FILTERED)
        return ring_skip(c, t->count * NET_MAC_BYTES);
    for (uint32_t i = 0; i < t->count; i++) {
        if (!ring_get(r, c, mac, NET_MAC_BYTES))
            return false;
        t->macs[i] = net_mac(mac);
    }
    return true;
}

static bool set_table(struct net_card *card, struct ring *r, struct ring_chain *c)
{
    struct mac_table unicast, multicast;

    if (!has(card, NET_F_CTRL_RX) || !take_macs(r, c, &unicast) || !take_macs(r, c, &multicast) ||
        c->readable.left)
        return false;
    filter_set_list(&card->filter, false, unicast.macs, unicast.count);
    filter_set_list(&card->filter, true, multicast.macs, multicast.count);
    return true;
}

/* The switch learns it by the frames that come; a port whose address is fixed has no such command. */
static bool set_address(struct net_card *card, struct ring *r, struct ring_chain *c)
{
    uint8_t mac[NET_MAC_BYTES];

    if (!has(card, NET_F_CTRL_MAC_ADDR) || !take_data(r, c, mac, NET_MAC_BYTES) || net_is_group(net_mac(mac)))
        return false;
    memcpy(card->pci->device.config, mac, NET_MAC_BYTES);
    filter_set_own(&card->filter, net_mac(mac));
    return true;
}

static bool set_macs(struct net_card *card, struct ring *r, struct ring_chain *c, unsigned command)
{
    switch (command) {
    case MAC_TABLE_SET: return set_table(card, r, c);
    case MAC_ADDRESS_SET: return set_address(card, r, c);
    default: return false;
    }
}

static bool set_vlan(struct net_card *card, struct ring *r, struct ring_chain *c, unsigned command)
{
    uint16_t vlan;

    if (command > VLAN_DELETE || !has(card, NET_F_CTRL_VLAN) || !take_data(r, c, &vlan, sizeof(vlan)) ||
        vlan >= VLAN_NUMBERS)
        return false;
    filter_set_vlan(&card->filter, vlan, command == VLAN_ADD);
    return true;
}

static bool end_announcement(struct net_card *card, const struct ring_chain *c, unsigned command)
{
    if (command || c->readable.left || !has(card, NET_F_GUEST_ANNOUNCE))
        return false;
    card_announced(card);
    return true;
}

static bool set_pairs(struct net_card *card, struct ring *r, struct ring_chain *c, unsigned command)
{
    uint16_t pairs;

    if (command || !has(card, NET_F_MQ) || !take_data(r, c, &pairs, sizeof(pairs)) || !pairs ||
        pairs > card->id.pairs)
        return false;
    __atomic_store_n(&card->id.port->pairs, pairs, __ATOMIC_RELAXED);
    return true;
}

static bool set_offloads(struct net_card *card, struct ring *r, struct ring_chain *c, unsigned command)
{
    uint64_t offloads;

    if (command || !has(card, NET_F_CTRL_GUEST_OFFLOADS) || !take_data(r, c, &offloads, sizeof(offloads)))
        return false;
    return card_set_offloads(card, offloads);
}

static bool carry_out(struct net_card *card, struct ring *r, struct ring_chain *c, struct request q)
{
    switch (q.class) {
    case CLASS_RX: return set_mode(card, r, c, q.command);
    case CLASS_MAC: return set_macs(card, r, c, q.command);
    case CLASS_VLAN: return set_vlan(card, r, c, q.command);
    case CLASS_ANNOUNCE: return end_announcement(card, c, q.command);
    case CLASS_MQ: return set_pairs(card, r, c, q.command);
    case CLASS_OFFLOADS: return set_offloads(card, r, c, q.command);
    default: return false;
    }
}

/* A request that has no place for an answer, or no command, is none: its driver has lost its way. */
void control_serve(struct net_card *card, struct ring *r, struct ring_chain *c)
{
    struct virtio_device *d = &card->pci->device;
    struct request q;
    uint64_t answer;
    bool ok;

    if (!ring_reserve_last(c, &answer) || !ring_get(r, c, &q, sizeof(q))) {
        ring_break(r, "control request without a command or an answer");
        return;
    }
    ok = carry_out(card, r, c, q);
    d->errors += !ok;
    ring_put_last(r, c, answer, ok ? ACK_OK : ACK_ERROR);
}
