/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/networks.h"

#include "arch/x86/random.h"
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/panic.h"
#include "dev/net/poll.h"
#include "dev/virtio/devices.h"

#define PORT_NAME_SIZE (CONFIG_NAME_SIZE + 4)

_Static_assert(CONFIG_NET_PORTS <= NET_MAX_PORTS && CONFIG_NET_PAIRS <= NET_MAX_PAIRS,
               "what can be configured can be built");
_Static_assert(NET_SLOT + VM_MAX_PORTS <= BLOCK_SLOT, "each card has a place");

static struct network *networks;
static struct net_port *ports_of[CONFIG_MAX_VMS][VM_MAX_PORTS]; /* by VM and card */

struct network *network_next(const struct network *after)
{
    return after ? after->next : networks;
}

/* --- building --- */

/* A card that shall be in a network. */
struct member {
    unsigned vm, card;
};

struct members {
    unsigned count;
    struct member at[CONFIG_NET_PORTS];
};

static const struct port_config *card_config(const struct config *c, struct member m)
{
    return &c->vms[m.vm].ports[m.card];
}

static void set_vlans(struct net_port *port, const struct port_config *c)
{
    port->vlan = c->vlan;
    if (!c->trunk_count)
        return;
    port->vlan_mode = NET_VLAN_TRUNK;
    for (unsigned i = 0; i < c->trunk_count; i++) {
        for (unsigned vlan = c->trunk[i].first; vlan <= c->trunk[i].last; vlan++)
            port->vlans[vlan / 64] |= BIT(vlan % 64);
    }
}

static void set_port(struct net_port *port, const struct port_config *c, const struct net_config *net)
{
    set_vlans(port, c);
    port->mac = net_mac(c->mac);
    port->mac_lock = c->mac_lock;
    port->isolated = c->isolated;
    __atomic_store_n(&port->mtu, c->mtu, __ATOMIC_RELAXED);
    net_rate_set(&port->bytes_rate, (uint64_t)c->rate_kbit * 1000 / 8, machine.tsc_hz);
    net_rate_set(&port->frames_rate, c->rate_frames, machine.tsc_hz);
    net_rate_set(&port->flood_rate, net ? net->flood : 0, machine.tsc_hz);
}

/* "a", or "a:1" for one of several of a VM in a network. */
static void name_port(char *name, const struct config *c, const struct members *m, unsigned i)
{
    unsigned same = 0, before = 0;

    for (unsigned k = 0; k < m->count; k++) {
        same += m->at[k].vm == m->at[i].vm;
        before += k < i && m->at[k].vm == m->at[i].vm;
    }
    if (same > 1)
        format(name, PORT_NAME_SIZE, "%s:%u", c->vms[m->at[i].vm].name, before);
    else
        format(name, PORT_NAME_SIZE, "%s", c->vms[m->at[i].vm].name);
}

static void *allocate_state(size_t bytes)
{
    return memory_alloc_zeroed(&memory_host, MEMORY_STATE, ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE);
}

static void set_ports(struct network *n, const struct config *c, const struct members *m,
                      char (*names)[PORT_NAME_SIZE])
{
    for (unsigned i = 0; i < m->count; i++) {
        struct net_port *port = &n->net.ports[i];

        name_port(names[i], c, m, i);
        port->name = names[i];
        set_port(port, card_config(c, m->at[i]), n->config);
        ports_of[m->at[i].vm][m->at[i].card] = port;
        if (n->config && !strcmp(n->config->mirror, c->vms[m->at[i].vm].name))
            __atomic_store_n(&n->net.mirror, i, __ATOMIC_RELAXED);
    }
}

static struct network *allocate_network(const struct members *m, enum net_kind kind)
{
    size_t ports = ALIGN_UP(sizeof(struct network), 64), names = ports + m->count * sizeof(struct net_port);
    char *all = allocate_state(names + (size_t)m->count * PORT_NAME_SIZE);
    struct fdb *fdb = kind == NET_SWITCH ? allocate_state(sizeof(*fdb)) : NULL;
    struct network *n = (struct network *)all;
    uint64_t secret = rdtsc();

    if (!all || (kind == NET_SWITCH && !fdb))
        return NULL;
    random_word(&secret);
    net_init(&n->net, kind, (struct net_port *)(all + ports), m->count, fdb, machine.tsc_hz, secret);
    return n;
}

static char (*names_behind(struct network *n))[PORT_NAME_SIZE]
{
    return (char(*)[PORT_NAME_SIZE])(n->net.ports + n->net.count);
}

/* False: out of memory. */
static bool add_network(const struct config *c, const char *name, const struct net_config *net,
                        const struct members *m, enum net_kind kind)
{
    struct network *n = allocate_network(m, kind), **last = &networks;
    const char *why;

    if (!n)
        return false;
    while (*last)
        last = &(*last)->next;
    *last = n;
    n->config = net;
    format(n->name, sizeof(n->name), "%s", name);
    set_ports(n, c, m, names_behind(n));
    why = net_start(&n->net);
    if (why)
        panic("network %s: %s", name, why); /* the parser has refused what cannot be */
    poll_assign(n);
    return true;
}

/* --- what the configuration asks for --- */

static void find_members(const struct config *c, const char *name, bool link, struct members *m)
{
    m->count = 0;
    for (unsigned v = 0; v < c->vm_count; v++) {
        for (unsigned i = 0; i < c->vms[v].port_count && m->count < CONFIG_NET_PORTS; i++) {
            const struct port_config *p = &c->vms[v].ports[i];

            if (p->link == link && !strcmp(p->net, name))
                m->at[m->count++] = (struct member){v, i};
        }
    }
}

/* Card n, from 0, of a VM among the members. */
static struct member member_of(const struct config *c, const struct members *m, const char *vm, unsigned n)
{
    unsigned i = 0;

    for (; i < m->count; i++) {
        if (!strcmp(c->vms[m->at[i].vm].name, vm) && n-- == 0)
            break;
    }
    ASSERT(i < m->count); /* the parser has counted them */
    return m->at[i];
}

static struct net_port *port_of(struct member m)
{
    return ports_of[m.vm][m.card];
}

/* Frames that a VM in the middle does not take go on behind it. */
static void add_bypasses(const struct config *c, const struct net_config *net, const struct members *all)
{
    for (unsigned i = 1; net->bypass && i + 1 < net->hops; i++) {
        struct net_port *before = port_of(member_of(c, all, net->chain[i], 0));
        struct net_port *behind = port_of(member_of(c, all, net->chain[i], 1));

        before->bypass = behind;
        behind->bypass = before;
    }
}

/* A wire from each VM to the next: from its second card to the first one of that. */
static bool add_chain(const struct config *c, const struct net_config *net, const struct members *all)
{
    char name[NETWORK_NAME_SIZE];

    for (unsigned i = 0; i + 1 < net->hops; i++) {
        struct members two = {.count = 2};

        two.at[0] = member_of(c, all, net->chain[i], i != 0);
        two.at[1] = member_of(c, all, net->chain[i + 1], 0);
        format(name, sizeof(name), "%s.%u", net->name, i + 1);
        if (!add_network(c, name, net, &two, NET_LINK))
            return false;
    }
    add_bypasses(c, net, all);
    return true;
}

static bool add_nets(const struct config *c)
{
    struct members m;

    for (unsigned i = 0; i < c->net_count; i++) {
        const struct net_config *net = &c->nets[i];

        find_members(c, net->name, false, &m);
        if (!net->valid || !m.count)
            continue;
        if (net->hops ? !add_chain(c, net, &m) : !add_network(c, net->name, net, &m, NET_SWITCH))
            return false;
    }
    return true;
}

static bool add_links(const struct config *c)
{
    struct members m;

    for (unsigned v = 0; v < c->vm_count; v++) {
        for (unsigned i = 0; i < c->vms[v].port_count; i++) {
            const struct port_config *p = &c->vms[v].ports[i];

            if (!p->link || ports_of[v][i])
                continue;
            find_members(c, p->net, true, &m);
            if (m.count == 2 && !add_network(c, p->net, NULL, &m, NET_LINK))
                return false;
        }
    }
    return true;
}

bool networks_create(const struct config *c)
{
    ASSERT(!networks);
    return add_nets(c) && add_links(c);
}

/* --- the cards of a VM --- */

bool cards_create(struct vm *vm, const struct placement *p UNUSED)
{
    for (unsigned i = 0; i < vm->config->port_count; i++) {
        struct net_port *port = ports_of[vm->id][i];
        struct virtio_pci *card = card_create(vm, i, port);

        ASSERT(port);
        if (!card)
            return false;
        virtio_add(vm, card);
        net_attach(port, &card_receiver_ops, card_of(card));
    }
    return true;
}

/* Its guest has ended, and others may send to it all the same. */
void cards_rest(struct vm *vm)
{
    for (struct virtio_pci *p = vm->virtio; p; p = p->next) {
        if (p->function.slot >= NET_SLOT && p->function.slot < NET_SLOT + VM_MAX_PORTS)
            virtio_reset(&p->device);
    }
}

void cards_destroy(struct vm *vm)
{
    for (unsigned i = 0; i < vm->config->port_count; i++)
        net_detach(ports_of[vm->id][i]);
}
