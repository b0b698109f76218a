/* SPDX-License-Identifier: BSD-2-Clause */
/* `net` in the monitor. */
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/span.h"
#include "core/monitor/monitor_command.h"
#include "dev/net/show.h"

#define MOST_FRAMES 1000000000u /* a second */

/* The port that a command is about: words 1 and 2. NULL after saying that there is none. */
static struct net_port *named_port(const char *const w[])
{
    const struct network *n = network_named(w[1]);
    struct net_port *port = n ? network_port(n, w[2]) : NULL;

    if (!n)
        print("'%s' is no network, expected a name that 'net' lists\n", w[1]);
    else if (!port)
        print("'%s' is no port of %s, expected a name that 'net %s' lists\n", w[2], w[1], w[1]);
    return port;
}

static void networks_refused(const char *name)
{
    print(*name ? "'%s' is no network, expected a name that 'net' lists\n" : "%sthere is no network\n", name);
}

static void set_link(const char *const w[], bool down)
{
    struct net_port *port = named_port(w);

    if (!port)
        return;
    network_set_down(port, down);
    log_info("net %s: the link of %s is %s", w[1], w[2], down ? "down" : "up");
}

static void set_rate(const char *const w[])
{
    struct net_port *port = named_port(w);
    struct span text = span_of(w[3]);
    uint64_t frames;

    if (!port)
        return;
    if (!span_take_number(&text, &frames) || !span_empty(text) || frames > MOST_FRAMES) {
        print("'%s' is no rate, expected frames a second up to 1000000000, 0 for no limit\n", w[3]);
        return;
    }
    net_rate_set(&port->frames_rate, frames, machine.tsc_hz);
    log_info("net %s: %s may send %llu frames a second", w[1], w[2], (unsigned long long)frames);
}

static void set_mirror(const char *const w[])
{
    struct network *n = network_named(w[1]);
    const struct net_port *port = NULL;

    if (strcmp(w[2], "off")) {
        port = named_port(w);
        if (!port)
            return;
    }
    if (!n || n->net.kind != NET_SWITCH) {
        print("'%s' is no switch, expected the name of a [net NAME] without a chain\n", w[1]);
        return;
    }
    __atomic_store_n(&n->net.mirror, port ? port->index : NET_MAX_PORTS, __ATOMIC_RELAXED);
    log_info("net %s: %s gets a copy of every frame", w[1], port ? port->name : "nobody");
}

static char watched_net[CONFIG_NAME_SIZE]; /* "": all */
static unsigned looks;

static void show_again(void)
{
    print("---- %u s, any key ends this\n", looks++);
    networks_show(*watched_net ? watched_net : NULL);
}

static void watch_net(const char *name)
{
    if (*name ? !network_named(name) : !network_next(NULL)) {
        networks_refused(name);
        return;
    }
    format(watched_net, sizeof(watched_net), "%s", name);
    looks = 0;
    monitor_watch(show_again);
}

void monitor_net(const struct config *config UNUSED, const char *const w[])
{
    if (!strcmp(w[0], "down") || !strcmp(w[0], "up"))
        set_link(w, w[0][0] == 'd');
    else if (!strcmp(w[0], "rate"))
        set_rate(w);
    else if (!strcmp(w[0], "mirror"))
        set_mirror(w);
    else if (!strcmp(w[0], "watch"))
        watch_net(w[1]);
    else if (!networks_show(*w[0] ? w[0] : NULL))
        networks_refused(w[0]);
}
