/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table walker against a model that knows every page by itself. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "arch/x86/paging.c"

#include <stdlib.h>
#include <string.h>

#define TABLE_PAGES 4096
#define WINDOW      (3 * GIB)
#define PAGES       (WINDOW / PAGE_SIZE)
#define WINDOW_AT   UINT64_C(0xffff80003fe00000) /* crosses a boundary of every level but the top's */
#define FAR_PA      UINT64_C(0x8000000000)
#define FLAG_BITS   (~ADDRESS_MASK & ~PTE_LARGE)

static unsigned tables_used, tables_allowed;
static struct page_table tables;

static void *next_table(void *context)
{
    assert_ptr_equal(context, &tables_used);
    if (tables_used == tables_allowed)
        return NULL;
    return memset(phys_to_virt(hpa(++tables_used * PAGE_SIZE)), 0, PAGE_SIZE);
}

static int set_up(void **state)
{
    (void)state;
    if (!fake_memory_create((TABLE_PAGES + 1) * PAGE_SIZE))
        return -1;
    tables_used = 0;
    tables_allowed = TABLE_PAGES;
    tables = (struct page_table){.present = PTE_P,
                                 .table_flags = PTE_P | PTE_W,
                                 .max_leaf = 3,
                                 .alloc = next_table,
                                 .context = &tables_used};
    tables.root = next_table(&tables_used);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_memory_destroy((TABLE_PAGES + 1) * PAGE_SIZE);
    return 0;
}

/* Where va leads and with which flags; 0 when it is not mapped. */
static uint64_t resolve(uint64_t va, unsigned *level)
{
    uint64_t entry = paging_lookup(&tables, va, level), size;

    if (!entry)
        return 0;
    size = level_size(*level);
    assert_int_equal((entry & ADDRESS_MASK) % size, 0);
    assert_int_equal(*level > 1, (entry & PTE_LARGE) != 0);
    return (entry & FLAG_BITS) | ((entry & ADDRESS_MASK) + ALIGN_DOWN(va % size, PAGE_SIZE));
}

static void assert_maps(uint64_t va, uint64_t expected, unsigned expected_level)
{
    unsigned level = 0;

    assert_int_equal(resolve(va, &level), expected);
    if (expected)
        assert_int_equal(level, expected_level);
}

static void largest_pages(void **state)
{
    (void)state;
    /* From 2 MiB below a GiB: a large page, the GiB, and a small rest. */
    assert_true(
        paging_map(&tables, GIB - PAGE_2M, FAR_PA + GIB - PAGE_2M, PAGE_2M + GIB + 2 * PAGE_SIZE, MAP_RW));
    assert_maps(GIB - PAGE_2M - PAGE_SIZE, 0, 0);
    assert_maps(GIB - PAGE_SIZE, (FAR_PA + GIB - PAGE_SIZE) | MAP_RW, 2);
    assert_maps(GIB, (FAR_PA + GIB) | MAP_RW, 3);
    assert_maps(2 * GIB - PAGE_SIZE, (FAR_PA + 2 * GIB - PAGE_SIZE) | MAP_RW, 3);
    assert_maps(2 * GIB + PAGE_SIZE, (FAR_PA + 2 * GIB + PAGE_SIZE) | MAP_RW, 1);
    assert_maps(2 * GIB + 2 * PAGE_SIZE, 0, 0);
    assert_int_equal(tables_used, 5); /* root, one PDPT, two PDs, one PT */
}

static void misaligned_against_each_other(void **state)
{
    (void)state;
    /* Both ends are multiples of 2 MiB, but the physical side is off by a page: small pages throughout. */
    assert_true(paging_map(&tables, PAGE_2M, FAR_PA + PAGE_SIZE, PAGE_2M, MAP_RO));
    assert_maps(PAGE_2M, (FAR_PA + PAGE_SIZE) | MAP_RO, 1);
    assert_maps(2 * PAGE_2M - PAGE_SIZE, (FAR_PA + PAGE_2M) | MAP_RO, 1);
}

static void limited_leaf(void **state)
{
    (void)state;
    tables.max_leaf = 2;
    assert_true(paging_map(&tables, 0, FAR_PA, GIB, MAP_RW));
    assert_maps(0, FAR_PA | MAP_RW, 2);
    tables.max_leaf = 1;
    assert_true(paging_map(&tables, GIB, FAR_PA, PAGE_2M, MAP_RW));
    assert_maps(GIB, FAR_PA | MAP_RW, 1);
}

static void splitting_keeps_the_rest(void **state)
{
    const uint64_t hole = 5 * PAGE_2M + 7 * PAGE_SIZE;

    (void)state;
    assert_true(paging_map(&tables, 0, FAR_PA, GIB, MAP_WC));
    assert_true(paging_map(&tables, hole, FAR_PA + hole, PAGE_SIZE, MAP_RO));
    for (uint64_t va = 0; va < GIB; va += PAGE_SIZE) {
        unsigned level, expected = va / PAGE_2M == 5 ? 1 : 2;

        assert_int_equal(resolve(va, &level), (FAR_PA + va) | (va == hole ? MAP_RO : MAP_WC));
        assert_int_equal(level, expected);
    }
    assert_maps(GIB, 0, 0);
}

static void unmapping(void **state)
{
    (void)state;
    assert_true(paging_map(&tables, 0, FAR_PA, 4 * PAGE_2M, MAP_RW));
    assert_true(paging_map(&tables, PAGE_2M, 0, PAGE_2M, 0));
    assert_true(paging_map(&tables, 3 * PAGE_2M, 0, PAGE_SIZE, 0));
    assert_maps(PAGE_2M - PAGE_SIZE, (FAR_PA + PAGE_2M - PAGE_SIZE) | MAP_RW, 2);
    assert_maps(PAGE_2M, 0, 0);
    assert_maps(2 * PAGE_2M, (FAR_PA + 2 * PAGE_2M) | MAP_RW, 2);
    assert_maps(3 * PAGE_2M, 0, 0);
    assert_maps(3 * PAGE_2M + PAGE_SIZE, (FAR_PA + 3 * PAGE_2M + PAGE_SIZE) | MAP_RW, 1);
}

/* As boot/host/machine_setup.c lays the image out: no page is writable by one name and executable by the
 * other. */
static void image_alias(void **state)
{
    const uint64_t image = 6 * MIB, text = 40 * PAGE_SIZE, all = 100 * PAGE_SIZE,
                   high = KERNEL_BASE + 4 * MIB;

    (void)state;
    assert_true(paging_map(&tables, DIRECT_BASE, 0, 4 * GIB, MAP_RW));
    assert_true(paging_map(&tables, DIRECT_BASE + image, image, text, MAP_RO));
    assert_true(paging_map(&tables, high, image, text, MAP_RX));
    assert_true(paging_map(&tables, high + text, image + text, all - text, MAP_RW));
    for (uint64_t offset = 0; offset < all; offset += PAGE_SIZE) {
        unsigned level;
        uint64_t low = resolve(DIRECT_BASE + image + offset, &level), up = resolve(high + offset, &level);

        assert_int_equal(low & ADDRESS_MASK, image + offset);
        assert_int_equal(up & ADDRESS_MASK, image + offset);
        assert_true(low & PTE_NX);
        assert_false((low & PTE_W) && !(up & PTE_NX));
        assert_false((up & PTE_W) && !(up & PTE_NX));
    }
    assert_maps(DIRECT_BASE + image + text, (image + text) | MAP_RW, 1);
    assert_maps(DIRECT_BASE + image - PAGE_SIZE, (image - PAGE_SIZE) | MAP_RW, 2);
}

/* EPT entries have no single present bit: any of the three rights is one. */
static void present_is_any_right(void **state)
{
    unsigned level;

    (void)state;
    tables.present = tables.table_flags = 7;
    assert_true(paging_map(&tables, 0, FAR_PA, PAGE_SIZE, 4 | 6 << 3));
    assert_true(paging_map(&tables, PAGE_SIZE, FAR_PA, PAGE_SIZE, 1));
    assert_int_equal(paging_lookup(&tables, 0, &level), FAR_PA | 4 | 6 << 3);
    assert_int_equal(paging_lookup(&tables, PAGE_SIZE, &level), FAR_PA | 1);
    assert_int_equal(paging_lookup(&tables, 2 * PAGE_SIZE, &level), 0);
}

static void out_of_memory(void **state)
{
    (void)state;
    tables_allowed = 1;
    assert_false(paging_map(&tables, 0, FAR_PA, GIB, MAP_RW));
    assert_maps(0, 0, 0);
    tables_allowed = 3;
    assert_true(paging_map(&tables, 0, FAR_PA, PAGE_2M, MAP_RW));
    /* No page to split with: what was mapped stays as it was. */
    assert_false(paging_map(&tables, PAGE_SIZE, FAR_PA, PAGE_SIZE, MAP_RO));
    assert_maps(PAGE_SIZE, (FAR_PA + PAGE_SIZE) | MAP_RW, 2);
    tables_allowed = 4;
    assert_true(paging_map(&tables, PAGE_SIZE, FAR_PA, PAGE_SIZE, MAP_RO));
    assert_maps(PAGE_SIZE, FAR_PA | MAP_RO, 1);
}

static uint64_t random_page(uint64_t count)
{
    return ((uint64_t)rand() << 16 ^ (uint64_t)rand()) % count;
}

static void random_map(uint64_t *model)
{
    static const uint64_t flags[] = {MAP_RW, MAP_RO, MAP_RX, MAP_DEVICE, MAP_WC, 0};
    static const uint64_t units[] = {1, 1, PAGE_2M / PAGE_SIZE, PAGE_2M / PAGE_SIZE, GIB / PAGE_SIZE};
    uint64_t unit = units[random_page(ARRAY_SIZE(units))], pa_unit = random_page(3) ? unit : 1;
    uint64_t shift = WINDOW_AT / PAGE_SIZE % unit;
    uint64_t first = ALIGN_UP(random_page(PAGES) + shift, unit) - shift;
    uint64_t count = random_page(2) ? unit : random_page(unit == GIB / PAGE_SIZE ? unit : 4 * unit) + 1;
    uint64_t f = flags[random_page(ARRAY_SIZE(flags))],
             pa = FAR_PA + random_page(PAGES) / pa_unit * pa_unit * PAGE_SIZE;

    if (first >= PAGES)
        return;
    count = MIN(count, PAGES - first);
    assert_true(paging_map(&tables, WINDOW_AT + first * PAGE_SIZE, f ? pa : 0, count * PAGE_SIZE, f));
    for (uint64_t i = 0; i < count; i++)
        model[first + i] = f ? (pa + i * PAGE_SIZE) | f : 0;
}

static void random_against_model(void **state)
{
    uint64_t *model = calloc(PAGES, sizeof(*model));
    unsigned level;

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < 40; i++)
            random_map(model);
        for (uint64_t page = 0; page < PAGES; page++)
            assert_int_equal(resolve(WINDOW_AT + page * PAGE_SIZE, &level), model[page]);
        assert_int_equal(resolve(WINDOW_AT - PAGE_SIZE, &level), 0);
        assert_int_equal(resolve(WINDOW_AT + WINDOW, &level), 0);
    }
    free(model);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(largest_pages),
        TEST(misaligned_against_each_other),
        TEST(limited_leaf),
        TEST(splitting_keeps_the_rest),
        TEST(unmapping),
        TEST(image_alias),
        TEST(present_is_any_right),
        TEST(out_of_memory),
        TEST(random_against_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
