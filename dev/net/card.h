/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio network card (virtio 1.2, "Network Device") on a port of a network: what its guest sends goes
 * through the switch in its own exit, and what others send is put into its receive queues on their CPUs.
 */
#pragma once

#include "core/vm/part.h"
#include "dev/net/filter.h"
#include "dev/net/switch.h"
#include "dev/virtio/virtio_pci.h"

/* A receive queue while a sender has it. */
struct net_claim {
    struct net_card *card;
    struct virtio_queue *queue;
};

/* What it is from the beginning on. */
struct card_identity {
    struct net_port *port;
    unsigned pairs; /* of queues */
    uint64_t mac;   /* at a reset */
};

struct net_card {
    struct card_identity id;
    struct virtio_pci *pci;
    struct net_filter filter;
    struct net_batch batches[NET_MAX_PAIRS]; /* the turn of a transmit queue, under its lock */
    struct net_claim claims[NET_MAX_PAIRS];  /* under the lock of the receive queue */
};

/* Card i of a VM, at this port. NULL: out of memory. */
struct virtio_pci *card_create(struct vm *vm, unsigned i, struct net_port *port);
struct net_card *card_of(struct virtio_pci *p);

/* The administrator has set the port's link up or down: its driver hears of it. */
void card_link_changed(struct net_card *card);

/* --- between its files --- */

extern const struct net_receiver_ops card_receiver_ops;

/* Its driver has told the network of its address. */
void card_announced(struct net_card *card);
/* False: what it did not negotiate. */
bool card_set_offloads(struct net_card *card, uint64_t offloads);
