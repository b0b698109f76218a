/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a network card's driver wants to get (virtio 1.2, "Packet Receive Filtering", "Setting MAC Address
 * Filtering", "VLAN Filtering"). Written on its guest's vCPUs, read on those of all senders.
 */
#pragma once

#include "arch/x86/spinlock.h"
#include "arch/x86/types.h"

#define NET_MAC_BYTES    6
#define NET_MAX_FILTERED 32 /* addresses of each kind; with more all of the kind are taken */

/* Modes, by the number of their command. */
enum {
    FILTER_PROMISCUOUS,
    FILTER_ALL_MULTICAST,
    FILTER_ALL_UNICAST,
    FILTER_NO_MULTICAST,
    FILTER_NO_UNICAST,
    FILTER_NO_BROADCAST,
    FILTER_MODES
};

struct net_mac_list {
    bool all;
    unsigned count;
    uint64_t macs[NET_MAX_FILTERED];
};

struct net_filter {
    uint64_t own;         /* the card's address (atomic); an address is 48 bits, the first byte the lowest */
    unsigned modes;       /* a bit for each (atomic) */
    bool by_vlan;         /* tagged frames only of those VLANs (atomic) */
    struct spinlock lock; /* of what follows */
    struct net_mac_list unicast, multicast;
    uint64_t vlans[4096 / 64];
};

/* As at a reset: its own address, multicast and broadcast as the driver says; every VLAN, unless that is
 * negotiated. */
void filter_reset(struct net_filter *f, uint64_t own);
void filter_set_vlans(struct net_filter *f, bool by_vlan);

void filter_set_mode(struct net_filter *f, unsigned mode, bool on);
void filter_set_own(struct net_filter *f, uint64_t own);
void filter_set_vlan(struct net_filter *f, unsigned vlan, bool on); /* below 4096 */
/* One of its lists as a whole; count beyond NET_MAX_FILTERED: all of that kind. */
void filter_set_list(struct net_filter *f, bool multicast, const uint64_t *macs, unsigned count);

/* Whether a frame is for it, by its first bytes: 14 at least, 18 of one with a tag. */
bool filter_takes(struct net_filter *f, const uint8_t *head);
