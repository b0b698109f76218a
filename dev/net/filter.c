/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/filter.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "dev/net/frame.h"

#define BROADCAST    0xffffffffffffull
#define TYPE_AT      12
#define TAG_AT       14
#define TYPE_VLAN    0x0081u /* 8100h as its bytes are read */
#define VLAN_NUMBERS 4096

void filter_reset(struct net_filter *f, uint64_t own)
{
    filter_set_own(f, own);
    __atomic_store_n(&f->modes, 0, __ATOMIC_RELAXED);
    filter_set_vlans(f, false);
    spin_lock(&f->lock);
    f->unicast = f->multicast = (struct net_mac_list){0};
    memset(f->vlans, 0, sizeof(f->vlans));
    spin_unlock(&f->lock);
}

void filter_set_own(struct net_filter *f, uint64_t own)
{
    __atomic_store_n(&f->own, own, __ATOMIC_RELAXED);
}

void filter_set_vlans(struct net_filter *f, bool by_vlan)
{
    __atomic_store_n(&f->by_vlan, by_vlan, __ATOMIC_RELAXED);
}

void filter_set_mode(struct net_filter *f, unsigned mode, bool on)
{
    ASSERT(mode < FILTER_MODES);
    if (on)
        __atomic_fetch_or(&f->modes, 1u << mode, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&f->modes, ~(1u << mode), __ATOMIC_RELAXED);
}

void filter_set_vlan(struct net_filter *f, unsigned vlan, bool on)
{
    ASSERT(vlan < VLAN_NUMBERS);
    spin_lock(&f->lock);
    if (on)
        f->vlans[vlan / 64] |= BIT(vlan % 64);
    else
        f->vlans[vlan / 64] &= ~BIT(vlan % 64);
    spin_unlock(&f->lock);
}

void filter_set_list(struct net_filter *f, bool multicast, const uint64_t *macs, unsigned count)
{
    struct net_mac_list *l = multicast ? &f->multicast : &f->unicast;

    spin_lock(&f->lock);
    l->all = count > NET_MAX_FILTERED;
    l->count = l->all ? 0 : count;
    memcpy(l->macs, macs, l->count * sizeof(macs[0]));
    spin_unlock(&f->lock);
}

static bool list_has(const struct net_mac_list *l, uint64_t mac)
{
    for (unsigned i = 0; i < l->count; i++) {
        if (l->macs[i] == mac)
            return true;
    }
    return l->all;
}

static bool takes_group(const struct net_filter *f, unsigned modes, uint64_t to)
{
    if (to == BROADCAST)
        return !(modes & BIT(FILTER_NO_BROADCAST));
    if (modes & BIT(FILTER_NO_MULTICAST))
        return false;
    return (modes & BIT(FILTER_ALL_MULTICAST)) || list_has(&f->multicast, to);
}

static bool takes_address(const struct net_filter *f, unsigned modes, uint64_t to)
{
    if (net_is_group(to))
        return takes_group(f, modes, to);
    if (modes & BIT(FILTER_NO_UNICAST))
        return false;
    return to == f->own || (modes & BIT(FILTER_ALL_UNICAST)) || list_has(&f->unicast, to);
}

static bool takes_vlan(const struct net_filter *f, const uint8_t *head)
{
    unsigned vlan = (unsigned)(head[TAG_AT] << 8 | head[TAG_AT + 1]) % VLAN_NUMBERS;

    return f->vlans[vlan / 64] >> vlan % 64 & 1;
}

static bool takes_slowly(struct net_filter *f, unsigned modes, const uint8_t *head, bool tagged)
{
    bool takes;

    spin_lock(&f->lock);
    takes = takes_address(f, modes, net_mac(head)) && (!tagged || takes_vlan(f, head));
    spin_unlock(&f->lock);
    return takes;
}

bool filter_takes(struct net_filter *f, const uint8_t *head)
{
    unsigned modes = __atomic_load_n(&f->modes, __ATOMIC_RELAXED);
    bool tagged = __atomic_load_n(&f->by_vlan, __ATOMIC_RELAXED) &&
                  (uint16_t)(head[TYPE_AT] | head[TYPE_AT + 1] << 8) == TYPE_VLAN;

    if (modes & BIT(FILTER_PROMISCUOUS))
        return true;
    if (likely(!tagged && !modes && net_mac(head) == __atomic_load_n(&f->own, __ATOMIC_RELAXED)))
        return true;
    return takes_slowly(f, modes, head, tagged);
}
