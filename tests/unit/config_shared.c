/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared memory in skerry.cfg: what is taken, who is which peer, and every report. */
#include "tests/unit/unit.h"

#include "tests/unit/parse_config.h"

#include <stdio.h>

#define VM(name) "[vm " name "]\nkernel=k\nmemory=2M\n"
#define NO_SHARED \
    " is no shared memory, expected at most 3 of NAME SIZE, a power of two from 2M to 64M, and ro\n"
#define NOT(value) VM("a") "shared = " value "\n", "4: shared = '" value "'" NO_SHARED

static const struct shared_config *shared(unsigned vm, unsigned i)
{
    assert_true(i < config.vms[vm].shared_count);
    return &config.vms[vm].shared[i];
}

static void memories(void **state UNUSED)
{
    expect(VM("a") "shared = one 2M\nshared = two 64M\n" VM("b") "shared = two 64M ro\nshared = one 2M\n" VM(
               "c") VM("d") "shared = two 64M\n",
           "");
    assert_int_equal(config.vms[0].shared_count, 2);
    assert_string_equal(shared(0, 0)->name, "one");
    assert_true(shared(0, 0)->size == 2 * MIB && shared(0, 1)->size == 64 * MIB);
    assert_true(shared(1, 0)->read_only && !shared(1, 1)->read_only && !shared(0, 1)->read_only);
    assert_true(shared(0, 0)->region == shared(1, 1)->region && shared(0, 1)->region == shared(1, 0)->region);
    assert_int_not_equal(shared(0, 0)->region, shared(0, 1)->region);
    assert_true(shared(0, 1)->peer == 0 && shared(1, 0)->peer == 1 && shared(3, 0)->peer == 2);
    assert_true(shared(0, 0)->peer == 0 && shared(1, 1)->peer == 1);
    assert_int_equal(shared(1, 1)->line, 10);
}

static void wrong_values(void **state UNUSED)
{
    static const struct {
        const char *text, *report;
    } rows[] = {
        {NOT("m")},
        {NOT("m 1M")},
        {NOT("m 3M")},
        {NOT("m 128M")},
        {NOT("m 0")},
        {NOT("m 2M rw")},
        {NOT("m 2M ro ro")},
        {NOT("a/b 2M")},
        {VM("a") "shared = m 2M\nshared = m 2M\n" VM("b") "shared = m 2M\n", "5: shared = 'm 2M'" NO_SHARED},
        {VM("a") "shared = m 2M\n", "4: shared 'm' is named by one VM, expected two or more\n"},
        {VM("a") "shared = m 2M\n" VM("b") "shared = m 4M\n",
         "8: shared 'm' has another size than in line 4, expected the same\n"},
        {VM("a") "pci = off\nshared = m 2M\n" VM("b") "shared = m 2M\n",
         "5: a device without PCI, expected pci = on with rng, disk, net, link, shared and console = "
         "virtio\n"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        expect(rows[i].text, rows[i].report);
        assert_false(config.vms[0].valid && config.vms[1].valid);
    }
}

static void three_of_a_vm(void **state UNUSED)
{
    expect(VM("a") "shared = m 2M\nshared = n 2M\nshared = o 2M\nshared = p 2M\n" VM(
               "b") "shared = m 2M\nshared = n 2M\nshared = o 2M\n",
           "7: shared = 'p 2M'" NO_SHARED);
}

/* One name more than there is room for: both of its VMs are told. */
static void too_many_names(void **state UNUSED)
{
    char text[4096] = "";
    size_t n = 0;

    for (unsigned vm = 0; vm < 12; vm++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "[vm v%u]\nkernel=k\nmemory=2M\n", vm);
        for (unsigned i = 0; i < 3; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "shared=m%u 2M\n", vm / 2 * 3 + i);
    }
    expect(text, "65: shared 'm16' is one too many, expected at most 16 in all VMs\n"
                 "66: shared 'm17' is one too many, expected at most 16 in all VMs\n"
                 "71: shared 'm16' is one too many, expected at most 16 in all VMs\n"
                 "72: shared 'm17' is one too many, expected at most 16 in all VMs\n");
    assert_true(config.vms[9].valid && !config.vms[10].valid && !config.vms[11].valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memories), cmocka_unit_test(wrong_values),
                                       cmocka_unit_test(three_of_a_vm), cmocka_unit_test(too_many_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
