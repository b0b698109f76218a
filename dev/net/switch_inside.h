/* SPDX-License-Identifier: BSD-2-Clause */
/* For net.c, path.c and batch.c alone. */
#pragma once

#include "dev/net/switch.h"

/* In the place of a VLAN: the addresses that are locked to their ports, in all of them. */
#define VLAN_LOCKED 4095u

/* Where a frame goes; its source is learned. */
struct net_path net_find_path(struct net_port *from, const struct net_frame *f);

/* Whether a frame of a VLAN may go from one port to another, and the tag it has there. */
enum net_drop net_check_path(const struct net_port *from, const struct net_port *to, unsigned vlan);
uint32_t net_tag_for(const struct net_port *to, const struct net_frame *f, unsigned vlan);

static inline bool net_has_vlan(const struct net_port *port, unsigned vlan)
{
    return vlan == port->vlan ||
           (port->vlan_mode == NET_VLAN_TRUNK && (port->vlans[vlan / 64] >> vlan % 64 & 1));
}

static inline bool net_is_mirror(const struct net_port *port)
{
    return unlikely(port->index == __atomic_load_n(&port->net->mirror, __ATOMIC_RELAXED));
}
