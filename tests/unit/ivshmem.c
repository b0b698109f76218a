/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that VMs share as a PCI device: registers, doorbells, where the memory is shown, and whose it is. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "core/vm/shared_memory.c"
#include "dev/pci/ivshmem.c"

#define MUST(condition) assert_true(condition)
#include "tests/unit/fake_pci.h"

#define SIZE      PAGE_2M
#define BASE      PAGE_2M /* where the memory is, on the host */
#define AT        (PCI_MEMORY_BASE + IVSHMEM_SLOT * PCI_MEMORY_SIZE)
#define TABLE_AT  (AT + PAGE_SIZE)
#define MEMORY_AT PCI_LARGE_BASE
#define MOVED     UINT64_C(0xdc000000)

struct account memory_host = {.owner = MEMORY_HOST};
struct backend backend;
static unsigned allocations, zeroed;
static bool no_memory;

hpa_t memory_alloc(struct account *account, enum memory_kind kind, uint64_t count, uint64_t align)
{
    assert_ptr_equal(account, &memory_host);
    assert_true(kind == MEMORY_STATE && count == SIZE / PAGE_SIZE && align == PAGE_2M / PAGE_SIZE);
    allocations++;
    return hpa(no_memory ? 0 : BASE);
}

void memory_zero(void *at, uint64_t count)
{
    assert_ptr_equal(at, phys_to_virt(hpa(BASE)));
    memset(at, 0, count * PAGE_SIZE);
    zeroed++;
}

void log_info(const char *fmt UNUSED, ...)
{
}

/* --- second-level tables: one mapping at most --- */

static uint64_t shown_at;
static unsigned shown_rights;

static bool map_window(struct vm *of, gpa_t at, hpa_t to, uint64_t size, unsigned rights)
{
    assert_ptr_equal(of, &vm);
    assert_true(at.value >= GUEST_WINDOWS && at.value + size <= GUEST_WINDOWS_END && at.value % PAGE_2M == 0);
    assert_true(size == SIZE && (rights ? to.value == BASE && !shown_at : !to.value));
    if (rights || shown_at == at.value)
        shown_at = rights ? at.value : 0;
    shown_rights = rights;
    return true;
}

/* --- the peer --- */

static struct vm_config peer_config;
static struct vm peer;
static unsigned rings, last_vector;

static void ring(void *context, unsigned vector)
{
    assert_ptr_equal(context, &peer);
    rings++;
    last_vector = vector;
}

static void set_phase(struct vm *of, enum vm_phase phase)
{
    of->state.phase = (uint8_t)phase;
}

static void share(struct vm_config *c, unsigned position, bool read_only)
{
    c->shared[0] = (struct shared_config){
        .name = "m", .size = SIZE, .read_only = read_only, .region = 4, .peer = position};
    c->shared_count = 1;
}

static int set_up_with(bool read_only)
{
    memset(memories, 0, sizeof(memories));
    allocations = zeroed = rings = shown_at = 0;
    no_memory = false;
    if (!fake_memory_create(2 * PAGE_2M))
        return -1;
    backend.map_window = map_window;
    fake_pci_set_up();
    share(&config, 1, read_only);
    share(&peer_config, 2, false);
    peer = (struct vm){.config = &peer_config};
    set_phase(&vm, VM_RUNS);
    set_phase(&peer, VM_RUNS);
    assert_true(ivshmem_create(&vm, NULL));
    assert_non_null(shared_attach(&peer, 0, ring, &peer));
    config_write(IVSHMEM_SLOT, 4, 2, ON);
    return 0;
}

static int set_up(void **state UNUSED)
{
    return set_up_with(false);
}

static int set_up_read_only(void **state UNUSED)
{
    return set_up_with(true);
}

static int tear_down(void **state UNUSED)
{
    fake_memory_destroy(2 * PAGE_2M);
    return 0;
}

static uint8_t *memory(void)
{
    return phys_to_virt(hpa(BASE));
}

static struct ivshmem *device(void)
{
    return vm.shared[0];
}

/* --- what it is --- */

static void identified(void **state UNUSED)
{
    assert_int_equal(config_read(IVSHMEM_SLOT, 0, 4), 0x11101af4);
    assert_int_equal(config_read(IVSHMEM_SLOT, 8, 4), 0x05000001);
    assert_int_equal(config_read(IVSHMEM_SLOT, PCI_PIN, 1), 0);
    assert_int_equal(config_read(IVSHMEM_SLOT, PCI_BAR(2), 4), MEMORY_AT | 0xc); /* 64 bits, prefetchable */
    assert_int_equal(config_read(IVSHMEM_SLOT, PCI_BAR(3), 4), 0);
    config_write(IVSHMEM_SLOT, PCI_BAR(0), 4, UINT32_MAX);
    config_write(IVSHMEM_SLOT, PCI_BAR(2), 4, UINT32_MAX);
    config_write(IVSHMEM_SLOT, PCI_BAR(3), 4, UINT32_MAX);
    assert_int_equal(config_read(IVSHMEM_SLOT, PCI_BAR(0), 4), 0xffffff00);
    assert_int_equal(config_read(IVSHMEM_SLOT, PCI_BAR(2), 4), (uint32_t)-SIZE | 0xc);
    assert_int_equal(config_read(IVSHMEM_SLOT, PCI_BAR(3), 4), UINT32_MAX);
}

static void registers(void **state UNUSED)
{
    assert_int_equal(load(AT + POSITION, 4), 1);
    store(AT + POSITION, 4, 7);
    assert_int_equal(load(AT + POSITION, 4), 1);
    store(AT + INTERRUPT_MASK, 4, 0xabcd);
    assert_int_equal(load(AT + INTERRUPT_MASK, 4), 0xabcd);
    store(AT + INTERRUPT_STATUS, 4, 1);
    assert_int_equal(load(AT + INTERRUPT_STATUS, 4), 0);
    assert_int_equal(load(AT + DOORBELL, 4), 0);
    assert_int_equal(load(AT + 0x10, 4), 0);
    assert_int_equal(load(AT + 0xfc, 4), 0);
    bus_reset(&bus);
    config_write(IVSHMEM_SLOT, 4, 2, ON);
    assert_int_equal(load(AT + INTERRUPT_MASK, 4), 0);
}

/* Of other widths and between two: nothing is read, written or rung, and each write counts. */
static void bad_widths(void **state UNUSED)
{
    static const struct {
        unsigned offset, size;
    } rows[] = {{8, 1},   {8, 2},   {8, 8},   {9, 1},   {10, 2}, {6, 4},
                {0xd, 1}, {0xc, 2}, {0xc, 8}, {0xe, 2}, {0xb, 4}};

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(load(AT + rows[i].offset, rows[i].size), UINT64_MAX >> (64 - 8 * rows[i].size));
        store(AT + rows[i].offset, rows[i].size, UINT64_C(0x0002000000020000));
        assert_int_equal(device()->ignored, i + 1);
    }
    assert_int_equal(rings + sent() + device()->mask, 0);
}

/* --- doorbells --- */

static void doorbells_reach_the_peer(void **state UNUSED)
{
    for (unsigned vector = 0; vector < IVSHMEM_VECTORS; vector++) {
        store(AT + DOORBELL, 4, 2 << 16 | vector);
        assert_int_equal(rings, vector + 1);
        assert_int_equal(last_vector, vector);
    }
    assert_int_equal(device()->rung, IVSHMEM_VECTORS);
}

static void unknown_peers_and_vectors(void **state UNUSED)
{
    static const uint32_t values[] = {0,
                                      3 << 16,
                                      CONFIG_MAX_VMS << 16,
                                      0xffff0000,
                                      0xffffffff,
                                      2 << 16 | IVSHMEM_VECTORS,
                                      2 << 16 | 0xffff};

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        store(AT + DOORBELL, 4, values[i]);
    assert_int_equal(rings + device()->rung, 0);
    assert_int_equal(device()->ignored, ARRAY_SIZE(values));
}

/* One that has ended, or is destroyed, or made again. */
static void peers_come_and_go(void **state UNUSED)
{
    set_phase(&peer, VM_STOPPED);
    store(AT + DOORBELL, 4, 2 << 16);
    set_phase(&peer, VM_RUNS);
    shared_detach(&peer);
    shared_detach(&peer);
    store(AT + DOORBELL, 4, 2 << 16);
    assert_int_equal(rings, 0);
    assert_int_equal(device()->ignored, 2);
    assert_non_null(shared_attach(&peer, 0, ring, &peer));
    store(AT + DOORBELL, 4, 2 << 16);
    assert_int_equal(rings, 1);
}

/* By MSI-X, if the guest wants it; also its own. */
static void doorbells_are_messages(void **state UNUSED)
{
    store(AT + DOORBELL, 4, 1 << 16 | 3);
    assert_int_equal(sent(), 0); /* pending */
    store(TABLE_AT + 3 * 16, 8, MSI_BASE | 5 << 12);
    store(TABLE_AT + 3 * 16 + 8, 8, 0x51);
    config_write(IVSHMEM_SLOT, device()->function.msix.control, 2, MSIX_ENABLE);
    assert_int_equal(sent(), 1);
    assert_true(shared_ring_at(&memories[4], 1, 3));
    assert_int_equal(sent(), 1);
    assert_true(posted_vector == 0x51 && posted_to == 5);
    assert_int_equal(device()->heard, 2);
}

/* --- the memory --- */

static void memory_is_shown(void **state UNUSED)
{
    assert_true(shown_at == MEMORY_AT && shown_rights == (GUEST_MAY_READ | GUEST_MAY_WRITE));
    config_write(IVSHMEM_SLOT, PCI_BAR(2), 4, (uint32_t)MOVED);
    assert_true(shown_at == MOVED);
    config_write(IVSHMEM_SLOT, 4, 2, 0);
    assert_true(shown_at == 0);
    config_write(IVSHMEM_SLOT, 4, 2, ON);
    assert_true(shown_at == MOVED);
    bus_reset(&bus);
    assert_true(shown_at == 0);
    config_write(IVSHMEM_SLOT, 4, 2, ON);
    assert_true(shown_at == MEMORY_AT);
}

/* Nor beyond 4 GiB, where there are no tables for it, nor over another BAR; it waits for a place. */
static void memory_is_not_shown_elsewhere(void **state UNUSED)
{
    config_write(IVSHMEM_SLOT, PCI_BAR(3), 4, 0x10);
    assert_true(shown_at == 0 && device()->function.places[BAR_MEMORY].refused);
    assert_int_equal(load(UINT64_C(0x1000000000) + MEMORY_AT, 4), UINT32_MAX);
    config_write(IVSHMEM_SLOT, PCI_BAR(3), 4, 0);
    assert_true(shown_at == MEMORY_AT);
    config_write(IVSHMEM_SLOT, PCI_BAR(2), 4, (uint32_t)PCI_MEMORY_BASE + (SLOT << 24));
    assert_true(shown_at == MEMORY_AT || shown_at == HOME);
    set(4, 2, ON);
    assert_true(shown_at == HOME && f.places[0].refused); /* who was there first */
    config_write(IVSHMEM_SLOT, PCI_BAR(2), 4, (uint32_t)PCI_ECAM_BASE);
    assert_true(shown_at == 0 && f.places[0].mapped);
}

/* What the processor does not do itself: an instruction that is emulated. */
static void emulated_accesses(void **state UNUSED)
{
    store(MEMORY_AT + 0x101, 8, UINT64_C(0x1122334455667788));
    assert_int_equal(memory()[0x101], 0x88);
    assert_int_equal(memory()[0x109], 0);
    assert_int_equal(load(MEMORY_AT + 0x102, 2), 0x6677);
    store(MEMORY_AT + SIZE - 1, 1, 9);
    assert_int_equal(memory()[SIZE - 1], 9);
    store(MEMORY_AT + SIZE - 1, 2, 0xffff);
    assert_int_equal(memory()[SIZE - 1], 9);
    assert_int_equal(device()->unwritten, 0);
}

static void read_only(void **state UNUSED)
{
    assert_int_equal(shown_rights, GUEST_MAY_READ);
    memory()[5] = 0x42;
    store(MEMORY_AT + 4, 4, 0);
    assert_int_equal(load(MEMORY_AT + 5, 1), 0x42);
    assert_int_equal(device()->unwritten, 1);
    store(AT + DOORBELL, 4, 2 << 16);
    assert_int_equal(rings, 1);
}

/* --- whose it is --- */

static void zeroed_when_nobody_has_it(void **state UNUSED)
{
    assert_int_equal(allocations, 1);
    assert_int_equal(zeroed, 1);
    assert_int_equal(shared_missing(&config), 0);
    memory()[1] = 1;
    ivshmem_destroy(&vm);
    assert_int_equal(memory()[1], 1); /* the peer's */
    shared_detach(&peer);
    assert_int_equal(memory()[1], 0);
    assert_int_equal(zeroed, 2);
    assert_non_null(shared_attach(&peer, 0, ring, &peer));
    assert_int_equal(allocations, 1);
}

static void out_of_memory(void **state UNUSED)
{
    memset(memories, 0, sizeof(memories));
    no_memory = true;
    assert_int_equal(shared_missing(&config), SIZE / PAGE_SIZE);
    assert_null(shared_attach(&peer, 0, ring, &peer));
    shared_detach(&peer);
    assert_false(shared_ring_at(&memories[4], 2, 0));
}

#define TEST(name)           cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_READ_ONLY(name) cmocka_unit_test_setup_teardown(name, set_up_read_only, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(identified),
        TEST(registers),
        TEST(bad_widths),
        TEST(doorbells_reach_the_peer),
        TEST(unknown_peers_and_vectors),
        TEST(peers_come_and_go),
        TEST(doorbells_are_messages),
        TEST(memory_is_shown),
        TEST(memory_is_not_shown_elsewhere),
        TEST(emulated_accesses),
        TEST_READ_ONLY(read_only),
        TEST(zeroed_when_nobody_has_it),
        TEST(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
