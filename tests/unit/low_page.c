/* SPDX-License-Identifier: BSD-2-Clause */
/* The page from which the other CPUs start: never on what is still read. */
#include "tests/unit/unit.h"

#include "boot/host/low_page.h"

static struct boot_info b;

static int set_up(void **unused)
{
    (void)unused;
    b = (struct boot_info){.memory_count = 1, .memory = {{0, 0x9fc00, MEMORY_USABLE}}};
    return 0;
}

static uint64_t find(uint64_t information, uint64_t size)
{
    return low_page_find(&b, hpa(information), size);
}

static void below_640_kib(void **unused)
{
    (void)unused;
    assert_int_equal(find(MIB, 4096), 0x9e000);
    b.memory[0].size = 0x9dfff;
    assert_int_equal(find(MIB, 4096), 0x9c000);
    b.memory[0].size = MIB;
    assert_int_equal(find(MIB, 4096), 0x9e000);
    b.memory[0].type = 2;
    assert_int_equal(find(MIB, 4096), 0);
    b.memory_count = 0;
    assert_int_equal(find(MIB, 4096), 0);
}

static void not_what_is_reserved(void **unused)
{
    (void)unused;
    b.memory_count = 2;
    b.memory[1] = (struct boot_memory){0x9dfff, 2, 2};
    assert_int_equal(find(MIB, 4096), 0x9c000);
    b.memory[1] = (struct boot_memory){0x1000, 0x9e000, 2};
    assert_int_equal(find(MIB, 4096), 0);
}

static void not_on_the_boot_information(void **unused)
{
    (void)unused;
    assert_int_equal(find(0x9e800, 16), 0x9d000);
    assert_int_equal(find(0x86000, 0x18f00), 0x85000);
    assert_int_equal(find(0x9dfff, 1), 0x9e000);
    assert_int_equal(find(0x1000, 0x9f000), 0);
}

static void not_on_modules(void **unused)
{
    (void)unused;
    b.module_count = 2;
    b.modules[0].start = hpa(0x86000);
    b.modules[0].size = 0x18001;
    b.modules[1].start = hpa(0x9e800);
    b.modules[1].size = 1;
    assert_int_equal(find(0x85000, 1), 0x84000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(below_640_kib, set_up),
        cmocka_unit_test_setup(not_what_is_reserved, set_up),
        cmocka_unit_test_setup(not_on_the_boot_information, set_up),
        cmocka_unit_test_setup(not_on_modules, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
