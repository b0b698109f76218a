/* SPDX-License-Identifier: BSD-2-Clause */
/* Nets and their ports, apart from the frames. */
#include "arch/x86/cpu.h"
#include "core/base/panic.h"
#include "dev/net/switch_inside.h"

#define UNIT_SECONDS 2 /* of an address's age, at most, and more than half of it */
#define PORT_LEARNS  4096u

void net_init(struct net *n, enum net_kind kind, struct net_port *ports, unsigned count, struct fdb *fdb,
              uint64_t hz, uint64_t secret)
{
    ASSERT(count > 0 && count <= (kind == NET_LINK ? 2 : NET_MAX_PORTS) && hz > 0);
    *n = (struct net){
        .kind = kind, .count = count, .ports = ports, .fdb = fdb, .mirror = NET_MAX_PORTS, .hz = hz};
    while (hz * UNIT_SECONDS >> n->unit_shift > 1)
        n->unit_shift++;
    for (unsigned i = 0; i < count; i++) {
        ports[i].net = n;
        ports[i].index = (uint8_t)i;
        ports[i].mtu = NET_MAX_MTU;
        ports[i].pairs = 1;
    }
    if (kind == NET_SWITCH)
        fdb_init(fdb, secret, PORT_LEARNS);
}

/* --- settings --- */

static const char *check_vlans(struct net_port *port)
{
    bool some = false;

    for (unsigned i = 0; i < ARRAY_SIZE(port->vlans); i++)
        some |= port->vlans[i] != 0;
    if (port->vlan >= VLAN_LOCKED || (port->vlans[0] & 1) || port->vlans[ARRAY_SIZE(port->vlans) - 1] >> 63)
        return "VLAN that is not from 1 to 4094";
    if (some && port->vlan_mode == NET_VLAN_ACCESS)
        return "VLANs of a trunk at a port that is none";
    port->net->tagged |= some || port->vlan;
    return NULL;
}

/* Where some port has a VLAN, one that says nothing has the first. */
static void default_vlan(struct net_port *port)
{
    if (port->net->tagged && port->vlan_mode == NET_VLAN_ACCESS && !port->vlan)
        port->vlan = 1;
}

static const char *lock_mac(struct net_port *port)
{
    if (!port->mac_lock)
        return NULL;
    if (!port->mac || net_is_group(port->mac))
        return "port without an address that it could be locked to";
    port->net->locked = true;
    if (!fdb_fix(port->net->fdb, port->mac, VLAN_LOCKED, port->index) ||
        (port->vlan_mode == NET_VLAN_ACCESS && !net_fix(port, port->mac, port->vlan)))
        return "two ports with one address";
    return NULL;
}

const char *net_start(struct net *n)
{
    const char *why = NULL;

    if (n->kind == NET_LINK)
        return NULL;
    for (unsigned i = 0; i < n->count && !why; i++)
        why = check_vlans(&n->ports[i]);
    for (unsigned i = 0; i < n->count && !why; i++) {
        default_vlan(&n->ports[i]);
        why = lock_mac(&n->ports[i]);
    }
    return why;
}

bool net_fix(struct net_port *port, uint64_t mac, unsigned vlan)
{
    ASSERT(port->net->kind == NET_SWITCH && mac < BIT(48) && vlan < VLAN_LOCKED);
    return mac && !net_is_group(mac) && fdb_fix(port->net->fdb, mac, vlan, port->index);
}

/* --- devices --- */

void net_attach(struct net_port *port, const struct net_receiver_ops *ops, void *device)
{
    ASSERT(!port->device && device);
    port->ops = ops;
    __atomic_store_n(&port->device, device, __ATOMIC_RELEASE);
}

/* Who comes from now on finds no device, and leaves. */
void net_detach(struct net_port *port)
{
    __atomic_store_n(&port->device, NULL, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&port->users, __ATOMIC_SEQ_CST))
        cpu_pause();
    if (port->net->kind == NET_SWITCH)
        fdb_forget(port->net->fdb, port->index);
}

void *net_enter(struct net_port *port)
{
    void *device;

    __atomic_fetch_add(&port->users, 1, __ATOMIC_SEQ_CST);
    device = __atomic_load_n(&port->device, __ATOMIC_SEQ_CST);
    if (!device)
        net_leave(port);
    return device;
}

void net_leave(struct net_port *port)
{
    __atomic_fetch_sub(&port->users, 1, __ATOMIC_RELEASE);
}

/* --- sums --- */

void net_sum_sent(const struct net_port *port, struct net_sent *sum)
{
    *sum = (struct net_sent){0};
    for (unsigned i = 0; i < NET_MAX_PAIRS; i++) {
        const struct net_sent *s = &port->sent[i];

        sum->frames += s->frames;
        sum->bytes += s->bytes;
        sum->copies += s->copies;
        sum->delivered += s->delivered;
        sum->floods += s->floods;
        sum->mirrors += s->mirrors;
        sum->mirrored += s->mirrored;
        for (unsigned d = 0; d < NET_DROPS; d++)
            sum->drops[d] += s->drops[d];
    }
}

void net_sum_received(const struct net_port *port, struct net_received *sum)
{
    *sum = (struct net_received){0};
    for (unsigned i = 0; i < NET_MAX_PAIRS; i++) {
        const struct net_received *r = &port->received[i];

        sum->copies += r->copies;
        sum->frames += r->frames;
        sum->bytes += r->bytes;
        for (unsigned d = 0; d < NET_DROPS; d++)
            sum->drops[d] += r->drops[d];
    }
}
