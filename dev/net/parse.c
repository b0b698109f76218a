/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/parse.h"

#include "arch/x86/speculation.h"

#define MAX_TAGS       2u
#define MAX_EXTENSIONS 4u

enum { IP4_PROTOCOL = 9, IP4_FRAGMENT = 6, IP4_IS_FRAGMENT = 0x3fff, IP6_NEXT = 6 };
enum { NEXT_HOPS = 0, NEXT_FRAGMENT = 44, NEXT_OPTIONS = 60 };

static unsigned skip_tags(const uint8_t *head, unsigned size)
{
    unsigned at = 12;

    for (unsigned i = 0; i < MAX_TAGS && at + 6 <= size; i++, at += 4) {
        if (be16(head + at) != ETHER_TAG && be16(head + at) != ETHER_SERVICE_TAG)
            break;
    }
    return at;
}

static bool parse_ip4(const uint8_t *head, unsigned size, struct net_layers *l)
{
    const uint8_t *ip = head + l->l3;
    unsigned words;

    if (l->l3 + IP4_SIZE > size || ip[0] >> 4 != 4)
        return false;
    words = ip[0] & 15;
    l->l4 = (uint16_t)(l->l3 + words * 4);
    l->protocol = ip[IP4_PROTOCOL];
    l->fragment = be16(ip + IP4_FRAGMENT) & IP4_IS_FRAGMENT;
    return words * 4 >= IP4_SIZE;
}

static inline bool is_extension(uint8_t next)
{
    return next == NEXT_HOPS || next == NEXT_OPTIONS;
}

/* A routing header is left as what it is: a checksum behind it would be of another destination. */
static bool parse_ip6(const uint8_t *head, unsigned size, struct net_layers *l)
{
    unsigned at = l->l3 + IP6_SIZE;
    uint8_t next;

    if (at > size || head[l->l3] >> 4 != 6)
        return false;
    next = head[l->l3 + IP6_NEXT];
    for (unsigned i = 0; i < MAX_EXTENSIONS && is_extension(next) && at + 8 <= size; i++) {
        at = (unsigned)index_nospec(at, size);
        next = head[at];
        at += 8 + head[at + 1] * 8u;
    }
    l->l4 = (uint16_t)at;
    l->protocol = next;
    l->fragment = next == NEXT_FRAGMENT;
    l->ip6 = true;
    return true;
}

bool net_parse(const uint8_t *head, unsigned size, struct net_layers *l)
{
    unsigned at = skip_tags(head, size);

    *l = (struct net_layers){.l3 = (uint16_t)(at + 2)};
    if (at + 2 > size)
        return false;
    switch (be16(head + at)) {
    case ETHER_IP4: return parse_ip4(head, size, l);
    case ETHER_IP6: return parse_ip6(head, size, l);
    default: return false;
    }
}
