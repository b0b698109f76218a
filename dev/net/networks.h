/* SPDX-License-Identifier: BSD-2-Clause */
/* The networks and links of the configuration, and the cards of a VM in them: docs/network.md. */
#pragma once

#include "core/vm/part.h"
#include "dev/net/card.h"

enum { NET_SLOT = 0x02 }; /* of a VM's first card; the others follow */

#define NETWORK_NAME_SIZE (2 * CONFIG_NAME_SIZE + 8)

/* A network, a link, or a link of a chain. They are there for ever, and never change places. */
struct network {
    struct network *next;
    char name[NETWORK_NAME_SIZE];
    const struct net_config *config; /* NULL: a link */
    struct net net;
};

/* Once, when the configuration is known. False: out of memory. */
bool networks_create(const struct config *config);

/* In the order of the configuration; NULL begins, and ends. */
struct network *network_next(const struct network *after);

/* A part of a VM (core/vm/part.h), behind virtio. */
bool cards_create(struct vm *vm, const struct placement *p);
void cards_rest(struct vm *vm);
void cards_destroy(struct vm *vm);
