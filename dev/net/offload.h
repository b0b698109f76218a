/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a sender has left undone, for a receiver that does not take it so: checksums are completed, frames of
 * segmentation offload are segmented; and VLAN tags are pushed and popped on the way (IEEE 802.1Q).
 */
#pragma once

#include "dev/net/frame.h"

#define NET_TAG_AS_IS 0x20000u /* else the 16 bits of the tag that it is to have, or NET_NO_TAG */

/* A receiver. */
struct net_sink {
    void *claimed;
    /* One piece: all of it, or nothing. It may be told a size that it has no buffer for. */
    enum net_drop (*put)(void *claimed, struct net_piece *p);
    uint64_t features; /* NET_F_GUEST_* that it has now */
    uint32_t mtu;
    uint32_t pieces;      /* that it has taken */
    uint64_t bytes, work; /* of them; and what was copied, summed and begun, in bytes */
};

#define NET_PIECE_WORK 256u /* that a piece is worth beside its bytes */

/* Puts a frame, as one piece or several. The first piece that is not taken ends it. */
enum net_drop net_convert(const struct net_frame *f, uint32_t tag, struct net_sink *to);
