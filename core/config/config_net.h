/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks in skerry.cfg: the section [net NAME], and a VM's keys net and link (docs/configuration.md). */
#pragma once

#include "arch/x86/types.h"

#define CONFIG_NAME_SIZE 32
#define CONFIG_MAX_CPUS  256 /* host CPU numbers run from 0 to 255 */
#define VM_MAX_PORTS     8
#define CONFIG_MAX_NETS  16  /* sections */
#define CONFIG_MAX_LINKS 32  /* names of links */
#define CONFIG_NET_PORTS 64  /* of a network */
#define CONFIG_NET_PAIRS 8   /* of queues of a port */
#define CONFIG_NET_TRUNK 8   /* ranges of VLANs of a port */
#define CONFIG_NET_HOPS  8   /* VMs of a chain */
#define CONFIG_MIN_MTU   576 /* bytes; what IPv4 asks for */
#define CONFIG_MAX_MTU   9000

struct cpu_set {
    uint64_t bits[CONFIG_MAX_CPUS / 64];
};

_Static_assert(CONFIG_MAX_CPUS % 64 == 0, "a bit for each");

/* What a port's card offers of what it can; all, if nothing is said. */
enum {
    PORT_CSUM = 1 << 0, /* checksums left undone, in both directions */
    PORT_TSO = 1 << 1,  /* TCP segmentation left undone */
    PORT_USO = 1 << 2,  /* UDP segmentation */
    PORT_MERGE = 1 << 3,
    PORT_CONTROL = 1 << 4, /* control queue, and what is asked by it */
    PORT_INDIRECT = 1 << 5,
    PORT_EVENT_IDX = 1 << 6,
    PORT_PACKED = 1 << 7,
    PORT_IN_ORDER = 1 << 8,
    PORT_RESET = 1 << 9, /* of a single queue */
    PORT_NO_FEATURE = 1 << 10,
};

struct vlan_range {
    uint16_t first, last;
};

/* A network card of a VM. */
struct port_config {
    char net[CONFIG_NAME_SIZE];
    unsigned line;
    bool link;     /* a wire to the one other port that names it, instead of a network */
    bool isolated; /* from others that are isolated */
    bool mac_lock; /* may send from its own address only */
    uint8_t mac[6];
    uint16_t vlan;                             /* that its untagged frames belong to; 0: none */
    struct vlan_range trunk[CONFIG_NET_TRUNK]; /* whose tagged frames it sends and gets */
    unsigned trunk_count;
    uint16_t mtu;
    unsigned pairs;                  /* of queues */
    unsigned rate_kbit, rate_frames; /* that it may send a second; 0: no limit */
    unsigned features;               /* PORT_*; 0: all */
};

struct net_config {
    char name[CONFIG_NAME_SIZE];
    unsigned line;
    bool valid;
    char mirror[CONFIG_NAME_SIZE]; /* VM that gets a copy of every frame; "": none */
    unsigned flood;                /* frames to everybody that a port may send a second; 0: no limit */
    char chain[CONFIG_NET_HOPS]
              [CONFIG_NAME_SIZE]; /* VMs, in order; the ports of each are wired to its neighbours */
    unsigned hops;                /* 0: a switch */
    struct cpu_set cpus;          /* that serve it, and nothing else; none: its senders do, in their exits */
    bool bypass;                  /* a hop that is down is passed by */
    unsigned mirror_line, chain_line, flood_line, bypass_line, cpus_line;
};
