/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks and cards in skerry.cfg: what is taken, and every report. */
#include "tests/unit/unit.h"

#include "tests/unit/parse_config.h"

#define VM(name) "[vm " name "]\nkernel=k\nmemory=2M\n"

static const struct port_config *port(unsigned vm, unsigned i)
{
    assert_true(i < config.vms[vm].port_count);
    return &config.vms[vm].ports[i];
}

static void cards(void **state UNUSED)
{
    static const uint8_t made[] = {2, 0x53, 0x4b, 0, 0, 0}, given[] = {0x52, 0x54, 0, 0x12, 0xab, 0xFe};

    expect("[net lan]\n[net wan]\n" VM("a") "vcpus = 4\nnet = lan\n"
                                            "net = wan mac 52:54:00:12:ab:Fe mtu 9000 pairs 4 rate 100M vlan "
                                            "10 trunk 20,30-39 isolated mac-lock "
                                            "features csum,merge\nlink = w rate 5000/s\n" VM(
                                                "b") "link = w features tso\n",
           "");
    assert_int_equal(config.vms[0].port_count, 3);
    assert_string_equal(port(0, 0)->net, "lan");
    assert_memory_equal(port(0, 0)->mac, made, 6);
    assert_true(port(0, 0)->mtu == 1500 && port(0, 0)->pairs == 1 && !port(0, 0)->features);
    assert_true(!port(0, 0)->rate_kbit && !port(0, 0)->isolated && !port(0, 0)->mac_lock);
    assert_memory_equal(port(0, 1)->mac, given, 6);
    assert_true(port(0, 1)->mtu == 9000 && port(0, 1)->pairs == 4);
    assert_int_equal(port(0, 1)->rate_kbit, 100000);
    assert_int_equal(port(0, 1)->vlan, 10);
    assert_int_equal(port(0, 1)->trunk_count, 2);
    assert_true(port(0, 1)->trunk[0].first == 20 && port(0, 1)->trunk[0].last == 20);
    assert_true(port(0, 1)->trunk[1].first == 30 && port(0, 1)->trunk[1].last == 39);
    assert_true(port(0, 1)->isolated && port(0, 1)->mac_lock);
    assert_int_equal(port(0, 1)->features, PORT_CSUM | PORT_MERGE);
    assert_true(port(0, 2)->link && port(0, 2)->rate_frames == 5000);
    assert_int_equal(port(1, 0)->features, PORT_TSO | PORT_CSUM);
    assert_int_equal(port(1, 0)->mac[4], 1);
}

static void nets(void **state UNUSED)
{
    expect("[net lan]\nmirror = b\nflood = 100/s\n[net c]\nchain = a->b-1  ->  b\nhop-down = bypass\n" VM(
               "a") "net = lan\nnet = c\n" VM("b-1") "net = c\nnet = c\n" VM("b") "net = c\nnet = lan\n",
           "");
    assert_int_equal(config.net_count, 2);
    assert_string_equal(config.nets[0].mirror, "b");
    assert_int_equal(config.nets[0].flood, 100);
    assert_int_equal(config.nets[1].hops, 3);
    assert_string_equal(config.nets[1].chain[0], "a");
    assert_string_equal(config.nets[1].chain[1], "b-1");
    assert_string_equal(config.nets[1].chain[2], "b");
    assert_true(config.nets[1].bypass && config.nets[0].valid && config.nets[1].valid);
}

#define NET_CARD                                                                                         \
    ", expected at most 8 of NAME and mac, mtu, pairs, features, rate, vlan, trunk, each with a value, " \
    "isolated or mac-lock\n"

static const struct {
    const char *value;
} wrong_cards[] = {
    {"lan mac 52:54:00:12:34"},
    {"lan mac 52:54:00:12:34:5g"},
    {"lan mac 53:54:00:12:34:56"},
    {"lan mac 52-54-00-12-34-56"},
    {"lan mtu 575"},
    {"lan mtu 9001"},
    {"lan pairs 0"},
    {"lan pairs 9"},
    {"lan rate 100"},
    {"lan rate 0/s"},
    {"lan rate 5000G"},
    {"lan vlan 0"},
    {"lan vlan 4095"},
    {"lan trunk 20-10"},
    {"lan trunk 1,2,3,4,5,6,7,8,9"},
    {"lan trunk"},
    {"lan features speed"},
    {"lan quick"},
    {"lan isolated mac-lock quick"},
    {"l/n"},
};

static void bad_cards(void **state UNUSED)
{
    char text[256], wanted[256];

    for (unsigned i = 0; i < ARRAY_SIZE(wrong_cards); i++) {
        format(text, sizeof(text), "[net lan]\n" VM("a") "net = %s\n", wrong_cards[i].value);
        format(wanted, sizeof(wanted), "5: net = '%s' is no network card" NET_CARD, wrong_cards[i].value);
        expect(text, wanted);
        assert_false(config.vms[0].valid);
    }
}

static const struct {
    const char *text, *reports;
} faults[] = {
    {VM("a") "net = lan\n", "4: net 'lan' has no section, expected [net lan]\n"},
    {"[net lan]\nspeed = 1\n" VM("a") "net = lan\n",
     "2: unknown key 'speed' in [net lan], expected one of mirror flood chain cpus hop-down\n"
     "6: net 'lan' has an error in its section, expected none (line 1)\n"},
    {"[net lan]\n[net lan]\n", "2: [net lan] is already defined in line 1, expected another name\n"},
    {"[net]\n", "1: '' is no name of a network, expected 1 to 31 letters, digits, '.', '-' or '_'\n"},
    {VM("a") "link = w\n", "4: link 'w' has 1 end(s), expected two\n"},
    {VM("a") "link = w\nlink = w\n" VM("b") "link = w\n",
     "4: link 'w' has 3 end(s), expected two\n5: link 'w' has 3 end(s), expected two\n"
     "9: link 'w' has 3 end(s), expected two\n"},
    {VM("a") "link = w vlan 2\n",
     "4: link = 'w vlan 2' is no network card, expected at most 8 of NAME and mac, mtu, pairs, features or "
     "rate, each with a value\n"},
    {"[net lan]\n" VM("a") "net = lan pairs 2\n",
     "5: 2 pairs of queues for 1 vCPU(s), expected one each at most\n"},
    {"[net lan]\n" VM("a") "net = lan mac 52:54:00:00:00:01\n" VM("b") "net = lan mac 52:54:00:00:00:01\n",
     "9: card in 'lan' has the MAC address of another, expected its own (line 5)\n"},
    {"[net lan]\nmirror = b\n" VM("a") "net = lan\n" VM("b"),
     "2: mirror = 'b' names no VM with a card in it, expected one\n"
     "6: net 'lan' has an error in its section, expected none (line 1)\n"},
    {"[net lan]\nchain = a -> b -> c\n" VM("a") "net = lan\n" VM("b") "net = lan\n",
     "2: chain names 'b', which has 1 card(s) in it, expected 2\n"
     "2: chain names 'c', which has 0 card(s) in it, expected 1\n"
     "6: net 'lan' has an error in its section, expected none (line 1)\n"
     "10: net 'lan' has an error in its section, expected none (line 1)\n"},
    {"[net lan]\nchain = a\n",
     "2: chain = 'a' is no chain, expected 2 to 8 names of VMs, as in a -> b -> c\n"},
    {"[net lan]\nchain = a -> -> b\n",
     "2: chain = 'a -> -> b' is no chain, expected 2 to 8 names of VMs, as in a -> b -> c\n"},
    {"[net lan]\nhop-down = stop\n", "2: hop-down without a chain, expected chain = ... with it\n"},
    {"[net lan]\nflood = 100\n", "2: flood = '100' is no rate, expected as in 1000/s\n"},
    {"[net lan]\n" VM("a") "pci = off\nnet = lan\n",
     "6: a device without PCI, expected pci = on with rng, disk, net, link, shared and console = virtio\n"},
};

static void reported(void **state UNUSED)
{
    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
        expect(faults[i].text, faults[i].reports);
}

/* One too many of each: cards of a VM, networks. */
static void full(void **state UNUSED)
{
    char text[1024];
    size_t n = (size_t)format(text, sizeof(text), "[net lan]\n" VM("a"));

    for (unsigned i = 0; i < VM_MAX_PORTS + 1; i++)
        n += (size_t)format(text + n, sizeof(text) - n, "net = lan\n");
    expect(text, "13: net = 'lan' is no network card" NET_CARD);
    n = 0;
    for (unsigned i = 0; i < CONFIG_MAX_NETS + 1; i++)
        n += (size_t)format(text + n, sizeof(text) - n, "[net n%u]\n", i);
    expect(text, "17: [net n16] is one too many, expected at most 16 networks\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(cards),    cmocka_unit_test(nets), cmocka_unit_test(bad_cards),
        cmocka_unit_test(reported), cmocka_unit_test(full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
