/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a console has beside its own port when its VM has a serial line (virtio 1.2, "Console Device",
 * VIRTIO_CONSOLE_F_MULTIPORT): port 1, and the two queues in which the driver and the device speak of ports.
 */
#pragma once

#include "dev/virtio/virtio.h"

struct serial_end;

#define VPORTS_FEATURE BIT(1) /* MULTIPORT */

/* Queues of the console, behind the two of port 0. */
enum { VPORTS_TOLD = 2, VPORTS_ASKS, VPORTS_HEARD, VPORTS_SAYS, VPORTS_QUEUES };

enum { VPORTS_CONSOLE, VPORTS_LINE, VPORTS_COUNT };

struct vports {
    struct serial_end *end;
    const char *name;
    bool driver;              /* it is ready for ports (atomic) */
    bool ready[VPORTS_COUNT]; /* it has this one (atomic) */
    /* Under the lock of VPORTS_TOLD: events that it was told of each, by their bits. */
    unsigned told[VPORTS_COUNT];
    /* Under that of VPORTS_SAYS: */
    bool in_turn;  /* the queue is worked on, */
    uint32_t done; /* and so many bytes of its next chain have been said */
};

/* As the operations of a virtio device have them (dev/virtio/virtio.h), for these queues. A chain of
 * VPORTS_SAYS is for vports_say() alone, which comes back to it when there is room for more. */
bool vports_ready(const struct vports *p, unsigned queue);
void vports_begin(struct vports *p, unsigned queue);
void vports_end(struct vports *p, unsigned queue);
bool vports_say(struct virtio_device *d, struct vports *p, unsigned queue);
void vports_serve(struct virtio_device *d, struct vports *p, unsigned queue, struct ring *r,
                  struct ring_chain *c);
void vports_reset(struct vports *p);
