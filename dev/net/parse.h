/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the headers of a frame are: Ethernet with up to two VLAN tags, IPv4 (RFC 791), IPv6 (RFC 8200). */
#pragma once

#include "arch/x86/types.h"

enum { ETHER_IP4 = 0x0800, ETHER_TAG = 0x8100, ETHER_IP6 = 0x86dd, ETHER_SERVICE_TAG = 0x88a8 };
enum { IP_TCP = 6, IP_UDP = 17 };

#define IP4_SIZE 20u
#define IP6_SIZE 40u

struct net_layers {
    uint16_t l3, l4; /* offsets; what begins at l4 may be cut off */
    uint8_t protocol;
    bool ip6, fragment;
};

/* size bytes of a frame's start. False: no IP header, or not a whole one. */
bool net_parse(const uint8_t *head, unsigned size, struct net_layers *l);

static inline uint16_t be16(const uint8_t *at)
{
    return __builtin_bswap16(le16(at));
}

static inline void store_be16(uint8_t *at, unsigned value)
{
    store_le(at, __builtin_bswap16((uint16_t)value), 2);
}

static inline uint32_t be32(const uint8_t *at)
{
    return __builtin_bswap32(le32(at));
}

static inline void store_be32(uint8_t *at, uint32_t value)
{
    store_le(at, __builtin_bswap32(value), 4);
}
