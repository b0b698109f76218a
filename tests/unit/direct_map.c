/* SPDX-License-Identifier: BSD-2-Clause */
/* What the direct map covers of a machine with holes, and with which pages where memory types change. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "arch/x86/paging.c"
#include "boot/host/direct_map.h"

#include <string.h>

#define TABLE_PAGES 64
#define WIDTH_MASK  (BIT(36) - 1)

static unsigned tables_used;
static struct page_table tables;
static struct boot_info b;
static struct mtrrs m;

static void *next_table(void *context)
{
    (void)context;
    assert_true(tables_used < TABLE_PAGES);
    return memset(phys_to_virt(hpa(++tables_used * PAGE_SIZE)), 0, PAGE_SIZE);
}

/* 3 GiB and 1 GiB of memory; everything is WB but the last GiB below 4 GiB. */
static int set_up(void **state)
{
    (void)state;
    if (!fake_memory_create((TABLE_PAGES + 1) * PAGE_SIZE))
        return -1;
    tables_used = 0;
    tables = (struct page_table){.present = PTE_P, .table_flags = PTE_P | PTE_W, .max_leaf = 3};
    tables.alloc = next_table;
    tables.root = next_table(NULL);
    b = (struct boot_info){
        .memory_count = 3,
        .memory = {{0, 0x9fc00, MEMORY_USABLE},
                   {MIB, 3 * GIB - MIB, MEMORY_USABLE},
                   {4 * GIB, GIB, MEMORY_USABLE}},
    };
    m = (struct mtrrs){.present = true, .enabled = true, .default_type = CACHE_WB, .variable_count = 1};
    m.variable[0].base = 3 * GIB;
    m.variable[0].mask = WIDTH_MASK & ~(GIB - 1);
    m.variable[0].type = CACHE_UC;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_memory_destroy((TABLE_PAGES + 1) * PAGE_SIZE);
    return 0;
}

static void map_piece(void *context UNUSED, uint64_t at, uint64_t size)
{
    assert_true(paging_map(&tables, at, at, size, MAP_RW));
}

/* The level of the page that maps at; 0: none does. */
static unsigned level_at(uint64_t at)
{
    unsigned level = 0;

    return paging_lookup(&tables, at, &level) ? level : 0;
}

static void memory_and_no_devices(void **state)
{
    (void)state;
    direct_map_memory(&b, &m, map_piece, NULL);
    assert_int_equal(level_at(GIB), 3);
    assert_int_equal(level_at(3 * GIB - 1), 3);
    assert_int_equal(level_at(3 * GIB), 0);
    assert_int_equal(level_at(0xfee00000), 0);
    assert_int_equal(level_at(4 * GIB), 3);
    assert_int_equal(level_at(5 * GIB), 0);
}

static void first_mib(void **state)
{
    (void)state;
    m.fixed_enabled = true;
    direct_map_memory(&b, &m, map_piece, NULL);
    assert_int_equal(level_at(0), 1);
    assert_int_equal(level_at(0xf0000), 1);
    assert_int_equal(level_at(MIB), 1);
    assert_int_equal(level_at(PAGE_2M), 2);
}

/* An UC range of 64 KiB, as of a graphics card's stolen memory, within memory that the map calls usable. */
static void border_of_an_mtrr(void **state)
{
    const uint64_t uc = GIB + 3 * PAGE_2M + 0x10000;

    (void)state;
    m.variable_count = 2;
    m.variable[1].base = uc;
    m.variable[1].mask = WIDTH_MASK & ~UINT64_C(0xffff);
    m.variable[1].type = CACHE_UC;
    direct_map_memory(&b, &m, map_piece, NULL);
    assert_int_equal(level_at(GIB), 2);
    assert_int_equal(level_at(uc - PAGE_SIZE), 1);
    assert_int_equal(level_at(uc), 1);
    assert_int_equal(level_at(GIB + 3 * PAGE_2M), 1);
    assert_int_equal(level_at(GIB + 4 * PAGE_2M), 2);
    assert_int_equal(level_at(2 * GIB), 3);
}

static void reserved_over_usable(void **state)
{
    const uint64_t hole = 2 * GIB + 5 * PAGE_2M + 7 * PAGE_SIZE;

    (void)state;
    b.memory[b.memory_count++] = (struct boot_memory){hole + 1, PAGE_SIZE, MEMORY_RESERVED};
    direct_map_memory(&b, &m, map_piece, NULL);
    assert_int_equal(level_at(hole - PAGE_SIZE), 1);
    assert_int_equal(level_at(hole), 0);
    assert_int_equal(level_at(hole + PAGE_SIZE), 0);
    assert_int_equal(level_at(hole + 2 * PAGE_SIZE), 1);
    assert_int_equal(level_at(2 * GIB), 2);
}

static void tables_of_acpi(void **state)
{
    (void)state;
    b.memory[1].size -= PAGE_2M;
    b.memory[b.memory_count++] = (struct boot_memory){3 * GIB - PAGE_2M, 0x1001, MEMORY_ACPI};
    b.memory[b.memory_count++] = (struct boot_memory){3 * GIB - MIB, 0x1000, MEMORY_NVS};
    b.memory[b.memory_count++] = (struct boot_memory){3 * GIB - PAGE_SIZE, PAGE_SIZE, MEMORY_BAD};
    direct_map_memory(&b, &m, map_piece, NULL);
    assert_int_equal(level_at(3 * GIB - PAGE_2M), 1);
    assert_int_equal(level_at(3 * GIB - PAGE_2M + PAGE_SIZE), 1);
    assert_int_equal(level_at(3 * GIB - PAGE_2M + 2 * PAGE_SIZE), 0);
    assert_int_equal(level_at(3 * GIB - MIB), 1);
    assert_int_equal(level_at(3 * GIB - PAGE_SIZE), 0);
}

/* A module, wherever the boot loader put it. */
static void a_range(void **state)
{
    (void)state;
    direct_map_range(&m, 3 * GIB + PAGE_2M - 1, PAGE_2M + 2, map_piece, NULL);
    assert_int_equal(level_at(3 * GIB + PAGE_2M - PAGE_SIZE), 1);
    assert_int_equal(level_at(3 * GIB + PAGE_2M), 2);
    assert_int_equal(level_at(3 * GIB + 2 * PAGE_2M), 1);
    assert_int_equal(level_at(3 * GIB + 2 * PAGE_2M + PAGE_SIZE), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_and_no_devices), TEST(first_mib),      TEST(border_of_an_mtrr),
        TEST(reserved_over_usable),  TEST(tables_of_acpi), TEST(a_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
