/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of forwarding, one by one; counters that add up; devices that come and go under senders. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "tests/unit/fake_ports.h"

#define SOME_TAG 0x6005

static uint64_t drops_of(unsigned port, enum net_drop drop)
{
    struct net_sent s;

    net_sum_sent(&ports[port], &s);
    return s.drops[drop];
}

/* Sends a frame that ends there. */
static void assert_dropped(enum net_drop drop, unsigned port, uint64_t to, uint64_t from, int tag)
{
    uint64_t before = drops_of(port, drop);

    who_got();
    send_one(port, to, from, tag);
    assert_int_equal(who_got(), 0);
    assert_int_equal(drops_of(port, drop), before + 1);
    check_counters();
}

static void assert_gets(uint64_t set, unsigned port, uint64_t to, uint64_t from, int tag)
{
    who_got();
    send_one(port, to, from, tag);
    assert_int_equal(who_got(), set);
    check_counters();
}

static int tag_got(unsigned port)
{
    const uint8_t *f = devices[port].last;

    return net16(f + 12) == 0x8100 ? (int)net16(f + 14) : NO_TAG;
}

/* --- links --- */

static void link_of_two(void **state UNUSED)
{
    make_net(NET_LINK, 2);
    start_net();
    assert_gets(BIT(1), 0, mac_of(9), mac_of(0), NO_TAG);
    assert_gets(BIT(0), 1, mac_of(9), mac_of(0), NO_TAG);
    assert_gets(BIT(1), 0, UINT64_C(0x0e0000c28001), MAC_ALL, SOME_TAG);
    assert_int_equal(tag_got(1), SOME_TAG);
    assert_int_equal(devices[1].last_size, SENT_SIZE);
    ports[1].down = true;
    assert_dropped(NET_DROP_LINK_DOWN, 0, mac_of(9), mac_of(0), NO_TAG);
    assert_dropped(NET_DROP_LINK_DOWN, 1, mac_of(9), mac_of(0), NO_TAG);
    ports[1].down = false;
    devices[1].undriven = true;
    assert_dropped(NET_DROP_LINK_DOWN, 0, mac_of(9), mac_of(0), NO_TAG);
    devices[1].undriven = false;
    devices[1].full = true;
    assert_dropped(NET_DROP_NO_BUFFER, 0, mac_of(9), mac_of(0), NO_TAG);
    assert_int_equal(ports[1].received[0].drops[NET_DROP_NO_BUFFER], 1);
    assert_int_equal(ports[1].unclaimed, 2);
    devices[1].full = false;
    net_detach(&ports[1]);
    assert_dropped(NET_DROP_LINK_DOWN, 0, mac_of(9), mac_of(0), NO_TAG);
}

static void link_to_itself(void **state UNUSED)
{
    make_net(NET_LINK, 1);
    start_net();
    assert_gets(BIT(0), 0, mac_of(9), mac_of(0), NO_TAG);
}

/* Three wires in a row: 0-1, 2-3, 4-5; 1 and 2 are of one VM, 3 and 4 of another. */
static void chain_of_links(void **state UNUSED)
{
    struct net nets[3];
    struct net_port *p = aligned_alloc(64, 6 * sizeof(*p));
    struct net_batch b;

    memset(p, 0, 6 * sizeof(*p));
    memset(devices, 0, sizeof(devices));
    for (unsigned i = 0; i < 6; i++) {
        if (i % 2 == 0)
            net_init(&nets[i / 2], NET_LINK, p + i, 2, NULL, HZ, 0);
        net_attach(p + i, &fake_ops, &devices[i]);
    }
    for (unsigned round = 0; round < 16; round++) {
        bool first = round & 1, second = round & 2, bypass = round & 4, last = round & 8;

        devices[1].undriven = devices[2].undriven = first;
        devices[3].undriven = devices[4].undriven = second;
        devices[5].undriven = last;
        p[1].bypass = bypass ? &p[2] : NULL;
        p[2].bypass = bypass ? &p[1] : NULL;
        p[3].bypass = bypass ? &p[4] : NULL;
        p[4].bypass = bypass ? &p[3] : NULL;
        who_got();
        net_begin(&b, &p[0], 0, 0, 0);
        send_in(&b, mac_of(1), mac_of(0), NO_TAG);
        send_in(&b, mac_of(1), mac_of(0), NO_TAG);
        net_end(&b);
        assert_int_equal(who_got(), !first ? BIT(1) : !bypass ? 0 : !second ? BIT(3) : last ? 0 : BIT(5));
        net_begin(&b, &p[5], 0, 0, 0);
        send_in(&b, mac_of(1), mac_of(0), NO_TAG);
        net_end(&b);
        assert_int_equal(who_got(), !second ? BIT(4) : !bypass ? 0 : !first ? BIT(2) : BIT(0));
    }
    assert_int_equal(p[0].sent[0].copies, 32);
    assert_int_equal(p[0].sent[0].delivered + p[0].sent[0].drops[NET_DROP_LINK_DOWN], 32);
    assert_int_equal(p[1].received[0].frames, 16);
    p[1].bypass = &p[0]; /* a ring of nobody ends, too */
    devices[1].undriven = true;
    net_begin(&b, &p[0], 0, 0, 0);
    send_in(&b, mac_of(1), mac_of(0), NO_TAG);
    net_end(&b);
    assert_int_equal(p[1].users, 0);
    free(p);
}

/* --- learning --- */

static void learns(void **state UNUSED)
{
    make_net(NET_SWITCH, 5);
    start_net();
    assert_gets(0x1e, 0, mac_of(1), mac_of(0), NO_TAG); /* not known yet */
    assert_gets(BIT(0), 1, mac_of(0), mac_of(1), NO_TAG);
    assert_gets(BIT(1), 0, mac_of(1), mac_of(0), NO_TAG);
    assert_gets(0x1e, 0, MAC_ALL, mac_of(0), NO_TAG);
    assert_gets(0x1e, 0, 0x0301, mac_of(0), SOME_TAG); /* a group; a tag is nothing here */
    assert_int_equal(tag_got(4), SOME_TAG);
    assert_gets(BIT(1), 0, mac_of(1), mac_of(0), SOME_TAG);
    assert_dropped(NET_DROP_NO_PORT, 0, mac_of(0), mac_of(0), NO_TAG);               /* where it came from */
    assert_gets(BIT(0) | BIT(1) | BIT(2) | BIT(4), 3, mac_of(7), mac_of(0), NO_TAG); /* it moves */
    assert_gets(BIT(3), 1, mac_of(0), mac_of(1), NO_TAG);
    net_detach(&ports[3]);
    assert_gets(BIT(0) | BIT(2) | BIT(4), 1, mac_of(0), mac_of(1), NO_TAG); /* and is forgotten */
    assert_dropped(NET_DROP_SPOOF, 0, mac_of(1), 0, NO_TAG);
    assert_dropped(NET_DROP_SPOOF, 0, mac_of(1), mac_of(1) | 1, NO_TAG);
    for (unsigned i = 0; i < 16; i++)
        assert_dropped(NET_DROP_RESERVED, 0, UINT64_C(0x0000c28001) | (uint64_t)i << 40, mac_of(0), NO_TAG);
    assert_gets(0x16, 0, UINT64_C(0x0000c28001) | UINT64_C(16) << 40, mac_of(0), NO_TAG);
}

static void nobody_else(void **state UNUSED)
{
    make_net(NET_SWITCH, 1);
    start_net();
    assert_dropped(NET_DROP_NO_PORT, 0, MAC_ALL, mac_of(0), NO_TAG);
}

/* An address that was seen two and a half minutes ago is known, one that was not for eight is forgotten. */
static void forgets(void **state UNUSED)
{
    struct net_batch b;

    make_net(NET_SWITCH, 3);
    start_net();
    send_one(1, mac_of(0), mac_of(1), NO_TAG);
    for (unsigned s = 0; s < 700; s += 10) {
        who_got();
        net_begin(&b, &ports[0], 0, 0, s * HZ);
        send_in(&b, mac_of(1), mac_of(0), NO_TAG);
        net_end(&b);
        if (s < 150 || s > 480)
            assert_int_equal(who_got(), s < 150 ? BIT(1) : BIT(1) | BIT(2));
    }
}

/* --- addresses that belong to a port --- */

static void locked(void **state UNUSED)
{
    make_net(NET_SWITCH, 4);
    ports[1].mac = mac_of(1);
    ports[1].mac_lock = true;
    assert_true(net_fix(&ports[2], mac_of(50), 0));
    assert_false(net_fix(&ports[3], mac_of(50), 0));
    start_net();
    assert_gets(BIT(1), 0, mac_of(1), mac_of(0), NO_TAG); /* known from the start */
    assert_gets(BIT(2), 0, mac_of(50), mac_of(0), NO_TAG);
    assert_dropped(NET_DROP_SPOOF, 1, mac_of(0), mac_of(9), NO_TAG);
    assert_dropped(NET_DROP_SPOOF, 2, mac_of(0), mac_of(1), NO_TAG);
    assert_dropped(NET_DROP_SPOOF, 3, mac_of(0), mac_of(50), NO_TAG);
    assert_gets(BIT(0), 2, mac_of(0), mac_of(9), NO_TAG);
    assert_gets(BIT(0), 2, mac_of(0), mac_of(50), NO_TAG);
    assert_gets(BIT(0), 1, mac_of(0), mac_of(1), NO_TAG);
    net_detach(&ports[1]);
    assert_dropped(NET_DROP_LINK_DOWN, 0, mac_of(1), mac_of(0), NO_TAG); /* still its own */
    assert_dropped(NET_DROP_SPOOF, 2, mac_of(0), mac_of(1), NO_TAG);
}

static void set_vlan(unsigned port, enum net_vlan_mode mode, unsigned vlan, unsigned a, unsigned b)
{
    ports[port].vlan_mode = mode;
    ports[port].vlan = (uint16_t)vlan;
    ports[port].vlans[a / 64] |= a ? BIT(a % 64) : 0;
    ports[port].vlans[b / 64] |= b ? BIT(b % 64) : 0;
}

static void locked_trunk(void **state UNUSED)
{
    make_net(NET_SWITCH, 3);
    set_vlan(0, NET_VLAN_TRUNK, 0, 5, 6);
    set_vlan(1, NET_VLAN_ACCESS, 5, 0, 0);
    set_vlan(2, NET_VLAN_ACCESS, 6, 0, 0);
    ports[0].mac = mac_of(1);
    ports[0].mac_lock = true;
    start_net();
    assert_dropped(NET_DROP_SPOOF, 1, mac_of(7), mac_of(1), NO_TAG);
    assert_dropped(NET_DROP_SPOOF, 2, mac_of(7), mac_of(1), NO_TAG);
    assert_gets(BIT(1), 0, MAC_ALL, mac_of(1), 5);
    assert_gets(BIT(0), 1, mac_of(1), mac_of(2), NO_TAG);
    assert_gets(BIT(0), 1, MAC_ALL, mac_of(2), NO_TAG);
}

/* --- VLANs --- */

/* 0 and 1: VLAN 5. 2: none, so 1. 3: trunk of 5 and 6, without a VLAN for what has no tag. 4: trunk of 5 and
 * 7, and 1 without a tag. 5: VLAN 7. */
static void make_vlans(void)
{
    make_net(NET_SWITCH, 6);
    set_vlan(0, NET_VLAN_ACCESS, 5, 0, 0);
    set_vlan(1, NET_VLAN_ACCESS, 5, 0, 0);
    set_vlan(3, NET_VLAN_TRUNK, 0, 5, 6);
    set_vlan(4, NET_VLAN_TRUNK, 1, 5, 7);
    set_vlan(5, NET_VLAN_ACCESS, 7, 0, 0);
    start_net();
}

static void vlans(void **state UNUSED)
{
    make_vlans();
    assert_gets(BIT(1) | BIT(3) | BIT(4), 0, MAC_ALL, mac_of(0), NO_TAG);
    assert_int_equal(tag_got(1), NO_TAG);
    assert_int_equal(tag_got(3), 5);
    assert_int_equal(tag_got(4), 5);
    assert_int_equal(devices[4].last_size, SENT_SIZE + 4);
    assert_int_equal(net16(devices[4].last + 16), 0x88b5);
    assert_gets(BIT(4), 2, MAC_ALL, mac_of(2), NO_TAG);
    assert_int_equal(tag_got(4), NO_TAG);
    assert_gets(BIT(2), 4, MAC_ALL, mac_of(4), NO_TAG);
    assert_gets(BIT(5), 4, MAC_ALL, mac_of(4), 0x2007);
    assert_int_equal(tag_got(5), NO_TAG);
    assert_int_equal(devices[5].last_size, SENT_SIZE - 4);
    assert_gets(BIT(0) | BIT(1) | BIT(4), 3, MAC_ALL, mac_of(3), 0x4005);
    assert_int_equal(tag_got(4), 0x4005);
    assert_int_equal(tag_got(0), NO_TAG);
    assert_gets(BIT(1) | BIT(3) | BIT(4), 0, MAC_ALL, mac_of(0), 0xe000); /* a priority only */
    assert_int_equal(tag_got(3), 0xe005);
    assert_int_equal(tag_got(1), NO_TAG);
}

static void wrong_vlans(void **state UNUSED)
{
    make_vlans();
    assert_dropped(NET_DROP_VLAN, 0, MAC_ALL, mac_of(0), 5); /* not even its own */
    assert_dropped(NET_DROP_VLAN, 0, MAC_ALL, mac_of(0), 6);
    assert_dropped(NET_DROP_VLAN, 3, MAC_ALL, mac_of(3), NO_TAG);
    assert_dropped(NET_DROP_VLAN, 3, MAC_ALL, mac_of(3), 0x2000);
    assert_dropped(NET_DROP_VLAN, 3, MAC_ALL, mac_of(3), 7);
    assert_dropped(NET_DROP_VLAN, 3, MAC_ALL, mac_of(3), 1);
    assert_dropped(NET_DROP_VLAN, 3, MAC_ALL, mac_of(3), 4095);
    assert_dropped(NET_DROP_NO_PORT, 3, MAC_ALL, mac_of(3), 6); /* nobody else is in it */
}

/* One address in two VLANs is two; and one that is known in another is not known. */
static void vlans_apart(void **state UNUSED)
{
    make_vlans();
    send_one(0, MAC_ALL, mac_of(9), NO_TAG);
    send_one(5, MAC_ALL, mac_of(9), NO_TAG);
    assert_gets(BIT(0), 4, mac_of(9), mac_of(4), 5);
    assert_gets(BIT(5), 4, mac_of(9), mac_of(4), 7);
    assert_gets(BIT(4), 2, mac_of(9), mac_of(2), NO_TAG);
}

static void isolated(void **state UNUSED)
{
    make_net(NET_SWITCH, 4);
    ports[0].isolated = ports[1].isolated = true;
    start_net();
    send_one(1, MAC_ALL, mac_of(1), NO_TAG);
    send_one(2, MAC_ALL, mac_of(2), NO_TAG);
    assert_gets(BIT(2) | BIT(3), 0, MAC_ALL, mac_of(0), NO_TAG);
    assert_dropped(NET_DROP_ISOLATED, 0, mac_of(1), mac_of(0), NO_TAG);
    assert_gets(BIT(2), 0, mac_of(2), mac_of(0), NO_TAG);
    assert_gets(BIT(0), 2, mac_of(0), mac_of(2), NO_TAG);
}

static void wrong_settings(void **state UNUSED)
{
    make_net(NET_SWITCH, 2);
    ports[0].vlan = 4095;
    assert_non_null(net_start(&net));
    make_net(NET_SWITCH, 2);
    set_vlan(0, NET_VLAN_ACCESS, 1, 7, 0);
    assert_non_null(net_start(&net));
    make_net(NET_SWITCH, 2);
    set_vlan(0, NET_VLAN_TRUNK, 1, 7, 4095);
    assert_non_null(net_start(&net));
    make_net(NET_SWITCH, 2);
    ports[0].vlan_mode = NET_VLAN_TRUNK;
    ports[0].vlans[0] = 1;
    assert_non_null(net_start(&net));
    make_net(NET_SWITCH, 2);
    ports[0].mac_lock = true;
    assert_non_null(net_start(&net));
    ports[0].mac = 1;
    assert_non_null(net_start(&net));
    make_net(NET_SWITCH, 2);
    ports[0].mac_lock = ports[1].mac_lock = true;
    ports[0].mac = ports[1].mac = mac_of(1);
    assert_non_null(net_start(&net));
}

/* --- the mirror --- */

static void mirrored(void **state UNUSED)
{
    struct net_sent s;

    make_net(NET_SWITCH, 4);
    net.mirror = 3;
    start_net();
    assert_gets(BIT(1) | BIT(2) | BIT(3), 0, MAC_ALL, mac_of(0), NO_TAG);
    assert_int_equal(devices[3].frames, 1);
    assert_gets(BIT(0) | BIT(3), 1, mac_of(0), mac_of(1), SOME_TAG);
    assert_int_equal(tag_got(3), SOME_TAG);
    assert_dropped(NET_DROP_NO_PORT, 3, mac_of(0), mac_of(9), NO_TAG); /* it says nothing */
    assert_dropped(NET_DROP_SPOOF, 0, mac_of(1), 0, NO_TAG);           /* and sees nothing of this */
    devices[3].full = true;
    assert_gets(BIT(0), 1, mac_of(0), mac_of(1), NO_TAG);
    net_sum_sent(&ports[1], &s);
    assert_int_equal(s.copies, 2);
    assert_int_equal(s.mirrors, 2);
    assert_int_equal(s.mirrored, 1);
    net_detach(&ports[3]);
    assert_gets(BIT(0), 1, mac_of(0), mac_of(1), NO_TAG);
    net.mirror = NET_MAX_PORTS;
    assert_gets(BIT(0), 1, mac_of(0), mac_of(1), NO_TAG);
    net_sum_sent(&ports[1], &s);
    assert_int_equal(s.mirrors, 3);
}

/* --- turns --- */

/* A receive queue stays claimed from frame to frame, and is given back before the next one. */
static void claims(void **state UNUSED)
{
    struct net_batch b;

    make_net(NET_SWITCH, 4);
    start_net();
    for (unsigned i = 0; i < 4; i++)
        send_one(i, MAC_ALL, mac_of(i), NO_TAG);
    devices[1].claims = devices[2].claims = 0;
    net_begin(&b, &ports[0], 0, 0, 0);
    for (unsigned i = 0; i < 32; i++)
        send_in(&b, mac_of(1), mac_of(0), NO_TAG);
    assert_int_equal(devices[1].claims, 1);
    assert_int_equal(claimed_now, 1);
    send_in(&b, mac_of(2), mac_of(0), NO_TAG);
    send_in(&b, MAC_ALL, mac_of(0), NO_TAG);
    send_in(&b, mac_of(1), mac_of(0), NO_TAG);
    assert_true(b.work >= 37 * SENT_SIZE);
    net_end(&b);
    assert_int_equal(claimed_now, 0);
    assert_int_equal(devices[1].claims, 3);
    check_counters();
}

/* Frames of one turn that differ in the end of the source, or in the tag, only. */
static void one_turn(void **state UNUSED)
{
    struct net_batch b;

    make_vlans();
    ports[3].mac = mac_of(3);
    ports[3].mac_lock = true;
    net_begin(&b, &ports[3], 0, 0, 0);
    send_in(&b, MAC_ALL, mac_of(3), 5);
    send_in(&b, MAC_ALL, mac_of(3), 7);
    send_in(&b, MAC_ALL, mac_of(4), 7);
    send_in(&b, MAC_ALL, mac_of(3), 5);
    send_in(&b, MAC_ALL, mac_of(4), 5);
    net_end(&b);
    assert_int_equal(drops_of(3, NET_DROP_SPOOF), 1);
    assert_int_equal(drops_of(3, NET_DROP_VLAN), 2);
    assert_int_equal(devices[0].frames, 2);
}

/* A port that is down is not counted when all get a frame. */
static void floods_those_up(void **state UNUSED)
{
    struct net_sent s;

    make_net(NET_SWITCH, 4);
    start_net();
    net_detach(&ports[1]);
    ports[2].down = true;
    assert_gets(BIT(3), 0, MAC_ALL, mac_of(0), NO_TAG);
    net_sum_sent(&ports[0], &s);
    assert_int_equal(s.copies, 1);
    assert_int_equal(s.floods, 1);
    net_detach(&ports[3]);
    assert_dropped(NET_DROP_NO_PORT, 0, MAC_ALL, mac_of(0), NO_TAG);
}

/* What is sent counts as work, for each copy; what cannot be taken does, too. */
static void work(void **state UNUSED)
{
    struct net_batch b;
    struct fake_chain c;
    uint64_t one, all;

    make_net(NET_SWITCH, 33);
    start_net();
    send_one(1, MAC_ALL, mac_of(1), NO_TAG);
    net_begin(&b, &ports[0], 0, 0, 0);
    send_in(&b, mac_of(1), mac_of(0), NO_TAG);
    one = b.work;
    assert_true(one >= SENT_SIZE);
    send_in(&b, MAC_ALL, mac_of(0), NO_TAG);
    all = b.work - one;
    assert_int_equal(all, 32 * one);
    fake_readable(&c, &sender_ram, 0x100, 5, 0);
    net_transmit(&b, &c.ring, &c.chain);
    assert_true(b.work > one + all);
    net_end(&b);
    assert_int_equal(drops_of(0, NET_DROP_SHORT), 1);
    check_counters();
}

/* A frame of many segments to many ports, none of which takes it whole: bounded, and counted. */
static void flood_of_segments(void **state UNUSED)
{
    const struct packet p = {.ip6 = true, .tcp_words = 5, .payload = 60000};
    uint8_t *f = &sender_ram.bytes[0x100 + NET_HEADER_SIZE];
    struct net_header h = {NET_NEEDS_CSUM, NET_GSO_UDP, 0, 128, 54, 6, 0};
    struct fake_chain c;
    struct net_sent s;
    struct net_batch b;

    make_net(NET_SWITCH, 64);
    start_net();
    fake_readable(&c, &sender_ram, 0x100, NET_HEADER_SIZE + build_frame(f, &p).size, 0);
    memcpy(&sender_ram.bytes[0x100], &h, sizeof(h));
    net_begin(&b, &ports[63], 0, NET_F_CSUM | NET_F_HOST_USO, 0);
    net_transmit(&b, &c.ring, &c.chain);
    assert_in_range(b.work, NET_FLOOD_WORK,
                    NET_FLOOD_WORK + 60000 * 2 + NET_MAX_PIECES * (NET_PIECE_WORK + 62) + 512);
    net_end(&b);
    net_sum_sent(&ports[63], &s);
    assert_int_equal(s.copies, 63);
    assert_in_range(s.delivered, 3, 8);
    assert_int_equal(s.drops[NET_DROP_FLOOD], 63 - s.delivered);
    check_counters();
}

/* --- pairs --- */

static void send_flow_in(struct net_batch *b, bool back, unsigned number)
{
    struct packet p = {.tcp_words = 5, .payload = 20};
    struct fake_chain c;
    uint8_t *f = &sender_ram.bytes[0x100 + NET_HEADER_SIZE];
    struct layout l = build_frame(f, &p);

    memset(&sender_ram.bytes[0x100], 0, NET_HEADER_SIZE);
    for (unsigned i = 0; i < 8; i++)
        f[l.l3 + 12 + (back ? (i + 4) % 8 : i)] = (uint8_t)i;
    put_net16(f + l.l4 + (back ? 2 : 0), number);
    put_net16(f + l.l4 + (back ? 0 : 2), 80);
    fake_readable(&c, &sender_ram, 0x100, NET_HEADER_SIZE + l.size, 0);
    net_transmit(b, &c.ring, &c.chain);
}

static void send_flow(unsigned port, unsigned queue, bool back, unsigned number)
{
    struct net_batch b;

    net_begin(&b, &ports[port], queue, 0, 0);
    send_flow_in(&b, back, number);
    net_end(&b);
}

static void pairs(void **state UNUSED)
{
    struct net_batch b;
    unsigned seen = 0;

    make_net(NET_LINK, 2);
    ports[0].pairs = 4;
    start_net();
    for (unsigned flow = 0; flow < 200; flow++) {
        send_flow(1, 0, true, flow);
        seen |= 1u << devices[0].last_pair;
    }
    assert_int_equal(seen, 0xf);
    for (unsigned flow = 0; flow < 50; flow++) {
        send_flow(0, flow % 4, false, flow); /* it comes back where it went out */
        send_flow(1, 0, true, flow);
        assert_int_equal(devices[0].last_pair, flow % 4);
    }
    net_begin(&b, &ports[1], 0, 0, 0); /* also within a turn */
    for (unsigned flow = 0; flow < 50; flow++) {
        send_flow_in(&b, true, flow);
        assert_int_equal(devices[0].last_pair, flow % 4);
    }
    net_end(&b);
    ports[0].pairs = 2; /* fewer, from one frame to the next */
    for (unsigned flow = 0; flow < 50; flow++) {
        send_flow(1, 0, true, flow);
        assert_true(devices[0].last_pair < 2);
    }
    ports[0].pairs = 1;
    send_flow(1, 0, true, 1);
    assert_int_equal(devices[0].last_pair, 0);
    check_counters();
}

/* --- rates --- */

/* Frames that pass in a second, when one comes every so many ticks. */
static unsigned count_passed(uint64_t from, uint64_t every, uint64_t to)
{
    struct net_batch b;
    uint64_t before = devices[1].frames;

    for (uint64_t now = from; now < from + HZ; now += every) {
        net_begin(&b, &ports[0], 0, 0, now);
        send_in(&b, to, mac_of(0), NO_TAG);
        net_end(&b);
    }
    return (unsigned)(devices[1].frames - before);
}

static void assert_near(unsigned n, unsigned expected)
{
    assert_in_range(n, expected, expected + expected / 50 + 1);
}

static void rates(void **state UNUSED)
{
    make_net(NET_SWITCH, 2);
    start_net();
    send_one(1, MAC_ALL, mac_of(1), NO_TAG);
    assert_int_equal(count_passed(HZ, HZ / 1000, mac_of(1)), 1000);
    net_rate_set(&ports[0].frames_rate, 500, HZ);
    assert_near(count_passed(10 * HZ, HZ / 10000, mac_of(1)), 500);
    net_rate_set(&ports[0].frames_rate, 0, HZ);
    net_rate_set(&ports[0].bytes_rate, 200 * SENT_SIZE, HZ);
    assert_near(count_passed(20 * HZ, HZ / 10000, mac_of(1)), 200);
    assert_true(drops_of(0, NET_DROP_RATE) > 19000);
    net_rate_set(&ports[0].bytes_rate, 0, HZ);
    net_rate_set(&ports[0].flood_rate, 50, HZ);
    assert_near(count_passed(30 * HZ, HZ / 1000, MAC_ALL), 50);
    assert_int_equal(count_passed(40 * HZ, HZ / 1000, mac_of(1)), 1000);
    assert_true(drops_of(0, NET_DROP_FLOOD) >= 940);
    check_counters();
}

/* From one unit a second to more than there is time for. */
static void rate_range(void **state UNUSED)
{
    for (uint64_t rate = 1; rate < NET_RATE_MOST; rate *= 7) {
        struct net_rate r = {0};
        uint64_t passed = 0, now = 5 * HZ, end = now + (rate < 100 ? 100 : 1) * HZ;
        uint32_t units = rate > 10000 ? 64000 : 1;

        net_rate_set(&r, rate, HZ);
        for (; now < end; now += HZ / 20000 * (rate < 100 ? 100 : 1))
            passed += net_rate_allows(&r, units, now) ? units : 0;
        assert_true(passed <= rate * (rate < 100 ? 100 : 1) * 102 / 100 + 2 * units);
        if (rate / units < 10000)
            assert_true(passed + 2 * units >= rate * 98 / 100);
    }
}

/* --- everything at once --- */

static void random_frame(struct net_batch *b, unsigned count)
{
    unsigned what = (unsigned)rand() % 20;
    struct fake_chain c;

    if (what == 0) {
        fake_readable(&c, &sender_ram, 0x100, (uint32_t)rand() % 40, 3);
        net_transmit(b, &c.ring, &c.chain);
        return;
    }
    build_plain(&sender_ram, &c, 0x100, what < 4 ? MAC_ALL : mac_of((unsigned)rand() % count),
                mac_of(what < 6 ? (unsigned)rand() % count : b->from->index),
                what & 1 ? rand() % 16 | 0x2000 : NO_TAG);
    if (what == 7)
        sender_ram.bytes[0x100] = (uint8_t)rand();
    net_transmit(b, &c.ring, &c.chain);
}

static void random_settings(unsigned count)
{
    bool has_vlans = rand() % 2;

    make_net(NET_SWITCH, count);
    for (unsigned i = 0; i < count; i++) {
        ports[i].isolated = rand() % 3 == 0;
        ports[i].mac = mac_of(i);
        ports[i].mac_lock = rand() % 4 == 0;
        ports[i].pairs = 1 + (unsigned)rand() % 8;
        if (has_vlans && rand() % 2)
            set_vlan(i, rand() % 2 ? NET_VLAN_TRUNK : NET_VLAN_ACCESS, 1 + (unsigned)rand() % 4, 0, 0);
        if (ports[i].vlan_mode == NET_VLAN_TRUNK)
            ports[i].vlans[0] = (uint64_t)rand() & 0xfffe;
    }
    start_net();
    for (unsigned i = 0; i < count; i++) {
        devices[i].full = rand() % 8 == 0;
        devices[i].undriven = rand() % 8 == 0;
        ports[i].down = rand() % 8 == 0;
        ports[i].mtu = rand() % 8 ? 1500 : 80;
        if (rand() % 4 == 0)
            net_rate_set(&ports[i].frames_rate, 1000, HZ);
    }
    if (rand() % 2)
        net.mirror = (unsigned)rand() % count;
}

static void adds_up(void **state UNUSED)
{
    uint64_t ended[NET_DROPS] = {0};

    for (unsigned round = 0; round < 200; round++) {
        unsigned count = 2 + (unsigned)rand() % 40;

        random_settings(count);
        for (unsigned turn = 0; turn < 50; turn++) {
            struct net_batch b;

            net_begin(&b, &ports[(unsigned)rand() % count], (unsigned)rand() % 8, NET_F_CSUM,
                      turn * HZ / 2000);
            for (unsigned i = (unsigned)rand() % 40; i; i--)
                random_frame(&b, count);
            net_end(&b);
            assert_int_equal(claimed_now, 0);
        }
        check_counters();
        for (unsigned i = 0; i < count; i++) {
            for (unsigned d = 0; d < NET_DROPS; d++)
                ended[d] += drops_of(i, d);
        }
    }
    for (unsigned d = 1; d < NET_DROPS; d++) /* all that these frames can meet */
        assert_true(ended[d] || d == NET_DROP_FLOOD || d == NET_DROP_RESERVED || d == NET_DROP_DEEP ||
                    d == NET_DROP_FILTERED || d == NET_DROP_MEMORY);
}

/* --- devices that come and go --- */

#define SENDERS 3
#define TURNS   3000

static bool stop;

static void *sender(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;
    struct fake_ram *m = calloc(1, sizeof(*m));
    struct fake_chain c;
    struct net_batch b;

    fake_ram_init(m);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        net_begin(&b, &ports[self], 0, 0, 0);
        for (unsigned i = 0; i < 10; i++) {
            build_plain(m, &c, 0x100, i == 3 ? MAC_ALL : mac_of(SENDERS + i % 2), mac_of(self), NO_TAG);
            net_transmit(&b, &c.ring, &c.chain);
        }
        net_end(&b);
    }
    free(m);
    return NULL;
}

static void come_and_go(void **state UNUSED)
{
    pthread_t all[SENDERS];
    uint64_t before;

    make_net(NET_SWITCH, SENDERS + 2);
    for (unsigned i = 0; i < 2; i++)
        assert_true(net_fix(&ports[SENDERS + i], mac_of(SENDERS + i), 0));
    start_net();
    stop = false;
    for (uintptr_t i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, sender, (void *)i), 0);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned i = SENDERS + turn % 2;

        net_detach(&ports[i]);
        __atomic_store_n(&devices[i].gone, true, __ATOMIC_SEQ_CST);
        sched_yield();
        __atomic_store_n(&devices[i].gone, false, __ATOMIC_SEQ_CST);
        net_attach(&ports[i], &fake_ops, &devices[i]);
        before = devices[i].frames;
        while (__atomic_load_n(&devices[i].frames, __ATOMIC_RELAXED) == before)
            sched_yield(); /* until it is in use again */
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(all[i], NULL);
    check_counters();
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(link_of_two),
        cmocka_unit_test(link_to_itself),
        cmocka_unit_test(chain_of_links),
        cmocka_unit_test(learns),
        cmocka_unit_test(nobody_else),
        cmocka_unit_test(forgets),
        cmocka_unit_test(locked),
        cmocka_unit_test(locked_trunk),
        cmocka_unit_test(vlans),
        cmocka_unit_test(wrong_vlans),
        cmocka_unit_test(vlans_apart),
        cmocka_unit_test(isolated),
        cmocka_unit_test(wrong_settings),
        cmocka_unit_test(mirrored),
        cmocka_unit_test(claims),
        cmocka_unit_test(one_turn),
        cmocka_unit_test(floods_those_up),
        cmocka_unit_test(flood_of_segments),
        cmocka_unit_test(work),
        cmocka_unit_test(pairs),
        cmocka_unit_test(rates),
        cmocka_unit_test(rate_range),
        cmocka_unit_test(adds_up),
        cmocka_unit_test(come_and_go),
    };
    int failed;

    fake_ram_init(&sender_ram);
    failed = cmocka_run_group_tests(all, NULL, NULL);
    free(ports);
    return failed;
}
