/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any settings of ports, any frames, devices that come and go and a clock that jumps: no frame reaches a port
 * that the rules of docs/network.md keep it from, as they are written down here once more, and all counters
 * add up.
 */
#include "tests/fuzz/fuzz.h"

#include "dev/net/switch.h"
#include "tests/unit/fake_net.h"

#define PORTS 6u
#define HZ    UINT64_C(1000000000)
#define AT    0x100u

struct PACKED port_setup {
    uint8_t flags, vlan, trunk, rate;
};

/* The input begins with it; then come steps. */
struct PACKED setup {
    struct port_setup ports[PORTS];
    uint8_t flags, mirror;
};

struct PACKED step {
    uint8_t what, port, to, from;
    uint16_t tag;
    uint8_t size, time;
};

enum { IS_TRUNK = 1, IS_ISOLATED = 2, IS_LOCKED = 4, HAS_VLAN = 8, HAS_TRUNK = 16 };
enum { IS_LINK = 1 };
enum { HAS_TAG = 0x10, IS_ODD = 0x20, KEEPS_TURN = 0x40 };

struct fake_device {
    bool there, driven, full, claimed[NET_MAX_PAIRS];
    uint64_t frames;
};

static struct fake_ram sender_ram;
static struct net net;
static struct fdb table;
static struct net_port ports[PORTS];
static struct fake_device devices[PORTS];
static struct net_batch batch;
static bool in_turn;
static unsigned sender, claimed_now;
static uint64_t now;
static uint8_t sent[256]; /* the frame that is on its way */
static uint32_t sent_size;

/* --- the rules, once more --- */

static bool has_tag(void)
{
    return sent_size >= 18 && net16(sent + 12) == 0x8100;
}

static unsigned vlan_sent(void)
{
    unsigned id = has_tag() ? net16(sent + 14) & 0xfff : 0;

    return id ? id : ports[sender].vlan;
}

static bool is_member(const struct net_port *p, unsigned vlan)
{
    return p->vlan == vlan || (p->vlan_mode == NET_VLAN_TRUNK && p->vlans[vlan / 64] >> vlan % 64 & 1);
}

static void check_vlan(const struct net_port *to, const uint8_t *got, uint32_t size)
{
    unsigned vlan = vlan_sent(), behind = has_tag() ? 16 : 12;
    bool keeps = vlan != to->vlan;

    MUST(vlan && is_member(&ports[sender], vlan) && is_member(to, vlan));
    MUST(ports[sender].vlan_mode == NET_VLAN_TRUNK || !has_tag() || !(net16(sent + 14) & 0xfff));
    MUST(size == sent_size - (has_tag() ? 4 : 0) + (keeps ? 4 : 0));
    MUST(!keeps || (net16(got + 12) == 0x8100 && (net16(got + 14) & 0xfff) == vlan));
    MUST(!keeps || net16(got + 14) >> 12 == (has_tag() ? net16(sent + 14) >> 12 : 0));
    MUST(!memcmp(got + (keeps ? 16 : 12), sent + behind, MIN(sent_size, 60u) - behind));
}

static void check_source(void)
{
    uint64_t from = load_le(sent + 6, 6);

    MUST(from && !(sent[6] & 1));
    for (unsigned i = 0; i < PORTS; i++)
        MUST(!ports[i].mac_lock || (ports[i].mac == from) == (i == sender));
}

static void check_copy(unsigned at, const uint8_t *got, uint32_t size)
{
    MUST(!memcmp(got, sent, 12));
    MUST(net_is_up(&ports[at]) && !ports[sender].down);
    if (net.kind == NET_LINK || at == net.mirror) {
        MUST(size == sent_size && !memcmp(got, sent, MIN(size, NET_PLAIN_HEAD)));
        return;
    }
    MUST(at != sender && sender != net.mirror);
    MUST(!ports[at].isolated || !ports[sender].isolated);
    MUST(memcmp(sent, "\x01\x80\xc2\x00\x00", 5) || sent[5] > 15);
    check_source();
    if (net.tagged)
        check_vlan(&ports[at], got, size);
    else
        MUST(size == sent_size && !memcmp(got, sent, MIN(size, NET_PLAIN_HEAD)));
}

/* --- devices --- */

static void *claim(void *device, unsigned pair)
{
    struct fake_device *d = device;

    MUST(d->there && pair < NET_MAX_PAIRS && !claimed_now);
    if (!d->driven)
        return NULL;
    claimed_now++;
    d->claimed[pair] = true;
    return d;
}

static enum net_drop put(void *claimed, struct net_piece *p)
{
    struct fake_device *d = claimed;

    MUST(claimed_now == 1 && d->there);
    check_copy((unsigned)(d - devices), p->head, p->size);
    if (d->full)
        return NET_DROP_NO_BUFFER;
    d->frames++;
    return NET_PASSED;
}

static void release(void *claimed)
{
    struct fake_device *d = claimed;

    MUST(claimed_now-- == 1 && d->there);
    memset(d->claimed, 0, sizeof(d->claimed));
}

static const struct net_receiver_ops ops = {claim, put, release};

/* --- steps --- */

static void end_turn(void)
{
    if (in_turn)
        net_end(&batch);
    in_turn = false;
    MUST(!claimed_now);
}

static void write_mac(uint8_t *to, uint8_t what)
{
    const uint8_t kinds[4][6] = {
        {2, 0, 0, 0, 0, what % 16}, {1, 0x80, 0xc2, 0, 0, what % 32}, {255, 255, 255, 255, 255, 255}, {0}};

    memcpy(to, kinds[what < 200 ? 0 : what % 4], 6);
}

static void send_frame(const struct step *s)
{
    uint8_t *f = &sender_ram.bytes[AT + NET_HEADER_SIZE];
    struct fake_chain c;

    if (!in_turn || sender != s->port % net.count) {
        end_turn();
        sender = s->port % net.count;
        net_begin(&batch, &ports[sender], s->time % NET_MAX_PAIRS, 0, now);
        in_turn = true;
    }
    sent_size = s->size;
    write_mac(f, s->to);
    write_mac(f + 6, s->from);
    put_net32(f + 12, s->what & HAS_TAG ? 0x81000000 | s->tag : 0x88b50000 | s->tag);
    memcpy(sent, f, sizeof(sent));
    fake_readable(&c, &sender_ram, AT, NET_HEADER_SIZE + s->size, s->what & IS_ODD ? 9 : 0);
    net_transmit(&batch, &c.ring, &c.chain);
    if (!(s->what & KEEPS_TURN))
        end_turn();
}

static void come_or_go(unsigned i)
{
    struct fake_device *d = &devices[i];

    if (d->there)
        net_detach(&ports[i]);
    else
        net_attach(&ports[i], &ops, d);
    d->there = !d->there;
}

static void do_step(const struct step *s)
{
    unsigned i = s->port % net.count;

    if (s->what % 8 < 4) {
        send_frame(s);
        return;
    }
    end_turn();
    now += (uint64_t)s->time * s->time * s->time * HZ / 1000;
    switch (s->what % 8) {
    case 4: come_or_go(i); break;
    case 5: devices[i].driven = !devices[i].driven; break;
    case 6: ports[i].down = !ports[i].down; break;
    default:
        devices[i].full = s->to & 1;
        ports[i].pairs = 1 + s->from % NET_MAX_PAIRS;
        net_rate_set(&ports[i].flood_rate, s->to & 2 ? s->time : 0, HZ);
        break;
    }
}

/* --- a run --- */

static void set_port(struct net_port *p, const struct port_setup *s)
{
    p->vlan_mode = s->flags & IS_TRUNK ? NET_VLAN_TRUNK : NET_VLAN_ACCESS;
    p->vlan = s->flags & HAS_VLAN ? s->vlan % 8 : 0;
    p->vlans[0] = s->flags & HAS_TRUNK ? s->trunk & 0xfeu : 0;
    p->isolated = s->flags & IS_ISOLATED;
    p->mac = 2 | (uint64_t)p->index << 40;
    p->mac_lock = s->flags & IS_LOCKED;
    net_rate_set(&p->frames_rate, s->rate & 1 ? s->rate : 0, HZ);
    net_rate_set(&p->bytes_rate, s->rate & 2 ? s->rate * UINT64_C(100) : 0, HZ);
}

/* False: such ports cannot be. */
static bool make(const struct setup *s)
{
    enum net_kind kind = s->flags & IS_LINK ? NET_LINK : NET_SWITCH;

    memset(ports, 0, sizeof(ports));
    memset(&table, 0, sizeof(table));
    now = 0;
    in_turn = false;
    net_init(&net, kind, ports, kind == NET_LINK ? 2 : PORTS, &table, HZ, s->mirror);
    for (unsigned i = 0; i < net.count; i++) {
        set_port(&ports[i], &s->ports[i]);
        devices[i] = (struct fake_device){.driven = true};
    }
    if (net_start(&net))
        return false;
    for (unsigned i = 0; i < net.count; i++)
        come_or_go(i);
    if (kind == NET_SWITCH && s->mirror & 0x80)
        net.mirror = s->mirror % PORTS;
    return true;
}

static uint64_t sum_drops(const uint64_t *drops)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < NET_DROPS; i++)
        sum += drops[i];
    return sum;
}

static void check_counters(void)
{
    uint64_t went = 0, came = 0;

    for (unsigned i = 0; i < net.count; i++) {
        struct net_sent s;
        struct net_received r;

        net_sum_sent(&ports[i], &s);
        net_sum_received(&ports[i], &r);
        MUST(s.copies == s.delivered + sum_drops(s.drops) && s.copies >= s.frames && s.mirrors >= s.mirrored);
        MUST(r.frames == devices[i].frames && r.copies == r.frames && !ports[i].users);
        went += s.delivered + s.mirrored;
        came += r.copies;
    }
    MUST(went == came);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct setup setup;
    struct step s;

    if (n < sizeof(setup))
        return 0;
    if (!sender_ram.memory.context)
        fake_ram_init(&sender_ram);
    memcpy(&setup, data, sizeof(setup));
    if (!make(&setup))
        return 0;
    for (size_t at = sizeof(setup); at + sizeof(s) <= n; at += sizeof(s)) {
        memcpy(&s, data + at, sizeof(s));
        do_step(&s);
    }
    end_turn();
    check_counters();
    return 0;
}
