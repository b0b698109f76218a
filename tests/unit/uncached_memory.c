/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM that MTRRs leave uncached, of maps and MTRRs as firmware makes them. */
#include "tests/unit/unit.h"

#include "boot/host/uncached_memory.h"

#include <string.h>

#define WIDTH_MASK (BIT(36) - 1)

static struct boot_info b;
static struct mtrrs m;
static struct memory_range found[UNCACHED_MOST];

/* 640 KiB, 3 GiB and 1 GiB, of which the MTRRs make the first 4 GiB write-back, and nothing above. */
static int set_up(void **state)
{
    (void)state;
    b = (struct boot_info){
        .memory_count = 4,
        .memory = {{0, 0x9fc00, MEMORY_USABLE},
                   {MIB, 3 * GIB - MIB, MEMORY_USABLE},
                   {3 * GIB, GIB, MEMORY_RESERVED},
                   {4 * GIB, GIB, MEMORY_USABLE}},
    };
    m = (struct mtrrs){.present = true, .enabled = true, .default_type = CACHE_UC, .variable_count = 1};
    m.variable[0].mask = WIDTH_MASK & ~(4 * GIB - 1);
    m.variable[0].type = CACHE_WB;
    return 0;
}

static void assert_range(unsigned i, uint64_t base, uint64_t size)
{
    assert_int_equal(found[i].base, base);
    assert_int_equal(found[i].size, size);
}

static void a_forgotten_gigabyte(void **state UNUSED)
{
    assert_int_equal(uncached_memory(&b, &m, found), 1);
    assert_range(0, 4 * GIB, GIB);
    m.variable[0].mask = WIDTH_MASK & ~(8 * GIB - 1);
    assert_int_equal(uncached_memory(&b, &m, found), 0);
}

/* The border lies inside a piece, and inside a page of 2 MiB. */
static void the_end_of_a_piece(void **state UNUSED)
{
    m.default_type = CACHE_WB;
    m.variable[0].base = 3 * GIB - 12 * 1024;
    m.variable[0].mask = WIDTH_MASK & ~(uint64_t)(4 * 1024 - 1);
    m.variable[0].type = CACHE_UC;
    m.variable[1].base = 3 * GIB - 8 * 1024;
    m.variable[1].mask = WIDTH_MASK & ~(uint64_t)(8 * 1024 - 1);
    m.variable[1].type = CACHE_UC;
    m.variable_count = 2;
    assert_int_equal(uncached_memory(&b, &m, found), 1);
    assert_range(0, 3 * GIB - 12 * 1024, 12 * 1024);
}

/* Where nothing is cached there is nothing to prefer. */
static void all_of_it(void **state UNUSED)
{
    m.variable_count = 0;
    assert_int_equal(uncached_memory(&b, &m, found), 0);
    m.enabled = false;
    assert_int_equal(uncached_memory(&b, &m, found), 0);
}

/* More pieces than can be kept: what lies between the last ones goes with them, and nothing is forgotten. */
static void many_pieces(void **state UNUSED)
{
    const unsigned pieces = UNCACHED_MOST + 4;
    unsigned count;

    b.memory_count = 0;
    for (unsigned i = 0; i < pieces; i++)
        b.memory[b.memory_count++] = (struct boot_memory){5 * GIB + 4 * MIB * i, 2 * MIB, MEMORY_USABLE};
    b.memory[b.memory_count++] = (struct boot_memory){GIB, GIB, MEMORY_USABLE};
    b.memory[b.memory_count++] = (struct boot_memory){4 * GIB, 2 * MIB, MEMORY_USABLE}; /* out of order */
    count = uncached_memory(&b, &m, found);
    assert_int_equal(count, UNCACHED_MOST);
    assert_range(0, 5 * GIB, 2 * MIB);
    assert_range(count - 1, 5 * GIB + 4 * MIB * (count - 1), 4 * MIB * (pieces - count) + 2 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_forgotten_gigabyte, set_up),
        cmocka_unit_test_setup(the_end_of_a_piece, set_up),
        cmocka_unit_test_setup(all_of_it, set_up),
        cmocka_unit_test_setup(many_pieces, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
