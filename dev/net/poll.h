/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs that networks have for themselves ([net NAME] cpus =). Each looks at the transmit queues of its ports
 * by turns, so that nobody's kick is wanted: guests that poll, too, exchange frames without an exit. After a
 * time without any it asks for kicks again, and sleeps.
 */
#pragma once

#include "dev/net/networks.h"

/* The ports of a network are shared out among the CPUs that its configuration names, while nothing runs yet.
 * A CPU that this machine does not have is refused, and serves nothing. */
void poll_assign(struct network *n);

/* On a CPU that serves ports, in root mode with interrupts off, which it lets in between turns: until
 * something else is wanted of the CPU, or it may wait for an interrupt. */
void poll_ports(void);

/* A guest has kicked: its CPU has served that, and the one that polls goes on from there. */
void poll_wake(const struct net_port *port);
