/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's second-level tables lead to: its RAM, the page of the local APIC, and ranges beside them. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "arch/x86/paging.c"
#include "core/vm/guest.c"
#include "tests/unit/fake_panic.h"
#include "vcpu/second_level.c"
#include "vmx/ept.c"

#define TABLE_PAGES 1024
#define MEMORY      (3 * GIB + 8 * PAGE_2M)
#define PIECES      (MEMORY / PAGE_2M)
#define RAM_AT      UINT64_C(0x100000000) /* on the host, where nobody looks */
#define DEVICE      UINT64_C(0x380000000000)
#define MIXED       5                         /* the piece that the MTRRs give two types */
#define SIZE        (PAGE_2M + 3 * PAGE_SIZE) /* a large page, and some */
#define NEAR        UINT64_C(0xe0000000) /* in the GiB of the local APIC, of which each view has its own tables */
#define BEHIND_RAM  UINT64_C(0x104000000)  /* in the GiB of the RAM above 4 GiB, whose tables they share */
#define FAR         UINT64_C(0x8000000000) /* below another entry of the top table */
/* A guest's PAT is ignored but on devices. */
#define FLAGS(r, t) ((r) | (uint64_t)(t) << EPT_TYPE_SHIFT | ((t) == CACHE_UC ? 0 : EPT_IPAT))

struct machine machine;
struct vmx_caps vmx_caps;
static uint64_t pages_used, pages_allowed;
static unsigned changes;
static bool registered;
static enum vmx_rung rung;
static hpa_t ram[PIECES];
static struct vm_config config;
static struct vm vm;

void *memory_alloc_zeroed(struct account *account, enum memory_kind kind UNUSED, uint64_t count)
{
    assert_ptr_equal(account, &vm.account);
    assert_int_equal(count, 1);
    if (pages_used == pages_allowed)
        return NULL;
    return memset(phys_to_virt(hpa(++pages_used * PAGE_SIZE)), 0, PAGE_SIZE);
}

enum cache_type mtrr_page_type(const struct mtrrs *m UNUSED, uint64_t address)
{
    return address / PAGE_SIZE % 2 ? CACHE_WT : CACHE_WB;
}

bool mtrr_range_type(const struct mtrrs *m UNUSED, uint64_t base, uint64_t size, enum cache_type *type)
{
    *type = CACHE_WB;
    return ram[MIXED].value < base || ram[MIXED].value >= base + size;
}

uint32_t kvm_features(const struct vm_config *c UNUSED, struct kvm_needless needless UNUSED)
{
    return 0;
}

bool kvm_writes_to(const struct vm *of, gpa_t at UNUSED, uint64_t size UNUSED)
{
    assert_ptr_equal(of, &vm);
    assert_false(spin_try(&vm.sharing));
    return registered;
}

enum vmx_rung vmx_rung(const struct vm_config *c UNUSED)
{
    return rung;
}

struct kvm_needless vmx_needless(const struct vm_config *c UNUSED)
{
    return (struct kvm_needless){0};
}

void vmx_apicv_open_msrs(uint8_t *bitmap UNUSED, enum vmx_rung r UNUSED)
{
}

void vmx_msr_bitmap_init(uint8_t *bitmap UNUSED, const struct vm *of)
{
    assert_ptr_equal(of, &vm);
}

static unsigned guards;

unsigned guards_for(const struct vm_config *c)
{
    assert_ptr_equal(c, &config);
    return guards;
}

uint64_t second_level_new_generation(struct second_level *t UNUSED)
{
    return 0;
}

static unsigned told;

uint64_t second_level_tell(const struct vm *changed)
{
    assert_ptr_equal(changed, &vm);
    told++;
    return 0;
}

void second_level_changed(const struct vm *changed)
{
    assert_ptr_equal(changed, &vm);
    changes++;
}

static uint64_t pages_created;

static int set_up_with(void **state, uint64_t pages)
{
    (void)state;
    pages_created = pages + 1;
    if (!fake_memory_create(pages_created * PAGE_SIZE))
        return -1;
    pages_used = changes = 0;
    registered = false;
    pages_allowed = pages;
    rung = RUNG_TPR_SHADOW;
    vmx_caps.ept_vpid = EPT_PAGES_2M | EPT_PAGES_1G;
    for (unsigned i = 0; i < PIECES; i++)
        ram[i] = hpa(RAM_AT + i * PAGE_2M);
    vm = (struct vm){.config = &config, .memory = MEMORY, .ram = ram};
    return vmx_vm_create(&vm) ? 0 : -1;
}

static int set_up(void **state)
{
    return set_up_with(state, TABLE_PAGES);
}

static int tear_down(void **state)
{
    (void)state;
    fake_memory_destroy(pages_created * PAGE_SIZE);
    return 0;
}

static struct vmx_vm *tables(void)
{
    return vm.backend;
}

/* In both views: the 4 KiB page at `at` leads to host with these flags; flags 0: to nothing. */
static void leads_to(const struct page_table *t, uint64_t at, uint64_t host, uint64_t flags)
{
    unsigned level = 0;
    uint64_t entry = paging_lookup(t, at, &level), size;

    if (!flags) {
        assert_int_equal(entry, 0);
        return;
    }
    assert_in_range(level, 1, 3);
    size = UINT64_C(1) << (PAGE_SHIFT + 9 * (level - 1));
    assert_int_equal(entry & EPT_ATTRIBUTES & ~PTE_LARGE, flags);
    assert_int_equal((entry & LEAF_ADDRESS) + (at & (size - 1)), host);
}

static void both_lead_to(uint64_t at, uint64_t host, uint64_t flags)
{
    leads_to(&tables()->ept.table, at, host, flags);
    leads_to(&tables()->ept_apic, at, host, flags);
}

static void ram_is_there(void)
{
    for (uint64_t i = 0; i < PIECES; i++) {
        uint64_t at = i * PAGE_2M < 3 * GIB ? i * PAGE_2M : i * PAGE_2M + GIB, odd = at + PAGE_SIZE;

        both_lead_to(at, ram[i].value, FLAGS(EPT_RWX, CACHE_WB));
        both_lead_to(odd, ram[i].value + PAGE_SIZE, FLAGS(EPT_RWX, i == MIXED ? CACHE_WT : CACHE_WB));
    }
}

static void ram_and_nothing_else(void **state)
{
    (void)state;
    ram_is_there();
    leads_to(&tables()->ept_apic, VLAPIC_BASE, virt_to_phys(tables()->apic_access).value,
             FLAGS(EPT_RWX, CACHE_WB));
    leads_to(&tables()->ept.table, VLAPIC_BASE, 0, 0);
    both_lead_to(3 * GIB, 0, 0);
    both_lead_to(VLAPIC_BASE - PAGE_SIZE, 0, 0);
    both_lead_to(VLAPIC_BASE + PAGE_SIZE, 0, 0);
    both_lead_to(4 * GIB + 8 * PAGE_2M, 0, 0);
    both_lead_to(FAR, 0, 0);
}

static void range_is(uint64_t at, uint64_t flags)
{
    for (uint64_t into = 0; into < SIZE; into += PAGE_SIZE)
        both_lead_to(at + into, DEVICE + into, flags);
    both_lead_to(at - PAGE_SIZE, 0, 0);
    both_lead_to(at + SIZE, 0, 0);
}

/* Each place, each set of rights and each type, and what is left when a page in the middle goes. */
static void ranges_come_and_go(void **state)
{
    static const uint64_t places[] = {NEAR, BEHIND_RAM, FAR};
    static const enum cache_type types[] = {CACHE_UC, CACHE_WC, CACHE_WT, CACHE_WP, CACHE_WB};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(places) * ARRAY_SIZE(types) * 4; i++) {
        uint64_t at = places[i % ARRAY_SIZE(places)], hole = at + PAGE_SIZE;
        enum cache_type type = types[i / ARRAY_SIZE(places) % ARRAY_SIZE(types)];
        unsigned more = i / ARRAY_SIZE(places) / ARRAY_SIZE(types);
        unsigned rights =
            GUEST_MAY_READ | (more & 1 ? GUEST_MAY_WRITE : 0) | (more & 2 ? GUEST_MAY_EXECUTE : 0);
        uint64_t flags = FLAGS(EPT_READ | (more & 1 ? EPT_WRITE : 0) | (more & 2 ? EPT_EXECUTE : 0), type);

        changes = 0;
        assert_true(second_level_map_range(&vm, gpa(at), hpa(DEVICE), SIZE, rights, type));
        assert_int_equal(changes, 0); /* what was not there is in no TLB */
        range_is(at, flags);
        assert_true(second_level_unmap_range(&vm, gpa(hole), PAGE_SIZE));
        assert_int_equal(changes, 1);
        both_lead_to(hole, 0, 0);
        both_lead_to(at, DEVICE, flags);
        both_lead_to(hole + PAGE_SIZE, DEVICE + 2 * PAGE_SIZE, flags);
        assert_true(second_level_unmap_range(&vm, gpa(at), SIZE));
        assert_int_equal(changes, 2);
        range_is(at, 0);
    }
    ram_and_nothing_else(NULL);
}

/* No code page can change its size where there is but one. */
static void small_pages(void **state)
{
    unsigned large = 0, level = 0;

    for (uint64_t i = 0; i < PIECES; i++) {
        paging_lookup(&tables()->ept.table, i * PAGE_2M, &level);
        large += level > 1;
    }
    assert_in_range(large, 3, PIECES);
    guards = GUARD_SMALL_PAGES;
    tear_down(state);
    assert_int_equal(set_up_with(state, 4 * TABLE_PAGES), 0);
    ram_is_there();
    for (uint64_t i = 0; i < PIECES; i++) {
        uint64_t at = i * PAGE_2M < 3 * GIB ? i * PAGE_2M : i * PAGE_2M + GIB;

        paging_lookup(&tables()->ept.table, at, &level);
        assert_int_equal(level, 1);
    }
    assert_int_equal(second_level_protect(&vm, gpa(PAGE_2M + PAGE_SIZE), PAGE_2M), CALL_INVALID);
    assert_int_equal(second_level_protect(&vm, gpa(PAGE_2M), PAGE_SIZE), CALL_INVALID);
    ram_is_there();
    assert_int_equal(second_level_protect(&vm, gpa(PAGE_2M), PAGE_2M), CALL_DONE);
    both_lead_to(2 * PAGE_2M - PAGE_SIZE, ram[1].value + PAGE_2M - PAGE_SIZE,
                 FLAGS(EPT_READ | EPT_EXECUTE, CACHE_WB));
    second_level_unprotect(&vm);
    ram_is_there();
    guards = 0;
}

static void one_view(void **state)
{
    tear_down(state);
    rung = RUNG_SOFTWARE;
    assert_true(fake_memory_create((TABLE_PAGES + 1) * PAGE_SIZE));
    pages_used = 0;
    assert_true(vmx_vm_create(&vm));
    assert_null(tables()->ept_apic.root);
    assert_true(second_level_map_range(&vm, gpa(NEAR), hpa(DEVICE), PAGE_SIZE, GUEST_MAY_READ, CACHE_UC));
    leads_to(&tables()->ept.table, NEAR, DEVICE, FLAGS(EPT_READ, CACHE_UC));
    assert_true(second_level_unmap_range(&vm, gpa(NEAR), PAGE_SIZE));
    leads_to(&tables()->ept.table, NEAR, 0, 0);
}

/* What the guest moves needs no table but the first time, by either kind of RAM pages, and is waited for by
 * nobody. */
static void windows_move(void **state)
{
    const uint64_t size = 4 * PAGE_2M, host = RAM_AT + 7 * PAGE_2M;

    (void)state;
    told = changes = 0;
    assert_true(second_level_map_window(&vm, gpa(GUEST_WINDOWS), hpa(0), PAGE_2M, 0));
    pages_allowed = pages_used;
    for (uint64_t at = GUEST_WINDOWS; at < GUEST_WINDOWS_END; at += 8 * PAGE_2M) {
        bool writable = at / (8 * PAGE_2M) % 2;
        uint64_t flags = FLAGS(EPT_READ | (writable ? EPT_WRITE : 0), CACHE_WB);

        told = 0;
        assert_true(second_level_map_window(&vm, gpa(at), hpa(host), size,
                                            GUEST_MAY_READ | (writable ? GUEST_MAY_WRITE : 0)));
        assert_int_equal(told, 0); /* what was not there is in no TLB */
        both_lead_to(at, host, flags);
        both_lead_to(at + size - PAGE_SIZE, host + size - PAGE_SIZE, flags);
        both_lead_to(at + size, 0, 0);
        assert_true(second_level_map_window(&vm, gpa(at), hpa(0), size, 0));
        assert_int_equal(told, 1);
        both_lead_to(at, 0, 0);
        both_lead_to(at + size - PAGE_SIZE, 0, 0);
    }
    assert_int_equal(changes, 0);
    ram_and_nothing_else(NULL);
}

/* Each page that is missing is told, and the RAM stays as it is. */
static void out_of_memory(void **state)
{
    uint64_t enough = 0;

    (void)state;
    for (bool done = false; !done; enough++) {
        pages_allowed = pages_used + enough;
        done = second_level_map_range(&vm, gpa(FAR), hpa(DEVICE), SIZE, GUEST_MAY_READ, CACHE_UC);
        assert_true(second_level_unmap_range(&vm, gpa(FAR), SIZE) || !done);
        ram_is_there();
        assert_true(enough < 16);
    }
    assert_true(enough > 1);
}

/* --- what the guest closes --- */

static bool closed(uint64_t at, size_t n)
{
    bool is = guest_is_closed(&vm, gpa(at), n);

    assert_int_equal(guest_map_open(&vm, gpa(at), n) == NULL, is);
    assert_non_null(guest_map(&vm, gpa(at), n));
    if (is)
        assert_false(guest_write(&vm, gpa(at), NULL, n)); /* nothing is read for it either */
    return is;
}

static void is_closed_exactly(uint64_t at, uint64_t size)
{
    uint64_t end = at + size;

    assert_true(closed(at, 1) && closed(at, 8) && closed(at + size / 2, 1) && closed(end - 1, 1));
    assert_true(closed(at, size) && closed(end - 8, 8));
    assert_false(closed(at - 1, 1) || closed(at - 8, 8) || closed(end, 1) || closed(end, PAGE_SIZE));
    assert_true(closed(at - 1, 2) && closed(at - PAGE_SIZE, PAGE_SIZE + 1) && closed(at - 1, size + 2));
    for (uint64_t place = at; place < end; place += PAGE_SIZE)
        assert_true(closed(place, 1));
}

static void protected_ranges(void **state)
{
    static const struct {
        uint64_t at, size;
    } ranges[] = {
        {2 * PAGE_2M, PAGE_2M},
        {(MIXED - 1) * PAGE_2M, 3 * PAGE_2M}, /* large pages beside small ones */
        {MIXED * PAGE_2M + PAGE_SIZE, PAGE_SIZE},
        {MIXED * PAGE_2M + PAGE_SIZE, PAGE_2M - PAGE_SIZE},
        {4 * GIB + PAGE_2M, 2 * PAGE_2M},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
        changes = 0;
        assert_null(vm.is_closed);
        assert_int_equal(second_level_protect(&vm, gpa(ranges[i].at), ranges[i].size), CALL_DONE);
        assert_int_equal(changes, 1);
        is_closed_exactly(ranges[i].at, ranges[i].size);
        both_lead_to(ranges[i].at,
                     ram[(ranges[i].at % GIB) / PAGE_2M + (i == 4 ? 3 * GIB / PAGE_2M : 0)].value +
                         ranges[i].at % PAGE_2M,
                     FLAGS(EPT_READ | EPT_EXECUTE, ranges[i].at / PAGE_SIZE % 2 ? CACHE_WT : CACHE_WB));
        /* What is no RAM is not closed: writes there are ignored. */
        assert_false(guest_is_closed(&vm, gpa(ranges[i].at | BIT(48)), 1));
        assert_false(guest_is_closed(&vm, gpa(GUEST_STATISTICS), 1));
        assert_false(guest_is_closed(&vm, gpa(ranges[i].at), 0));
        second_level_unprotect(&vm);
        assert_null(vm.is_closed);
        ram_is_there();
    }
}

static void refused(uint64_t at, uint64_t size, enum call_result result)
{
    assert_int_equal(second_level_protect(&vm, gpa(at), size), result);
    assert_int_equal(changes, 0);
    assert_null(vm.is_closed);
    ram_is_there();
}

static void refused_ranges(void **state)
{
    (void)state;
    refused(0, 0, CALL_INVALID);
    refused(PAGE_SIZE, PAGE_2M, CALL_INVALID);
    refused(0, PAGE_2M + PAGE_SIZE, CALL_INVALID);
    refused(GIB, PAGE_2M, CALL_INVALID); /* a part of a page of 1 GiB */
    refused(3 * GIB, PAGE_2M, CALL_INVALID);
    refused(MIXED * PAGE_2M + 1, PAGE_SIZE, CALL_INVALID);
    refused(0, UINT64_MAX - PAGE_2M + 1, CALL_INVALID);
    registered = true;
    refused(0, PAGE_2M, CALL_BUSY);
    assert_true(spin_try(&vm.sharing));
}

static void asserted(void **state)
{
    (void)state;
    assert_panics(
        second_level_map_range(&vm, gpa(NEAR + 1), hpa(DEVICE), PAGE_SIZE, GUEST_MAY_READ, CACHE_UC));
    assert_panics(
        second_level_map_range(&vm, gpa(NEAR), hpa(DEVICE + 8), PAGE_SIZE, GUEST_MAY_READ, CACHE_UC));
    assert_panics(second_level_unmap_range(&vm, gpa(NEAR), PAGE_SIZE - 1));
    assert_panics(second_level_map_window(&vm, gpa(GUEST_WINDOWS + PAGE_SIZE), hpa(0), PAGE_2M, 0));
    assert_panics(second_level_map_window(&vm, gpa(GUEST_WINDOWS_END), hpa(0), PAGE_2M, 0));
    /* Write access alone would be a misconfiguration (SDM volume 3, "EPT Misconfigurations"). */
    assert_panics(second_level_map_range(&vm, gpa(NEAR), hpa(DEVICE), PAGE_SIZE, GUEST_MAY_WRITE, CACHE_UC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ram_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_view, set_up, tear_down),
        cmocka_unit_test_setup_teardown(windows_move, set_up, tear_down),
        cmocka_unit_test_setup_teardown(out_of_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(protected_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asserted, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
