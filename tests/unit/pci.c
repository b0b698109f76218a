/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's PCI bus: both ways to configuration space, BARs, MSI-X and INTx, with two functions that a test
 * makes up. */
#include "tests/unit/unit.h"

#define MUST(condition) assert_true(condition)
#include "tests/unit/fake_pci.h"

#include "dev/acpi_tables.h"

static int set_up(void **state)
{
    (void)state;
    fake_pci_set_up();
    return 0;
}

/* --- configuration space --- */

static void off_is_off(void **state)
{
    static struct pci_function unused;

    (void)state;
    memset(&bus, 0, sizeof(bus));
    config.pci = false;
    vm.pci = NULL;
    pages_used = 0;
    assert_true(pci_create(&vm, NULL));
    assert_null(vm.pci);
    assert_int_equal(pages_used + bus.device_count + bus.ports.count + bus.memory.count, 0);
    assert_non_null(pci_add(&vm, &unused, &test_ops, 1, &identity));
}

/* What Linux looks for (arch/x86/pci/direct.c does so, too): a register that keeps its value, then a host
 * bridge. */
static void mechanism_1_is_found(void **state)
{
    uint32_t before;

    (void)state;
    out(0xcfb, 1, 1);
    before = in(0xcf8, 4);
    out(0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcf8, 4), 0x80000000);
    out(0xcf8, 4, before);
    assert_int_equal(before, 0);
    assert_int_equal(config_read(0, 0, 4), 0x00081b36);
    assert_int_equal(config_read(0, 0x0a, 2), 0x0600);
    assert_int_equal(config_read(0, 0x0e, 1), 0);
    assert_int_equal(config_read(0, 0x34, 1), 0);
    assert_int_equal(config_read(0, 0x06, 2), 0);
    for (unsigned bar = 0; bar < 6; bar++) {
        config_write(0, PCI_BAR(bar), 4, UINT32_MAX);
        assert_int_equal(config_read(0, PCI_BAR(bar), 4), 0);
    }
}

static void nobody_reads_as_ones(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < PCI_DEVICES; slot++) {
        if (slot == 0 || slot == SLOT || slot == OTHER)
            continue;
        assert_int_equal(config_read(slot, 0, 4), UINT32_MAX);
        config_write(slot, 4, 2, 7);
    }
    out(0xcf8, 4, SLOT << 11); /* not enabled */
    assert_int_equal(in(0xcfc, 4), UINT32_MAX);
    out(0xcf8, 4, 0x80010000 | SLOT << 11); /* bus 1 */
    assert_int_equal(in(0xcfc, 4), UINT32_MAX);
    out(0xcf8, 4, 0x80000100 | SLOT << 11); /* function 1 */
    assert_int_equal(in(0xcfc, 4), UINT32_MAX);
    assert_int_equal(load(ecam(SLOT, 0x1000), 4), UINT32_MAX);
    assert_int_equal(load(ecam(SLOT, 0x100), 4), UINT32_MAX); /* no extended space */
    out(0xcf8, 4, 0x8f000003 | SLOT << 11);                   /* bits that are ignored */
    assert_int_equal(in(0xcfc, 4), 0x10441af4);
}

static void odd_accesses_do_nothing(void **state)
{
    (void)state;
    out(0xcf8, 4, 0x80000000 | SLOT << 11 | 4);
    out(0xcfd, 2, 0xffff); /* crosses nothing, but is not aligned */
    out(0xcf9, 2, UINT16_MAX);
    out(0xcf8, 2, 0);
    out(0xcf8, 1, 0);
    assert_int_equal(in(0xcf8, 4), 0x80000000 | SLOT << 11 | 4);
    assert_int_equal(in(0xcfd, 2), 0xffff);
    assert_int_equal(in(0xcfc, 4) & 0xffff, 0);
    store(ecam(SLOT, 5), 2, 0xffff);
    store(ecam(SLOT, 6), 4, UINT32_MAX);
    store(ecam(SLOT, 0), 8, UINT64_MAX);
    assert_int_equal(load(ecam(SLOT, 0), 8), UINT64_MAX);
    assert_int_equal(load(ecam(SLOT, 1), 2), 0xffff);
    assert_int_equal(get(4, 2), 0);
}

/* Each bit of the header and the capabilities: written as ones, then as zeros. */
static void what_can_be_written(void **state)
{
    static const struct {
        unsigned offset;
        uint32_t bits;
    } rows[] = {{0x04, 0x0547},     {0x10, 0xffffc000}, {0x14, 0xfffff000}, {0x18, 0xffffffe0},
                {0x20, 0xfff00000}, {0x24, 0xffffffff}, {0x3c, 0xff},       {0x40, 0xc0000000},
                {0x50, 0xff},       {0x54, 0xffffffff}};
    uint32_t before;

    (void)state;
    assert_int_equal(vendor_at, 0x4c);
    for (unsigned offset = 0, row = 0; offset < 0x100; offset += 4) {
        uint32_t bits = row < ARRAY_SIZE(rows) && rows[row].offset == offset ? rows[row++].bits : 0;

        if (offset == vendor_at + 16)
            continue;
        before = get(offset, 4);
        set(offset, 4, UINT32_MAX);
        assert_int_equal(get(offset, 4), before | bits);
        set(offset, 4, 0);
        assert_int_equal(get(offset, 4), before & ~bits);
        for (unsigned i = 0; i < 4; i++) {
            set(offset + i, 1, 0xff);
            assert_int_equal(get(offset + i, 1), (before | bits) >> 8 * i & 0xff);
        }
        set(offset, 2, 0);
        set(offset + 2, 2, 0);
        assert_int_equal(get(offset, 4), before & ~bits);
    }
}

static void header(void **state)
{
    (void)state;
    assert_int_equal(get(0x00, 4), 0x10441af4);
    assert_int_equal(get(0x06, 2), STATUS_CAPABILITIES);
    assert_int_equal(get(0x08, 4), 0x00ff0501);
    assert_int_equal(get(0x2c, 4), 0x56781234);
    assert_int_equal(get(0x30, 4), 0);
    assert_int_equal(get(0x3d, 1), 1);
    assert_int_equal(get(0x34, 1), msix_at);
    assert_int_equal(get(msix_at, 4), (VECTORS - 1) << 16 | vendor_at << 8 | 0x11);
    assert_int_equal(get(msix_at + 4, 4), TABLE | 1);
    assert_int_equal(get(msix_at + 8, 4), PBA | 1);
    assert_int_equal(get(vendor_at, 4), 0x05140009);
    assert_int_equal(config_read(OTHER, 0x06, 2), 0);
    assert_int_equal(config_read(OTHER, 0x34, 1), 0);
}

static void live_bytes_are_the_functions(void **state)
{
    (void)state;
    assert_int_equal(get(vendor_at + 16, 4), 0xcafe0123);
    assert_int_equal(seen.live_reads, 2);
    assert_int_equal(seen.offset, vendor_at + 16);
    set(vendor_at + 18, 2, 0xbeef);
    assert_int_equal(seen.live_writes, 1);
    assert_int_equal(seen.offset, vendor_at + 18);
    assert_int_equal(seen.size, 2);
    assert_int_equal(seen.value, 0xbeef);
}

static void capabilities_end_with_the_space(void **state)
{
    static const uint8_t large[64];
    unsigned at, before = vendor_at, count = 0;

    (void)state;
    while (
        (at = pci_add_capability(&f, &(struct pci_capability){PCI_CAPABILITY_VENDOR, 64, large, NULL, 0}))) {
        assert_int_equal(get(before + 1, 1), at);
        assert_int_equal(at % 4, 0);
        before = at;
        count++;
    }
    assert_int_equal(count, 2); /* from 60h on */
    assert_int_equal(get(before + 1, 1), 0);
}

/* --- BARs --- */

static void bars_are_sized(void **state)
{
    static const uint32_t sizes[] = {0xffffc000, 0xfffff000, 0xffffffe1, 0, 0xfff00004, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint32_t before = get(PCI_BAR(i), 4);

        set(PCI_BAR(i), 4, UINT32_MAX);
        assert_int_equal(get(PCI_BAR(i), 4), sizes[i]);
        set(PCI_BAR(i), 4, before);
        assert_int_equal(get(PCI_BAR(i), 4), before);
    }
    assert_int_equal(f.refused_bars, 0);
}

/* Placed before the guest runs, each aligned, none over another; and silent until it is switched on. */
static void bars_have_a_home(void **state)
{
    (void)state;
    assert_int_equal(get(PCI_BAR(0), 4), HOME);
    assert_int_equal(get(PCI_BAR(1), 4), HOME + 0x4000);
    assert_int_equal(get(PCI_BAR(2), 4), IO_HOME | 1);
    assert_int_equal(get(PCI_BAR(4), 4), (HOME + 0x100000) | 4);
    assert_int_equal(get(PCI_BAR(5), 4), 0);
    load(HOME, 4);
    in(IO_HOME, 4);
    assert_int_equal(seen.reads, 0);
    set(4, 2, COMMAND_MEMORY);
    load(HOME + 0x3ffc, 4);
    assert_int_equal(seen.reads, 1);
    assert_int_equal(seen.bar, 0);
    assert_int_equal(seen.offset, 0x3ffc);
    in(IO_HOME, 4);
    assert_int_equal(seen.reads, 1);
    set(4, 2, COMMAND_IO);
    assert_int_equal(in(IO_HOME + 30, 2), 0x7788);
    assert_int_equal(seen.bar, 2);
    assert_int_equal(seen.offset, 30);
    load(HOME, 4);
    assert_int_equal(seen.reads, 2);
    set(4, 2, ON);
    store(HOME + 0x1ffff8, 8, 0x123456789abcdef0);
    assert_int_equal(seen.bar, 4);
    assert_int_equal(seen.offset, 0xffff8);
    assert_int_equal(seen.value, 0x123456789abcdef0);
    out(IO_HOME + 3, 1, 0x5a);
    assert_int_equal(seen.value, 0x5a);
}

static bool answers(uint64_t at)
{
    unsigned before = seen.reads;

    load(at, 4);
    return seen.reads != before;
}

static void bars_move_at_once(void **state)
{
    (void)state;
    set(4, 2, ON);
    assert_true(answers(HOME));
    set(PCI_BAR(0), 4, 0xd0000000);
    assert_false(answers(HOME));
    assert_true(answers(0xd0003ffc));
    assert_false(answers(0xd0004000));
    set(PCI_BAR(2), 4, 0x1000);
    in(0x101f, 1);
    assert_int_equal(seen.offset, 31);
    set(PCI_BAR(5), 4, 0x20); /* to 128 GiB */
    set(PCI_BAR(4), 4, 0);
    assert_true(answers(UINT64_C(0x2000000000)));
    assert_false(answers(HOME + 0x100000));
    set(4, 2, 0);
    assert_false(answers(0xd0000000));
    assert_false(answers(UINT64_C(0x2000000000)));
    set(PCI_BAR(0), 4, 0);
    set(4, 2, ON);
    assert_false(answers(0)); /* 0 is nowhere */
    set(PCI_BAR(0), 4, UINT32_MAX);
    assert_int_equal(f.refused_bars, 0);
}

static void bars_never_cover_others(void **state)
{
    static const uint32_t taken[] = {0x00100000,    0xbffff000 & 0xffffc000,
                                     PCI_ECAM_BASE, 0xe00fc000,
                                     0xfec00000,    0xfee00000,
                                     0xfef00000,    0xfef40000,
                                     0xffff8000};
    static const uint16_t ports[] = {0x3f8, 0xce0, 0x600, 0x40};

    (void)state;
    assert_null(bus_add_ports(&bus, &vm.pci->device, &(struct bus_range){0x3f8, 8, BUS_BYTE, 0}));
    assert_null(bus_add_ports(&bus, &vm.pci->device, &(struct bus_range){0x600, 2, BUS_BYTE, 0}));
    assert_null(bus_add_ports(&bus, &vm.pci->device, &(struct bus_range){0x43, 1, BUS_BYTE, 0}));
    set(4, 2, ON);
    for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
        set(PCI_BAR(0), 4, taken[i]);
        assert_int_equal(get(PCI_BAR(0), 4), taken[i]); /* kept, but nobody is there */
        assert_int_equal(f.refused_bars, i + 1);
        assert_false(f.places[0].mapped);
        assert_false(answers(taken[i]));
    }
    set(PCI_BAR(0), 4, 0xc0000000); /* behind the RAM */
    assert_true(answers(0xc0000000));
    f.refused_bars = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        set(PCI_BAR(2), 4, ports[i]);
        assert_int_equal(f.refused_bars, i + 1);
        assert_false(f.places[2].mapped);
    }
    set(PCI_BAR(2), 4, 0x10000); /* no port */
    assert_false(f.places[2].mapped);
    f.refused_bars = 0;
    set(PCI_BAR(5), 4, 1);
    set(PCI_BAR(4), 4, 0x3ff00000); /* the last RAM */
    assert_int_equal(f.refused_bars, 1);
    set(PCI_BAR(4), 4, 0x40000000);
    assert_true(answers(UINT64_C(0x140000000)));
    set(PCI_BAR(5), 4, 0x00100000); /* beyond all addresses */
    set(PCI_BAR(4), 4, 0);
    assert_false(f.places[4].mapped);
}

/* Whoever was there first stays, and the other one gets the place behind it. */
static void bars_wait_for_a_place(void **state)
{
    (void)state;
    set(4, 2, ON);
    config_write(OTHER, 4, 2, ON);
    config_write(OTHER, PCI_BAR(0), 4, HOME);
    assert_int_equal(other.refused_bars, 1);
    assert_false(other.places[0].mapped);
    config_write(OTHER, PCI_BAR(0), 4, HOME); /* again: still the same mistake */
    assert_int_equal(other.refused_bars, 1);
    assert_true(answers(HOME));
    set(PCI_BAR(0), 4, 0xd0000000);
    assert_true(other.places[0].mapped);
    assert_true(answers(HOME));
    assert_true(answers(0xd0000000));
    set(PCI_BAR(0), 4, HOME);
    assert_int_equal(f.refused_bars, 1);
    config_write(OTHER, 4, 2, 0);
    assert_true(f.places[0].mapped);
    assert_false(f.places[0].refused);
    set(PCI_BAR(1), 4, 0xd1000000);
    set(PCI_BAR(1), 4, HOME + 0x3000); /* one's own, too */
    assert_int_equal(f.refused_bars, 2);
}

/* A place is looked for only by those that want one: one that was refused and switched off does not come
 * back. */
static void what_is_off_does_not_wait(void **state)
{
    (void)state;
    set(4, 2, ON);
    config_write(OTHER, PCI_BAR(0), 4, HOME);
    config_write(OTHER, 4, 2, ON);
    config_write(OTHER, 4, 2, 0);
    set(PCI_BAR(0), 4, 0xd0000000);
    assert_false(other.places[0].mapped);
    assert_false(answers(HOME));
}

static void by_configuration_space(void **state)
{
    (void)state;
    assert_int_equal(pci_bar_read(&f, 0, 0x10, 2), UINT64_C(0x1122334455667788));
    assert_int_equal(seen.size, 2);
    pci_bar_write(&f, 2, 28, 4, UINT64_MAX);
    assert_int_equal(seen.value, UINT32_MAX);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(pci_bar_read(&f, 0, 0x3ffd, 4), UINT64_MAX);
    assert_int_equal(pci_bar_read(&f, 0, UINT32_MAX, 4), UINT64_MAX);
    assert_int_equal(pci_bar_read(&f, 0, 0, 3), UINT64_MAX);
    assert_int_equal(pci_bar_read(&f, 2, 0, 8), UINT64_MAX);
    assert_int_equal(pci_bar_read(&f, 3, 0, 4), UINT64_MAX);
    assert_int_equal(pci_bar_read(&f, 6, 0, 4), UINT64_MAX);
    pci_bar_write(&f, 255, 0, 4, 0);
    assert_int_equal(seen.reads, 0);
    assert_int_equal(pci_bar_read(&f, 1, TABLE + 12, 4), 1);
}

/* --- INTx --- */

static void lines_share_a_pin(void **state)
{
    (void)state;
    assert_int_equal(PCI_INTX_GSI(SLOT), 19);
    pci_set_intx(&f, true);
    assert_int_equal(pins, 1 << 19);
    assert_int_equal(get(6, 2), STATUS_CAPABILITIES | STATUS_INTX);
    pci_set_intx(&other, true);
    pci_set_intx(&f, false);
    assert_int_equal(pins, 1 << 19);
    assert_int_equal(pin_changes, 1);
    assert_int_equal(get(6, 2), STATUS_CAPABILITIES);
    assert_int_equal(config_read(OTHER, 6, 2), STATUS_INTX);
    pci_set_intx(&other, false);
    assert_int_equal(pins, 0);
}

static void lines_are_switched_off(void **state)
{
    (void)state;
    pci_set_intx(&f, true);
    set(4, 2, COMMAND_NO_INTX);
    assert_int_equal(pins, 0);
    assert_int_equal(get(6, 2) & STATUS_INTX, STATUS_INTX); /* the line itself shows */
    set(4, 2, 0);
    assert_int_equal(pins, 1 << 19);
    set(msix_at + 2, 2, MSIX_ENABLE);
    assert_int_equal(pins, 0);
    pci_set_intx(&f, false);
    pci_set_intx(&f, true);
    assert_int_equal(pins, 0);
    set(msix_at + 3, 1, 0);
    assert_int_equal(pins, 1 << 19);
}

/* --- reset --- */

static void reset_is_as_built(void **state)
{
    struct pci_function before = f;

    (void)state;
    vm.pci->address = 0x80001234;
    start_msix();
    set(PCI_BAR(0), 4, 0xd0000000);
    set(PCI_BAR(2), 4, 0x3f8);
    set(PCI_LINE, 1, 11);
    set(vendor_at + 4, 4, UINT32_MAX);
    store(entry(0, 3), 4, 1);
    pci_msix_send(&f, 0);
    pci_set_intx(&f, true);
    bus_reset(&bus);
    assert_int_equal(seen.resets, 2);
    assert_int_equal(in(0xcf8, 4), 0);
    assert_memory_equal(f.config, before.config, sizeof(f.config));
    assert_int_equal(pins, 0);
    assert_false(answers(0xd0000000));
    assert_false(answers(HOME));
    assert_int_equal(f.msix.pending, 0);
    pci_msix_send(&f, 0);
    assert_int_equal(sent(), 0);
    bus_reset(&bus);
    set(4, 2, ON);
    assert_true(answers(HOME));
    assert_int_equal(load(entry(0, 2), 8), UINT64_C(1) << 32);
    assert_int_equal(get(PCI_BAR(0), 4), HOME);
}

/* --- building --- */

static void refused_functions(void **state)
{
    static const struct pci_identity rows[] = {
        {.bars = {{PCI_BAR_MEMORY32, 0x3000}}},
        {.bars = {{PCI_BAR_MEMORY32, 0x80}}},
        {.bars = {{PCI_BAR_PREFETCH64, PAGE_2M}}}, /* not in this place */
        {.bars = {{PCI_BAR_MEMORY32, 0}}},
        {.bars = {{PCI_BAR_MEMORY32, 2 * PCI_MEMORY_SIZE}}},
        {.bars = {{PCI_BAR_MEMORY32, PCI_MEMORY_SIZE}, {PCI_BAR_MEMORY32, 0x1000}}},
        {.bars = {{PCI_BAR_IO, 2}}},
        {.bars = {{PCI_BAR_IO, 512}}},
        {.bars = {{PCI_BAR_IO, 256}, {PCI_BAR_IO, 4}}},
        {.bars = {{PCI_BAR_MEMORY64, 0x1000}, {PCI_BAR_IO, 4}}},
        {.bars = {[5] = {PCI_BAR_MEMORY64, 0x1000}}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {PCI_MSIX_VECTORS + 1, 0, 0, 0x800, entries}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {1, 0, 0, 0x800, NULL}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {1, 1, 0, 0x800, entries}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {1, 6, 0, 0x800, entries}},
        {.bars = {{PCI_BAR_IO, 256}}, .msix = {1, 0, 0, 0x80, entries}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {1, 0, 0xff8, 0, entries}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {1, 0, 0, 0x1000, entries}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {1, 0, 4, 0x800, entries}},
        {.bars = {{PCI_BAR_MEMORY32, 0x1000}}, .msix = {2, 0, 0, 0x18, entries}},
    };
    static struct pci_function g;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        memset(&g, 0, sizeof(g));
        assert_non_null(pci_add(&vm, &g, &test_ops, 5, &rows[i]));
        assert_int_equal(config_read(5, 0, 4), UINT32_MAX);
    }
    memset(&g, 0, sizeof(g));
    assert_non_null(pci_add(&vm, &g, &test_ops, 0, &(struct pci_identity){.vendor = 1}));
    assert_non_null(pci_add(&vm, &g, &test_ops, SLOT, &(struct pci_identity){.vendor = 1}));
    assert_non_null(pci_add(&vm, &g, &test_ops, 32, &(struct pci_identity){.vendor = 1}));
    assert_null(pci_add(&vm, &g, &test_ops, 31, &(struct pci_identity){.vendor = 1}));
    assert_int_equal(config_read(31, 0, 2), 1);
}

static void the_map_shows_ecam(void **state)
{
    static struct image image;

    (void)state;
    assert_true(pci_show_ecam(&vm, &image));
    assert_int_equal(image.reserved_base.value, ACPI_TABLES_ECAM_BASE);
    assert_int_equal(image.reserved_size, MIB);
    vm.pci = NULL;
    assert_true(pci_show_ecam(&vm, &image));
    assert_int_equal(image.reserved_size, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(off_is_off),
        TEST(mechanism_1_is_found),
        TEST(nobody_reads_as_ones),
        TEST(odd_accesses_do_nothing),
        TEST(what_can_be_written),
        TEST(header),
        TEST(live_bytes_are_the_functions),
        TEST(capabilities_end_with_the_space),
        TEST(bars_are_sized),
        TEST(bars_have_a_home),
        TEST(bars_move_at_once),
        TEST(bars_never_cover_others),
        TEST(bars_wait_for_a_place),
        TEST(what_is_off_does_not_wait),
        TEST(by_configuration_space),
        TEST(lines_share_a_pin),
        TEST(lines_are_switched_off),
        TEST(reset_is_as_built),
        TEST(refused_functions),
        TEST(the_map_shows_ecam),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
