/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver of a virtio network card, polled: one pair of split rings, buffers of 2 KiB. */
#pragma once

#include "virtio.h"

#define NET_RING   64
#define NET_BUFFER 2048

#define NET_CSUM       BIT(0)
#define NET_GUEST_CSUM BIT(1)
#define NET_GUEST_TSO4 BIT(7)
#define NET_HOST_TSO4  BIT(11)
#define NET_MERGE      BIT(15)
#define NET_STATUS     BIT(16)
#define NET_CTRL       BIT(17)

enum { NET_NEEDS_CSUM = 1 };

struct net_header {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

struct net_ring {
    struct net_descriptor {
        uint32_t at, at_high, size;
        uint16_t flags, next;
    } desc[NET_RING] ALIGNED(4096);
    volatile struct {
        uint16_t flags, idx, ring[NET_RING], event;
    } avail ALIGNED(4096);
    volatile struct {
        uint16_t flags, idx;
        struct {
            uint32_t id, size;
        } ring[NET_RING];
        uint16_t event;
    } used ALIGNED(4096);
};

struct net_card {
    struct virtio v;
    struct net_ring rx, tx, control;
    uint16_t rx_seen, tx_next, control_next;
    uint8_t mac[6];
    uint32_t kicks;
    uint8_t buffers[NET_RING][NET_BUFFER];
    struct net_header headers[NET_RING / 2];
};

/* A queue of any device that is being set up, without interrupts. */
void net_set_up_ring(const struct virtio *v, unsigned queue, struct net_ring *r);

/* Takes the card at this place with these features of the first word and VERSION_1. False: it is none, or
 * does not want that. Interrupts of both rings are off. */
bool net_open(struct net_card *n, unsigned slot, uint32_t features);
void net_close(struct net_card *n);

/* Makes a frame available, without a kick; header NULL: nothing undone. It stays where it is until it is
 * sent, which it is when the kick returns. At most NET_RING / 2 for a kick. */
void net_offer(struct net_card *n, const struct net_header *header, const void *frame, uint32_t size);
void net_kick(struct net_card *n);
bool net_all_sent(const struct net_card *n);

/* The next frame, header and all, which is copied; its bytes with the header, 0: none. */
uint32_t net_receive(struct net_card *n, void *to, uint32_t room);

/* A request to the control queue; the answer. */
uint8_t net_control(struct net_card *n, uint8_t class, uint8_t command, const void *data, uint32_t size);
