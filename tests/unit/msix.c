/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X of a function: its table and pending bits as the guest sees them, and which messages are sent. */
#include "tests/unit/unit.h"

#define MUST(condition) assert_true(condition)
#include "tests/unit/fake_pci.h"

#define EXT_DEST BIT(15) /* kvm_features */

static int set_up(void **state)
{
    (void)state;
    fake_pci_set_up();
    return 0;
}

static uint64_t pba(void)
{
    return load(HOME + 0x4000 + PBA, 8);
}

static void messages_take_their_route(void **state)
{
    (void)state;
    assert_false(pci_msix_enabled(&f));
    assert_false(pci_bus_master(&f));
    start_msix();
    assert_true(pci_msix_enabled(&f));
    assert_true(pci_bus_master(&f));
    for (unsigned i = 0; i < VECTORS; i++) {
        pci_msix_send(&f, i);
        assert_int_equal(posted, i + 1);
        assert_int_equal(posted_to, i);
        assert_int_equal(posted_vector, 0x40 + i);
    }
    pci_msix_send(&f, VECTORS);
    pci_msix_send(&f, 0xffff);
    pci_msix_send(&other, 0);
    assert_int_equal(posted + delivered, VECTORS);
    assert_int_equal(pba(), 0);
    store(entry(1, 0), 4, 0xfee02000); /* to another CPU, at once */
    pci_msix_send(&f, 1);
    assert_int_equal(posted_to, 2);
    store(entry(1, 2), 4, 0x77);
    pci_msix_send(&f, 1);
    assert_int_equal(posted_vector, 0x77);
}

static void the_table_reads_as_written(void **state)
{
    (void)state;
    set(4, 2, ON);
    for (unsigned i = 0; i < VECTORS; i++) {
        assert_int_equal(load(entry(i, 0), 8), 0);
        assert_int_equal(load(entry(i, 2), 8), UINT64_C(1) << 32); /* masked */
        store(entry(i, 0), 4, UINT32_MAX - i);
        store(entry(i, 1), 4, 0x11111111 * i);
        store(entry(i, 2), 4, 0x22222222 * i);
        store(entry(i, 3), 4, UINT32_MAX - 1);
    }
    for (unsigned i = 0; i < VECTORS; i++) {
        assert_int_equal(load(entry(i, 0), 4), (UINT32_MAX - i) & ~3u);
        assert_int_equal(load(entry(i, 1), 4), 0x11111111 * i);
        assert_int_equal(load(entry(i, 2), 8), 0x22222222 * i);
    }
    store(entry(0, 3), 4, UINT32_MAX);
    assert_int_equal(load(entry(0, 3), 4), 1);
    assert_int_equal(seen.reads + seen.writes, 0);
    load(entry(VECTORS, 0), 4); /* behind the table: the function's */
    assert_int_equal(seen.reads, 1);
    assert_int_equal(seen.offset, TABLE + VECTORS * 16);
}

static void odd_accesses_to_the_table(void **state)
{
    (void)state;
    start_msix();
    store(entry(0, 0), 1, 0);
    store(entry(0, 0) + 2, 2, 0);
    store(entry(0, 0) + 1, 4, 0);
    store(entry(0, 1), 8, 0);
    assert_int_equal(load(entry(0, 0), 8), MSI_BASE);
    assert_int_equal(load(entry(0, 0), 2), 0xffff);
    assert_int_equal(load(entry(1, 1), 8), UINT64_MAX);
    store(HOME + 0x4000 + PBA, 8, UINT64_MAX);
    assert_int_equal(pba(), 0);
    assert_int_equal(load(HOME + 0x4000 + PBA, 1), 0xff);
    store(entry(VECTORS, 0) - 4, 8, UINT64_MAX); /* half behind the table */
    assert_int_equal(load(entry(VECTORS - 1, 3), 4), 0);
    assert_int_equal(seen.reads + seen.writes, 0);
}

static void masks_keep_messages(void **state)
{
    (void)state;
    start_msix();
    store(entry(2, 3), 4, 1);
    pci_msix_send(&f, 2);
    pci_msix_send(&f, 2);
    pci_msix_send(&f, 1);
    assert_int_equal(sent(), 1);
    assert_int_equal(pba(), 1 << 2);
    assert_int_equal(load(HOME + 0x4000 + PBA + 4, 4), 0);
    store(entry(2, 3), 4, 0);
    assert_int_equal(sent(), 1); /* once */
    assert_int_equal(delivery.data, 0x42);
    assert_int_equal(pba(), 0);
    store(entry(2, 3), 4, 0);
    assert_int_equal(sent(), 0);
    pci_msix_send(&f, 2);
    assert_int_equal(posted, 1);
}

static void what_keeps_all_back(void **state)
{
    static const struct {
        unsigned offset;
        uint16_t off, on;
    } rows[] = {{0x40 + 2, MSIX_ENABLE | MSIX_MASK_ALL, MSIX_ENABLE},
                {0x40 + 2, 0, MSIX_ENABLE},
                {4, COMMAND_MEMORY, ON}};

    (void)state;
    start_msix();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        set(rows[i].offset, 2, rows[i].off);
        pci_msix_send(&f, 0);
        pci_msix_send(&f, 4);
        assert_int_equal(sent(), 0);
        assert_int_equal(pba(), 0x11);
        store(entry(4, 3), 4, 1);
        set(rows[i].offset, 2, rows[i].on);
        assert_int_equal(sent(), 1);
        assert_int_equal(pba(), 0x10);
        store(entry(4, 3), 4, 0);
        assert_int_equal(sent(), 1);
        pci_msix_send(&f, 3);
        assert_int_equal(sent(), 1);
    }
    set(msix_at + 2, 2, 0);
    assert_int_equal(load(entry(3, 2), 4), 0x43); /* entries survive */
}

/* As Linux does: enable with all masked, mask each, then unmask those in use. */
static void as_linux_sets_it_up(void **state)
{
    (void)state;
    set(4, 2, COMMAND_MEMORY | COMMAND_MASTER);
    set(msix_at + 2, 2, MSIX_ENABLE | MSIX_MASK_ALL);
    for (unsigned i = 0; i < VECTORS; i++)
        store(entry(i, 3), 4, 1);
    set(4, 2, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
    set(msix_at + 2, 2, MSIX_ENABLE);
    pci_msix_send(&f, 1);
    assert_int_equal(sent(), 0);
    store(entry(1, 0), 4, 0xfee01000);
    store(entry(1, 1), 4, 0);
    store(entry(1, 2), 4, 0x22);
    store(entry(1, 3), 4, 0);
    assert_int_equal(load(entry(1, 3), 4), 0);
    assert_int_equal(sent(), 1); /* what was pending */
    pci_msix_send(&f, 1);
    assert_int_equal(posted_to, 1);
    store(entry(1, 3), 4, 1); /* its affinity changes */
    pci_msix_send(&f, 1);
    store(entry(1, 0), 4, 0xfee03000);
    store(entry(1, 3), 4, 0);
    assert_int_equal(delivery.address, 0xfee03000);
    pci_msix_send(&f, 1);
    assert_int_equal(posted_to, 3);
}

static void what_is_no_interrupt_is_dropped(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t data;
        bool dropped;
    } rows[] = {
        {MSI_BASE, 0x10, false},
        {MSI_BASE, 0x0f, true},
        {MSI_BASE, 0x00, true},
        {MSI_BASE, LOWEST << 8 | 0x30, false},
        {MSI_BASE, LOWEST << 8 | 0x03, true},
        {MSI_BASE, NMI << 8, false},
        {MSI_BASE, SMI << 8 | 0x30, true},
        {MSI_BASE, INIT << 8 | 0x30, true},
        {MSI_BASE, STARTUP << 8 | 0x30, true},
        {MSI_BASE, RESERVED_MODE << 8 | 0x30, true},
        {MSI_BASE, EXTINT << 8 | 0x30, true},
        {0x00100000, 0x30, true},
        {0xfed00000, 0x30, true},
        {0xfef00000, 0x30, true},
        {BIT(32) | MSI_BASE, 0x30, true},
        {0, 0, true},
    };

    (void)state;
    start_msix();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t before = f.dropped_messages;

        store(entry(0, 0), 8, rows[i].address);
        store(entry(0, 2), 4, rows[i].data);
        pci_msix_send(&f, 0);
        assert_int_equal(sent(), !rows[i].dropped);
        assert_int_equal(f.dropped_messages - before, rows[i].dropped);
        assert_int_equal(pba(), 0);
    }
}

/* A device's message is an edge, whatever else its data says. */
static void messages_are_edges(void **state)
{
    (void)state;
    start_msix();
    set_entry(0, 0xfee00ffc, 0xffffc130); /* several vCPUs: no route */
    pci_msix_send(&f, 0);
    assert_int_equal(delivered, 1);
    assert_int_equal(delivery.data, LOWEST << 8 | 0x30);
    assert_int_equal(delivery.address, 0xfee0001c); /* the upper bits of the destination were not offered */
}

static void destinations_of_15_bits(void **state)
{
    (void)state;
    start_msix();
    set_entry(0, 0xfee12020, 0x50);
    pci_msix_send(&f, 0);
    assert_int_equal(posted_to, 0x12);
    vm.kvm_features = EXT_DEST;
    set_entry(0, 0xfee12020, 0x50);
    pci_msix_send(&f, 0);
    assert_int_equal(posted_to, 0x112);
}

/* The local APICs have changed since: found out again, by looking at each. */
static void old_routes_are_found_again(void **state)
{
    (void)state;
    start_msix();
    routes_are_old = true;
    pci_msix_send(&f, 2);
    assert_int_equal(posted, 0);
    assert_int_equal(delivered, 1);
    assert_int_equal(delivery.data, 0x42);
    assert_int_equal(pba(), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_take_their_route),
        TEST(the_table_reads_as_written),
        TEST(odd_accesses_to_the_table),
        TEST(masks_keep_messages),
        TEST(what_keeps_all_back),
        TEST(as_linux_sets_it_up),
        TEST(what_is_no_interrupt_is_dropped),
        TEST(messages_are_edges),
        TEST(destinations_of_15_bits),
        TEST(old_routes_are_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
