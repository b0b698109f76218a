/* SPDX-License-Identifier: BSD-2-Clause */
/* A network card in one line of a VM's section, and what a network's own section says. */
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/panic.h"
#include "core/config/config_keys.h"

#define MAX_VLAN  4094
#define MAX_RATE  1000000000
#define MAC_BYTES 6
#define MULTICAST 1 /* in the first byte of an address */

static bool take_number(struct span s, uint64_t least, uint64_t most, uint64_t *number)
{
    return span_take_number(&s, number) && span_empty(s) && *number >= least && *number <= most;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two digits off the front of s; -1: there are none. */
static int take_byte(struct span *s)
{
    int byte = 0;

    for (unsigned i = 0; i < 2; i++) {
        int digit = s->at < s->end ? hex_digit(*s->at) : -1;

        if (digit < 0)
            return -1;
        byte = byte << 4 | digit;
        s->at++;
    }
    return byte;
}

/* "52:54:00:12:34:56": of one card. */
static bool take_mac(struct span s, struct port_config *p)
{
    for (unsigned i = 0; i < MAC_BYTES; i++) {
        int byte;

        if (i > 0 && (s.at >= s.end || *s.at++ != ':'))
            return false;
        byte = take_byte(&s);
        if (byte < 0)
            return false;
        p->mac[i] = (uint8_t)byte;
    }
    return span_empty(s) && !(p->mac[0] & MULTICAST);
}

static bool take_vlan(struct span s, struct port_config *p)
{
    uint64_t vlan;

    if (!take_number(s, 1, MAX_VLAN, &vlan))
        return false;
    p->vlan = (uint16_t)vlan;
    return true;
}

/* "10", or "20-29". */
static bool add_trunk(struct port_config *p, struct span s)
{
    struct span first = span_cut(&s, '-');
    uint64_t from, to;

    if (p->trunk_count == CONFIG_NET_TRUNK || !take_number(first, 1, MAX_VLAN, &from))
        return false;
    to = from;
    if (!span_empty(s) && !take_number(s, from, MAX_VLAN, &to))
        return false;
    p->trunk[p->trunk_count++] = (struct vlan_range){(uint16_t)from, (uint16_t)to};
    return true;
}

static bool take_trunk(struct span s, struct port_config *p)
{
    do {
        if (!add_trunk(p, span_cut(&s, ',')))
            return false;
    } while (!span_empty(s));
    return true;
}

static bool take_mtu(struct span s, struct port_config *p)
{
    uint64_t mtu;

    if (!take_number(s, CONFIG_MIN_MTU, CONFIG_MAX_MTU, &mtu))
        return false;
    p->mtu = (uint16_t)mtu;
    return true;
}

static bool take_pairs(struct span s, struct port_config *p)
{
    uint64_t pairs;

    if (!take_number(s, 1, CONFIG_NET_PAIRS, &pairs))
        return false;
    p->pairs = (unsigned)pairs;
    return true;
}

/* 0: s is no suffix of a rate. */
static unsigned kbit_of(struct span s)
{
    return span_equals(s, "K") ? 1 : span_equals(s, "M") ? 1000 : span_equals(s, "G") ? 1000000 : 0;
}

/* "100M" bits, or "5000/s" frames, a second. */
static bool take_rate(struct span s, struct port_config *p)
{
    uint64_t number, kbit;

    if (!span_take_number(&s, &number) || number == 0 || number > MAX_RATE)
        return false;
    if (span_equals(s, "/s")) {
        p->rate_frames = (unsigned)number;
        return true;
    }
    kbit = number * kbit_of(s);
    if (kbit == 0 || kbit > UINT32_MAX)
        return false;
    p->rate_kbit = (unsigned)kbit;
    return true;
}

static const struct choice features[] = {
    {"csum", PORT_CSUM},           {"tso", PORT_TSO | PORT_CSUM}, {"uso", PORT_USO | PORT_CSUM},
    {"merge", PORT_MERGE},         {"control", PORT_CONTROL},     {"indirect", PORT_INDIRECT},
    {"event-idx", PORT_EVENT_IDX}, {"packed", PORT_PACKED},       {"in-order", PORT_IN_ORDER},
    {"reset", PORT_RESET},         {"none", PORT_NO_FEATURE},     {NULL, 0}};

static bool take_features(struct span s, struct port_config *p)
{
    const struct key of_these = {.values = features, .size = sizeof(unsigned)};

    return config_set_flags(&of_these, s, &p->features);
}

static bool take_isolated(struct span s UNUSED, struct port_config *p)
{
    p->isolated = true;
    return true;
}

static bool take_mac_lock(struct span s UNUSED, struct port_config *p)
{
    p->mac_lock = true;
    return true;
}

/* Words behind a card's network, and whether a value follows. */
static const struct port_word {
    const char *name;
    bool (*take)(struct span s, struct port_config *p);
    bool alone, of_link;
} port_words[] = {
    {"mac", take_mac, false, true},           {"mtu", take_mtu, false, true},
    {"pairs", take_pairs, false, true},       {"features", take_features, false, true},
    {"rate", take_rate, false, true},         {"vlan", take_vlan, false, false},
    {"trunk", take_trunk, false, false},      {"isolated", take_isolated, true, false},
    {"mac-lock", take_mac_lock, true, false},
};

static bool take_port_word(struct span word, struct span *rest, struct port_config *p)
{
    for (unsigned i = 0; i < ARRAY_SIZE(port_words); i++) {
        const struct port_word *w = &port_words[i];

        if (!span_equals(word, w->name))
            continue;
        if (p->link && !w->of_link)
            return false;
        return w->take(w->alone ? word : span_cut(rest, ' '), p);
    }
    return false;
}

static bool add_port(struct vm_config *vm, struct span value, bool link)
{
    struct port_config p = {
        .line = link ? vm->link_line : vm->net_line, .link = link, .mtu = 1500, .pairs = 1};
    struct span name = span_cut(&value, ' ');

    if (vm->port_count == VM_MAX_PORTS || !config_valid_name(name))
        return false;
    span_copy(name, p.net, sizeof(p.net) - 1);
    while (!span_empty(value)) {
        struct span word = span_cut(&value, ' ');

        if (!take_port_word(word, &value, &p))
            return false;
    }
    vm->ports[vm->port_count++] = p;
    return true;
}

bool config_set_net(const struct key *key UNUSED, struct span value, void *field)
{
    return add_port(field, value, false);
}

bool config_set_link(const struct key *key UNUSED, struct span value, void *field)
{
    return add_port(field, value, true);
}

/* --- a network's own section --- */

/* What is before "->" in s, of which the rest is left; a name may have a '-' of its own. */
static struct span cut_arrow(struct span *s)
{
    char before = ' ';

    for (const char *at = s->at; at < s->end; before = *at++) {
        struct span head = {s->at, at};

        if (before != '-' || *at != '>')
            continue;
        head.end--;
        *s = span_trim((struct span){at + 1, s->end});
        return span_trim(head);
    }
    return span_cut(s, '\0'); /* all of it */
}

/* "a -> b -> c" */
static bool set_chain(const struct key *key UNUSED, struct span value, void *field)
{
    struct net_config *net = field;

    while (!span_empty(value)) {
        struct span name = cut_arrow(&value);

        if (net->hops == CONFIG_NET_HOPS || !config_valid_name(name))
            return false;
        span_copy(name, net->chain[net->hops++], CONFIG_NAME_SIZE - 1);
    }
    return net->hops >= 2;
}

/* "1000/s" */
static bool set_flood(const struct key *key UNUSED, struct span value, void *field)
{
    uint64_t number;

    if (!span_take_number(&value, &number) || number == 0 || number > MAX_RATE || !span_equals(value, "/s"))
        return false;
    *(unsigned *)field = (unsigned)number;
    return true;
}

#define NET(f)    offsetof(struct net_config, f), sizeof(((struct net_config *)0)->f)
#define NET_AT(f) offsetof(struct net_config, f)

static const struct choice hop_downs[] = {{"stop", false}, {"bypass", true}, {NULL, 0}};

static const struct key net_keys[] = {
    {"mirror", config_set_word, "VM name", "the name of a [vm NAME] with a card in it", NET(mirror),
     NET_AT(mirror_line), NULL},
    {"flood", set_flood, "rate", "as in 1000/s", NET(flood), NET_AT(flood_line), NULL},
    {"chain", set_chain, "chain", "2 to 8 names of VMs, as in a -> b -> c", 0, 0, NET_AT(chain_line), NULL},
    {"cpus", config_set_cpus, "set of CPUs", "numbers from 0 to 255 as in 1-2 or 0,2-3, none twice",
     NET(cpus), NET_AT(cpus_line), NULL},
    {"hop-down", config_set_choice, "action", "stop or bypass", NET(bypass), NET_AT(bypass_line), hop_downs},
};

const struct key_table config_net_keys = {net_keys, ARRAY_SIZE(net_keys)};

_Static_assert(ARRAY_SIZE(net_keys) <= CONFIG_MAX_KEYS, "the parser has a place for each");
_Static_assert(CONFIG_NET_HOPS == 8 && VM_MAX_PORTS == 8, "as chain, net and link");

/* --- when all sections are known --- */

struct check {
    struct config *config;
    config_net_fault *fault;
    void *context;
};

static void PRINTF_LIKE(4, 5)
    refuse_net(const struct check *c, struct vm_config *vm, unsigned line, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    c->fault(c->context, vm, line, text);
}

static unsigned ports_in(const struct vm_config *vm, const char *net, bool link)
{
    unsigned count = 0;

    for (unsigned i = 0; i < vm->port_count; i++)
        count += vm->ports[i].link == link && !strcmp(vm->ports[i].net, net);
    return count;
}

unsigned config_count_cards(const struct config *config, const char *net, bool link)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->vm_count; i++)
        count += ports_in(&config->vms[i], net, link);
    return count;
}

static void check_net_of(const struct check *c, struct vm_config *vm, const struct port_config *p)
{
    const struct net_config *net = config_find_net(c->config, span_of(p->net));

    if (!net)
        refuse_net(c, vm, p->line, "net '%s' has no section, expected [net %s]", p->net, p->net);
    else if (!net->valid)
        refuse_net(c, vm, p->line, "net '%s' has an error in its section, expected none (line %u)", p->net,
                   net->line);
    else if (config_count_cards(c->config, p->net, false) > CONFIG_NET_PORTS)
        refuse_net(c, vm, p->line, "net '%s' has too many cards, expected at most %u", p->net,
                   CONFIG_NET_PORTS);
}

static void check_link_of(const struct check *c, struct vm_config *vm, const struct port_config *p)
{
    unsigned ends = config_count_cards(c->config, p->net, true);

    if (ends != 2)
        refuse_net(c, vm, p->line, "link '%s' has %u end(s), expected two", p->net, ends);
}

static bool mac_is_given(const struct port_config *p)
{
    static const uint8_t none[MAC_BYTES];

    return memcmp(p->mac, none, MAC_BYTES) != 0;
}

/* Locally administered, and the same at each start. */
static void make_mac(struct port_config *p, unsigned vm, unsigned port)
{
    const uint8_t mac[MAC_BYTES] = {0x02, 0x53, 0x4b, 0, (uint8_t)vm, (uint8_t)port};

    if (!mac_is_given(p))
        memcpy(p->mac, mac, MAC_BYTES);
}

static void check_port(const struct check *c, struct vm_config *vm, struct port_config *p)
{
    if (p->pairs > vm->vcpus)
        refuse_net(c, vm, p->line, "%u pairs of queues for %u vCPU(s), expected one each at most", p->pairs,
                   vm->vcpus);
    if (p->link)
        check_link_of(c, vm, p);
    else
        check_net_of(c, vm, p);
}

static bool same_place(const struct port_config *a, const struct port_config *b)
{
    return a->link == b->link && !strcmp(a->net, b->net) && !memcmp(a->mac, b->mac, MAC_BYTES);
}

/* Two cards of one network with one address: the later one is wrong. */
static void check_twins(const struct check *c, struct vm_config *vm, const struct port_config *p)
{
    for (unsigned v = 0; v < c->config->vm_count; v++) {
        struct vm_config *other = &c->config->vms[v];

        for (unsigned i = 0; i < other->port_count; i++) {
            if (&other->ports[i] == p)
                return;
            if (same_place(&other->ports[i], p))
                refuse_net(c, vm, p->line,
                           "card in '%s' has the MAC address of another, expected its own (line %u)", p->net,
                           other->ports[i].line);
        }
    }
}

static void check_hop(const struct check *c, const struct net_config *net, unsigned hop)
{
    const struct vm_config *vm = config_find_vm(c->config, span_of(net->chain[hop]));
    unsigned has = vm ? ports_in(vm, net->name, false) : 0, wanted = hop == 0 || hop + 1 == net->hops ? 1 : 2;

    if (has != wanted)
        refuse_net(c, NULL, net->chain_line, "chain names '%s', which has %u card(s) in it, expected %u",
                   net->chain[hop], has, wanted);
}

static void check_net(const struct check *c, const struct net_config *net)
{
    const struct vm_config *mirror = config_find_vm(c->config, span_of(net->mirror));

    if (net->mirror[0] && (!mirror || !ports_in(mirror, net->name, false)))
        refuse_net(c, NULL, net->mirror_line, "mirror = '%s' names no VM with a card in it, expected one",
                   net->mirror);
    for (unsigned i = 0; i < net->hops; i++)
        check_hop(c, net, i);
    if (!net->hops && net->bypass_line)
        refuse_net(c, NULL, net->bypass_line, "hop-down without a chain, expected chain = ... with it");
}

void config_check_nets(struct config *config, config_net_fault *fault, void *context)
{
    const struct check c = {config, fault, context};

    for (unsigned v = 0; v < config->vm_count; v++) {
        for (unsigned i = 0; i < config->vms[v].port_count; i++)
            make_mac(&config->vms[v].ports[i], v, i);
    }
    for (unsigned i = 0; i < config->net_count; i++) {
        unsigned before = config->errors;

        if (config->nets[i].valid)
            check_net(&c, &config->nets[i]);
        config->nets[i].valid &= config->errors == before;
    }
    for (unsigned v = 0; v < config->vm_count; v++) {
        for (unsigned i = 0; i < config->vms[v].port_count; i++) {
            check_port(&c, &config->vms[v], &config->vms[v].ports[i]);
            check_twins(&c, &config->vms[v], &config->vms[v].ports[i]);
        }
    }
}
