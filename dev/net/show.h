/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks in words, for the monitor. */
#pragma once

#include "dev/net/networks.h"

/* One of them, or with NULL all: ports, counters, rates since that was printed last, drops by reason. False:
 * there is none of this name. */
bool networks_show(const char *name);

/* Its port of this name; NULL: there is none. */
struct net_port *network_port(const struct network *n, const char *name);
/* By name; NULL: there is none. */
struct network *network_named(const char *name);

/* The administrator's wish for a port's link, of which its guest hears. */
void network_set_down(struct net_port *port, bool down);
