/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/show.h"

#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "core/base/log.h"

typedef unsigned long long number;

static uint64_t shown_at; /* TSC */

struct network *network_named(const char *name)
{
    struct network *n = network_next(NULL);

    while (n && strcmp(n->name, name))
        n = network_next(n);
    return n;
}

struct net_port *network_port(const struct network *n, const char *name)
{
    for (unsigned i = 0; i < n->net.count; i++) {
        if (!strcmp(n->net.ports[i].name, name))
            return &n->net.ports[i];
    }
    return NULL;
}

void network_set_down(struct net_port *port, bool down)
{
    struct net_card *card;

    __atomic_store_n(&port->down, down, __ATOMIC_SEQ_CST);
    card = __atomic_load_n(&port->device, __ATOMIC_ACQUIRE); /* VMs come and go on this CPU only */
    if (card)
        card_link_changed(card);
}

static const char *state_of(const struct net_port *port)
{
    if (__atomic_load_n(&port->down, __ATOMIC_RELAXED))
        return "down";
    return port->device ? "up" : "no VM";
}

static void show_drops(const char *whose, const uint64_t drops[NET_DROPS])
{
    for (unsigned i = 1; i < NET_DROPS; i++) {
        if (drops[i])
            print("      %s: %s %llu\n", whose, net_drop_names[i], (number)drops[i]);
    }
}

/* Frames a second since they were shown last. */
static number rate_of(const struct net_port *port, uint64_t frames, uint64_t ago)
{
    uint64_t ms = ago / (machine.tsc_hz / 1000 + 1) + 1;

    return (frames - port->shown) * 1000 / ms;
}

static void show_port(struct net_port *port, uint64_t ago)
{
    struct net_sent sent;
    struct net_received got;
    uint64_t all;

    net_sum_sent(port, &sent);
    net_sum_received(port, &got);
    all = sent.frames + got.frames;
    print("  %s %s, %02x:%02x:%02x:%02x:%02x:%02x: sent %llu frames, %llu bytes, delivered %llu of %llu; "
          "got %llu frames, %llu bytes; %llu/s\n",
          port->name, state_of(port), (unsigned)(port->mac & 0xff), (unsigned)(port->mac >> 8 & 0xff),
          (unsigned)(port->mac >> 16 & 0xff), (unsigned)(port->mac >> 24 & 0xff),
          (unsigned)(port->mac >> 32 & 0xff), (unsigned)(port->mac >> 40 & 0xff), (number)sent.frames,
          (number)sent.bytes, (number)sent.delivered, (number)sent.copies, (number)got.frames,
          (number)got.bytes, rate_of(port, all, ago));
    port->shown = all;
    show_drops("not sent", sent.drops);
    show_drops("not taken", got.drops);
}

static void show_network(struct network *n, uint64_t ago)
{
    print("%s: a %s of %u ports\n", n->name, n->net.kind == NET_SWITCH ? "switch" : "link", n->net.count);
    for (unsigned i = 0; i < n->net.count; i++)
        show_port(&n->net.ports[i], ago);
}

bool networks_show(const char *name)
{
    uint64_t now = rdtsc(), ago = now - shown_at;
    bool found = false;

    for (struct network *n = network_next(NULL); n; n = network_next(n)) {
        if (!name || !strcmp(name, n->name)) {
            show_network(n, ago);
            found = true;
        }
    }
    shown_at = now;
    return found;
}
