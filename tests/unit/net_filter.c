/* SPDX-License-Identifier: BSD-2-Clause */
/* What a network card's driver wants to get. */
#include "tests/unit/unit.h"

#include "dev/net/filter.h"

#include <string.h>

#define OWN 0x060504030202ull /* 02:02:03:04:05:06 */

static struct net_filter filter;

static int set_up(void **state UNUSED)
{
    memset(&filter, 0, sizeof(filter));
    filter_reset(&filter, OWN);
    return 0;
}

static bool takes(uint64_t to, int vlan)
{
    uint8_t head[18] = {0};

    memcpy(head, &to, 6);
    if (vlan >= 0)
        memcpy(head + 12, (const uint8_t[]){0x81, 0, (uint8_t)(0x60 | vlan >> 8), (uint8_t)vlan}, 4);
    return filter_takes(&filter, head);
}

#define BROADCAST 0xffffffffffffull
#define GROUP     0x0000005e0001ull
#define OTHER     0x010000000002ull

static void at_reset(void **state UNUSED)
{
    assert_true(takes(OWN, -1) && takes(BROADCAST, -1));
    assert_false(takes(OTHER, -1) || takes(GROUP, -1));
    assert_true(takes(OWN, 7));
}

static void modes(void **state UNUSED)
{
    static const struct {
        unsigned mode;
        bool own, other, group, broadcast;
    } rows[] = {
        {FILTER_PROMISCUOUS, true, true, true, true},   {FILTER_ALL_MULTICAST, true, false, true, true},
        {FILTER_ALL_UNICAST, true, true, false, true},  {FILTER_NO_MULTICAST, true, false, false, true},
        {FILTER_NO_UNICAST, false, false, false, true}, {FILTER_NO_BROADCAST, true, false, false, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        filter_set_mode(&filter, rows[i].mode, true);
        assert_int_equal(takes(OWN, -1), rows[i].own);
        assert_int_equal(takes(OTHER, -1), rows[i].other);
        assert_int_equal(takes(GROUP, -1), rows[i].group);
        assert_int_equal(takes(BROADCAST, -1), rows[i].broadcast);
        filter_set_mode(&filter, rows[i].mode, false);
    }
    at_reset(NULL);
}

static void lists(void **state UNUSED)
{
    uint64_t macs[NET_MAX_FILTERED];

    for (unsigned i = 0; i < NET_MAX_FILTERED; i++)
        macs[i] = OTHER + ((uint64_t)i << 40);
    filter_set_list(&filter, false, macs, NET_MAX_FILTERED);
    assert_true(takes(OTHER, -1) && takes(macs[NET_MAX_FILTERED - 1], -1));
    assert_false(takes(OTHER ^ 0xff0000, -1));
    filter_set_list(&filter, false, macs, NET_MAX_FILTERED + 1);
    assert_true(takes(OTHER ^ 0xff0000, -1));
    assert_false(takes(GROUP, -1));
    filter_set_list(&filter, false, macs, 0);
    assert_false(takes(OTHER, -1));
    filter_set_list(&filter, true, (const uint64_t[]){GROUP}, 1);
    assert_true(takes(GROUP, -1));
    assert_false(takes(GROUP ^ 0x100, -1));
    filter_set_own(&filter, OTHER);
    assert_true(takes(OTHER, -1));
    assert_false(takes(OWN, -1));
}

static void vlans(void **state UNUSED)
{
    filter_set_vlans(&filter, true);
    assert_true(takes(OWN, -1));
    assert_false(takes(OWN, 7));
    filter_set_vlan(&filter, 7, true);
    filter_set_vlan(&filter, 4095, true);
    assert_true(takes(OWN, 7) && takes(OWN, 4095));
    assert_false(takes(OWN, 8) || takes(OTHER, 7));
    filter_set_vlan(&filter, 7, false);
    assert_false(takes(OWN, 7));
    filter_reset(&filter, OWN);
    assert_true(takes(OWN, 9));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(at_reset, set_up),
        cmocka_unit_test_setup(modes, set_up),
        cmocka_unit_test_setup(lists, set_up),
        cmocka_unit_test_setup(vlans, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
