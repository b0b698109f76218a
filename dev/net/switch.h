/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nets: frames go from a transmit queue of one port to receive queues of others, on the CPU that serves the
 * transmit queue. Ports are there as long as the net is; the devices behind them come and go.
 *
 * Locks: the caller has the lock of the transmit queue; claim() takes that of a receive queue, and no CPU has
 * two of those at a time. Nothing waits for a receiver that has no buffer: its copy is dropped. What a port
 * is set to is either fixed before the first frame, or one word that may change at any time (atomic).
 */
#pragma once

#include "dev/net/fdb.h"
#include "dev/net/offload.h"
#include "dev/net/rate.h"

struct cpu;

#define NET_MAX_PORTS  FDB_PORTS
#define NET_MAX_PAIRS  8u
#define NET_FLOWS      256u
#define NET_VLANS      4096u
#define NET_FLOOD_WORK BIT(20) /* of one frame that goes to all ports, and of the last copy of it */
#define NET_HOPS       16u     /* that nobody is at, one behind the other */

/* The device behind a port, called on a sender's CPU. */
struct net_receiver_ops {
    /* A receive queue, which is the caller's until release(). NULL: nobody drives it. */
    void *(*claim)(void *device, unsigned pair);
    enum net_drop (*put)(void *claimed, struct net_piece *p);
    void (*release)(void *claimed); /* publishes, interrupts, unlocks */
};

/* Of a transmit queue, written under its lock. copies = delivered + all drops; mirrors = mirrored + lost. */
struct net_sent {
    uint64_t frames, bytes;
    uint64_t copies,
        delivered;   /* to receivers that it was meant for; a frame that gets nowhere is one copy */
    uint64_t floods; /* frames that were sent to all ports */
    uint64_t mirrors, mirrored; /* copies to the mirror port, and what it took of them */
    uint64_t drops[NET_DROPS];
} ALIGNED(64);

/* Of a receive queue, written while it is claimed. */
struct net_received {
    uint64_t copies;        /* taken: over all ports, as many as were delivered and mirrored */
    uint64_t frames, bytes; /* in pieces */
    uint64_t drops[NET_DROPS];
} ALIGNED(64);

enum net_vlan_mode {
    NET_VLAN_ACCESS, /* frames without a tag, which are of the port's VLAN */
    NET_VLAN_TRUNK,  /* frames with the tag of one of its VLANs; without one: of the port's, if it has one */
};

struct net_port {
    struct net *net;
    uint8_t index;

    /* Fixed; set by the caller between net_init() and net_start(). */
    const char *name;
    enum net_vlan_mode vlan_mode;
    uint16_t vlan;                  /* 0: none. Of a net where no port has one, tags are not looked at */
    uint64_t vlans[NET_VLANS / 64]; /* of a trunk */
    uint64_t mac;                   /* net_mac(); 0: none */
    bool mac_lock;                  /* nothing may be sent from another address, nor from it by others */
    bool isolated;                  /* it reaches no other isolated port */
    struct net_port *bypass;        /* of a link: the port of another where frames go on that nobody takes */

    bool down;                               /* by its administrator (atomic) */
    struct net_rate bytes_rate, frames_rate; /* of what it sends: net_rate_set() */
    struct net_rate flood_rate;              /* of its frames that go to all ports */

    /* Written by its device, each a word that is read at any time (atomic). */
    uint64_t features; /* NET_F_GUEST_* that the driver takes now */
    uint32_t mtu;      /* of what it receives: from 68 to NET_MAX_MTU */
    uint32_t pairs;    /* of queues that are in use: from 1 to NET_MAX_PAIRS */

    struct cpu *poller; /* the CPU that serves its transmit queues; NULL: its guest's own, in exits */
    struct net_port *next_polled; /* by the same CPU */

    const struct net_receiver_ops *ops;
    void *device;   /* NULL: none (atomic) */
    uint32_t users; /* CPUs that may be in ops (atomic) */

    uint8_t steer[NET_FLOWS]; /* the pair on which a flow was sent last, plus 1 (atomic) */
    struct net_sent sent[NET_MAX_PAIRS];
    struct net_received received[NET_MAX_PAIRS];
    uint64_t shown;     /* frames of both directions, as an administrator saw them last */
    uint64_t unclaimed; /* copies for which there was no receive queue (atomic) */
};

enum net_kind {
    NET_LINK, /* a wire between two ports; of one port, it gives back what is sent */
    NET_SWITCH,
};

struct net {
    enum net_kind kind;
    unsigned count;
    struct net_port *ports;
    struct fdb *fdb;     /* of a switch */
    bool tagged;         /* some port has a VLAN */
    bool locked;         /* some port's address is locked to it */
    uint32_t mirror;     /* the port that sees a copy of everything; NET_MAX_PORTS: none (atomic) */
    uint64_t hz;         /* ticks of a second, in which now is told */
    unsigned unit_shift; /* a unit of an address's age, as a power of two of ticks */
};

/* count zeroed ports, and a zeroed table for a switch. secret: of no meaning to a guest. */
void net_init(struct net *n, enum net_kind kind, struct net_port *ports, unsigned count, struct fdb *fdb,
              uint64_t hz, uint64_t secret);
/* The ports are set. NULL, or why they cannot be as they are. */
const char *net_start(struct net *n);

/* An address that is always behind a port, and that no other port may send from; between the two above.
 * vlan: 0 where no port has one. False: there is no room, or it is another port's. */
bool net_fix(struct net_port *port, uint64_t mac, unsigned vlan);

/* The device behind a port. Afterwards no CPU is in its ops, nor will be: net_detach() waits for those that
 * are, each for a turn of a sender at most. Not from within ops. */
void net_attach(struct net_port *port, const struct net_receiver_ops *ops, void *device);
void net_detach(struct net_port *port);

/* Its device for as long as it is in use, which is until net_leave(): for a CPU that serves the port. NULL:
 * there is none, and nothing to leave. */
void *net_enter(struct net_port *port);
void net_leave(struct net_port *port);

/* Whether frames may reach somebody there: up, and attached. */
static inline bool net_is_up(const struct net_port *port)
{
    return !__atomic_load_n(&port->down, __ATOMIC_RELAXED) &&
           __atomic_load_n(&port->device, __ATOMIC_ACQUIRE);
}

/* Where a frame goes, decided by its addresses and its tag. */
struct net_path {
    enum net_drop drop; /* NET_PASSED: it goes */
    unsigned to;        /* a port; NET_MAX_PORTS: all of its VLAN */
    uint16_t vlan;
    uint32_t tag; /* for net_convert(), when it goes to one port */
};

/* A turn of one transmit queue. */
struct net_batch {
    struct net_port *from;
    unsigned queue;
    uint64_t features; /* that the sender has negotiated */
    uint64_t now;
    uint64_t work;         /* done so far, in bytes: the caller ends its turn when it is enough */
    struct net_port *open; /* the port whose receive queue is claimed; NULL: none */
    unsigned pair;
    uint64_t taken; /* copies */
    struct net_sink sink;
    bool is_link;
    bool limited;  /* the sender is down, or has a rate, or flows to remember */
    bool straight; /* frames like the one before go straight to the open queue; those that did, uncounted: */
    uint64_t straight_frames, straight_bytes;
    bool has_last; /* the path of the frame before, and what it was decided by */
    uint64_t last[2];
    struct net_path path;
};

/* The caller has the lock of the queue until net_end(). now: in ticks, which never go back on one CPU. */
void net_begin(struct net_batch *b, struct net_port *from, unsigned queue, uint64_t features, uint64_t now);

/* The frame in the readable part of a chain, which is the driver's again afterwards: taken, and sent. */
void net_transmit(struct net_batch *b, struct ring *r, struct ring_chain *c);
/* The next chain, if it is a plain frame in one or two pieces: taken, sent and given back. False, with
 * nothing done: it is another, or there is none. */
bool net_transmit_short(struct net_batch *b, struct ring *r);

/* A frame that was taken. */
void net_send(struct net_batch *b, const struct net_frame *f);

/* What was delivered is published. Before the caller waits for anything. */
void net_end(struct net_batch *b);

/* Sums over the queues of a port. */
void net_sum_sent(const struct net_port *port, struct net_sent *sum);
void net_sum_received(const struct net_port *port, struct net_received *sum);
