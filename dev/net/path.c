/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of forwarding (docs/network.md, "The switch"). */
#include "dev/net/switch_inside.h"

#define MAC_RESERVED                                                                      \
    UINT64_C(0x0000c28001) /* 01:80:c2:00:00:00 to 0f (IEEE 802.1Q, "Reserved addresses") \
                            */
#define RESERVED_BITS (UINT64_C(0xf0ffffffffff))

/* --- the sender --- */

/* Of which VLAN it is. */
static bool find_vlan(const struct net_port *from, uint32_t tag, uint16_t *vlan)
{
    unsigned id = tag == NET_NO_TAG ? 0 : tag % NET_VLANS;

    if (!from->net->tagged) {
        *vlan = 0;
        return true;
    }
    *vlan = id ? (uint16_t)id : from->vlan;
    return *vlan && (!id || (from->vlan_mode == NET_VLAN_TRUNK && net_has_vlan(from, id)));
}

static bool is_locked_elsewhere(const struct net_port *from, uint64_t mac)
{
    unsigned at;

    if (likely(!from->net->locked))
        return false;
    at = fdb_find(from->net->fdb, mac, VLAN_LOCKED);
    return at != FDB_NOWHERE && at != from->index;
}

/* Whether the source may be this port's; then it is known to be. */
static bool learn_source(const struct net_port *from, uint64_t mac, unsigned vlan)
{
    if (!mac || net_is_group(mac) || (from->mac_lock && mac != from->mac) || is_locked_elsewhere(from, mac))
        return false;
    return fdb_learn(from->net->fdb, mac, vlan, from->index) != FDB_FIXED;
}

static enum net_drop check_sender(const struct net_port *from, const struct net_frame *f, uint16_t *vlan)
{
    if (net_is_mirror(from))
        return NET_DROP_NO_PORT;
    if (!find_vlan(from, f->tag, vlan))
        return NET_DROP_VLAN;
    if (!learn_source(from, net_frame_from(f), *vlan))
        return NET_DROP_SPOOF;
    return (net_frame_to(f) & RESERVED_BITS) == MAC_RESERVED ? NET_DROP_RESERVED : NET_PASSED;
}

/* --- the receiver --- */

enum net_drop net_check_path(const struct net_port *from, const struct net_port *to, unsigned vlan)
{
    if (to == from || net_is_mirror(to))
        return NET_DROP_NO_PORT;
    if (from->isolated && to->isolated)
        return NET_DROP_ISOLATED;
    return !to->net->tagged || net_has_vlan(to, vlan) ? NET_PASSED : NET_DROP_VLAN;
}

/* The priority is kept where there is a tag to keep it in. */
uint32_t net_tag_for(const struct net_port *to, const struct net_frame *f, unsigned vlan)
{
    if (!to->net->tagged)
        return NET_TAG_AS_IS;
    if (vlan == to->vlan)
        return NET_NO_TAG;
    return (f->tag == NET_NO_TAG ? 0 : f->tag & ~(NET_VLANS - 1)) | vlan;
}

struct net_path net_find_path(struct net_port *from, const struct net_frame *f)
{
    struct net_path path = {.to = NET_MAX_PORTS};
    uint64_t mac = net_frame_to(f);
    const struct net_port *to;

    path.drop = check_sender(from, f, &path.vlan);
    if (path.drop)
        return path;
    if (!net_is_group(mac))
        path.to = fdb_find(from->net->fdb, mac, path.vlan);
    if (path.to == NET_MAX_PORTS)
        return path;
    to = &from->net->ports[path.to];
    path.drop = net_check_path(from, to, path.vlan);
    path.tag = net_tag_for(to, f, path.vlan);
    return path;
}
