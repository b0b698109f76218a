/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/guest/load_linux.c: a made-up bzImage, what the guest finds in its memory, and what is refused. */
#include "tests/unit/unit.h"

#include "boot/guest/loader.h"
#include "tests/unit/fake_guest.h"

#include <stdlib.h>
#include <string.h>

#define SETUP   1024 /* setup_sects = 1 */
#define PAYLOAD 5000
#define PREF    (4 * MIB)
#define RSDP    0xe0000u

static uint8_t kernel[SETUP + PAYLOAD];
static uint8_t initrd[3 * PAGE_SIZE + 17];
static struct image img;
static struct start_state start;
static struct vm *vm;

static void make_image(void)
{
    memset(kernel, 0, sizeof(kernel));
    kernel[0x1f1] = 1;
    store_le(kernel + 0x1fe, 0xaa55, 2);
    kernel[0x201] = 0x66;
    memcpy(kernel + 0x202, "HdrS", 4);
    store_le(kernel + 0x206, 0x20f, 2);
    kernel[0x211] = 1;
    store_le(kernel + 0x22c, 0x7fffffff, 4);
    store_le(kernel + 0x230, 0x200000, 4);
    kernel[0x234] = 1;
    store_le(kernel + 0x236, 1, 2);
    store_le(kernel + 0x238, 2047, 4);
    store_le(kernel + 0x250, 0x1234, 8); /* setup_data: must not reach the guest */
    store_le(kernel + 0x258, PREF, 8);
    store_le(kernel + 0x260, 2 * MIB, 4);
    for (unsigned i = 0; i < PAYLOAD; i++)
        kernel[SETUP + i] = (uint8_t)(i * 7);
    memset(initrd, 0x5a, sizeof(initrd));
    img = (struct image){.kernel = {kernel, sizeof(kernel), "vmlinuz", ""},
                         .modules = {{initrd, sizeof(initrd), "initrd", ""}},
                         .module_count = 1,
                         .cmdline = "console=ttyS0 quiet",
                         .acpi_rsdp = {RSDP},
                         .acpi_base = {RSDP},
                         .acpi_size = 4 * PAGE_SIZE};
}

static int set_up(void **state)
{
    (void)state;
    make_image();
    vm = fake_guest(16 * MIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_guest_free(vm);
    return 0;
}

static const char *load(void)
{
    const char *why = NULL;
    bool good = image_load(vm, &img, &start, &why);

    assert_int_equal(good, why == NULL);
    return why;
}

static uint64_t at(uint64_t address, unsigned n)
{
    uint64_t value = 0;

    assert_true(guest_read(vm, gpa(address), &value, n));
    return value;
}

static void entry_state(void **state)
{
    (void)state;
    assert_null(load());
    assert_int_equal(start.mode, 64);
    assert_int_equal(start.rip, PREF + 0x200);
    assert_int_equal(at(start.rip, 1), kernel[SETUP + 0x200]);
    assert_in_range(start.rsi, PAGE_SIZE, 0x9f000);
    assert_int_equal(start.gdt_limit, 31);
    assert_int_equal(at(start.gdt_base + 0x10, 8), 0x00af9b000000ffff);
    assert_int_equal(at(start.gdt_base + 0x18, 8), 0x00cf93000000ffff);
    assert_memory_equal(guest_map(vm, gpa(PREF), PAYLOAD), kernel + SETUP, PAYLOAD);
}

static void expect_32_bit_entry(void)
{
    assert_null(load());
    assert_int_equal(start.mode, 32);
    assert_int_equal(start.rip, PREF);
    assert_int_equal(start.cr3, 0);
    assert_in_range(start.rsi, PAGE_SIZE, 0x9f000);
    assert_int_equal(at(start.rsi + 0x214, 4), PREF);
    assert_int_equal(at(start.gdt_base + 0x10, 8), 0x00cf9b000000ffff);
    assert_int_equal(at(start.gdt_base + 0x18, 8), 0x00cf93000000ffff);
    assert_memory_equal(guest_map(vm, gpa(PREF), PAYLOAD), kernel + SETUP, PAYLOAD);
}

/* One for i386, and one of a time when there were no flags. */
static void without_64_bit_entry(void **state)
{
    (void)state;
    store_le(kernel + 0x236, 0, 2);
    expect_32_bit_entry();
    store_le(kernel + 0x236, 1, 2);
    store_le(kernel + 0x206, 0x20b, 2);
    expect_32_bit_entry();
    store_le(kernel + 0x206, 0x20a, 2);
    expect_32_bit_entry();
}

/* Walks the tables as the processor does (SDM vol. 3, "4-Level Paging"), for 2 MiB pages. */
static uint64_t walk(uint64_t linear)
{
    uint64_t pml4e = at(start.cr3 + (linear >> 39 & 511) * 8, 8);
    uint64_t pdpte = at((pml4e & ~0xfffull) + (linear >> 30 & 511) * 8, 8);
    uint64_t pde = at((pdpte & ~0xfffull) + (linear >> 21 & 511) * 8, 8);

    assert_int_equal(pml4e & pdpte & 3, 3);
    assert_int_equal(pde & 0x83, 0x83);
    return (pde & ~0x1fffffull) + (linear & 0x1fffff);
}

static void page_tables(void **state)
{
    static const uint64_t places[] = {0, 0x1234, PREF, GIB - 1, GIB, 3 * GIB + 5, 4 * GIB - 1};

    (void)state;
    assert_null(load());
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        assert_int_equal(walk(places[i]), places[i]);
    assert_int_equal(at(start.cr3 + 8, 8), 0);
}

static void zero_page(void **state)
{
    uint64_t z;

    (void)state;
    assert_null(load());
    z = start.rsi;
    assert_int_equal(at(z + 0x210, 1), 0xff);
    assert_int_equal(at(z + 0x211, 1), 0x81);
    assert_int_equal(at(z + 0x206, 2), 0x20f);
    assert_int_equal(at(z + 0x1ef, 1), 0);
    assert_int_equal(at(z + 0x70, 8), RSDP);
    assert_int_equal(at(z + 0x250, 8), 0);
    assert_int_equal(at(z + 0x268, 4), 0); /* behind the header */
    assert_string_equal(guest_map(vm, gpa(at(z + 0x228, 4)), 64), img.cmdline);
    assert_int_equal(at(z + 0x21c, 4), sizeof(initrd));
    assert_int_equal(at(z + 0x218, 4), 16 * MIB - 4 * PAGE_SIZE);
    assert_memory_equal(guest_map(vm, gpa(at(z + 0x218, 4)), sizeof(initrd)), initrd, sizeof(initrd));
}

struct e820 {
    uint64_t base, size;
    uint32_t type;
} __attribute__((packed));

static void expect_map(const struct e820 *wanted, unsigned count)
{
    assert_int_equal(at(start.rsi + 0x1e8, 1), count);
    for (unsigned i = 0; i < count; i++) {
        struct e820 e;

        assert_true(guest_read(vm, gpa(start.rsi + 0x2d0 + i * 20), &e, sizeof(e)));
        assert_int_equal(e.base, wanted[i].base);
        assert_int_equal(e.size, wanted[i].size);
        assert_int_equal(e.type, wanted[i].type);
    }
}

static void memory_map(void **state)
{
    static const struct e820 high[] = {
        {0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {RSDP, 0x4000, 3}, {MIB, 15 * MIB, 1}};
    static const struct e820 low[] = {{0, 0x98000, 1},     {0x98000, 0x4000, 3},    {0x9c000, 0x3c00, 1},
                                      {0x9fc00, 0x400, 2}, {MIB, 3 * GIB - MIB, 1}, {4 * GIB, GIB, 1}};
    static const struct e820 inside[] = {{0, 0x9fc00, 1},
                                         {0x9fc00, 0x400, 2},
                                         {MIB, 7 * MIB, 1},
                                         {8 * MIB, 0x4000, 3},
                                         {8 * MIB + 0x4000, 8 * MIB - 0x4000, 1}};
    static const struct e820 reserved[] = {{0, 0x98000, 1},     {0x98000, 0x4000, 3},    {0x9c000, 0x3c00, 1},
                                           {0x9fc00, 0x400, 2}, {MIB, 3 * GIB - MIB, 1}, {0xe0000000, MIB, 2},
                                           {4 * GIB, GIB, 1}};
    static const struct e820 reserved_last[] = {{0, 0x98000, 1},      {0x98000, 0x4000, 3},
                                                {0x9c000, 0x3c00, 1}, {0x9fc00, 0x400, 2},
                                                {MIB, 15 * MIB, 1},   {0xe0000000, MIB, 2}};

    (void)state;
    assert_null(load());
    expect_map(high, 4);
    img.acpi_base = gpa(8 * MIB);
    assert_null(load());
    expect_map(inside, 5);
    fake_guest_free(vm);
    vm = fake_guest(4 * GIB);
    img.acpi_base = gpa(0x98000);
    assert_null(load());
    expect_map(low, 6);
    img.reserved_base = gpa(0xe0000000);
    img.reserved_size = MIB;
    assert_null(load());
    expect_map(reserved, 7);
    fake_guest_free(vm);
    vm = fake_guest(16 * MIB);
    assert_null(load());
    expect_map(reserved_last, 6);
}

static void other_places(void **state)
{
    (void)state;
    store_le(kernel + 0x258, 0x1000, 8); /* taken: the next aligned place above instead */
    assert_null(load());
    assert_int_equal(start.rip, 2 * MIB + 0x200);
    store_le(kernel + 0x22c, 9 * MIB - 1, 4); /* initrd_addr_max */
    store_le(kernel + 0x258, PREF, 8);
    assert_null(load());
    assert_int_equal(at(start.rsi + 0x218, 4), 9 * MIB - 4 * PAGE_SIZE);
    store_le(kernel + 0x22c, PREF + 2 * MIB, 4); /* would reach into the kernel: goes below it */
    assert_null(load());
    assert_int_equal(at(start.rsi + 0x218, 4), PREF - 4 * PAGE_SIZE);
    img.module_count = 0;
    assert_null(load());
    assert_int_equal(at(start.rsi + 0x21c, 4), 0);
}

static void refuse(unsigned offset, uint64_t value, unsigned n, const char *wanted)
{
    const char *why;

    store_le(kernel + offset, value, n);
    img.format = IMAGE_LINUX;
    why = load();
    assert_non_null(why);
    assert_non_null(strstr(why, wanted));
    make_image();
}

static void refused(void **state)
{
    (void)state;
    refuse(0x206, 0x209, 2, "boot protocol 2.09, expected 2.10");
    refuse(0x211, 0, 1, "below 1 MiB (zImage)");
    refuse(0x1f1, 64, 1, "cut off");
    refuse(0x202, 0, 4, "bzImage");
    refuse(0x238, 5, 4, "command line of 19 characters, expected at most 5");
    refuse(0x260, 0xffffffff, 4, "no place for the kernel");
    refuse(0x260, 15 * MIB, 4, "no place for the kernel");
    refuse(0x258, 32 * MIB, 8, "no place for the kernel"); /* never below its preferred address */
    refuse(0x258, UINT64_MAX - 100, 8, "no place for the kernel");
    refuse(0x22c, 0xfffff, 4, "initrd");
}

static void not_relocatable(void **state)
{
    (void)state;
    store_le(kernel + 0x258, 32 * MIB, 8);
    kernel[0x234] = 0;
    assert_non_null(load());
    kernel[0x234] = 1;
    store_le(kernel + 0x230, 3 * MIB, 4); /* no power of two */
    assert_non_null(load());
    store_le(kernel + 0x230, 0, 4);
    assert_non_null(load());
}

static void cut_files(void **state)
{
    (void)state;
    img.format = IMAGE_LINUX;
    for (size_t size = 0; size < SETUP + 0x201; size += 13) {
        uint8_t *copy = malloc(size + 1);

        memcpy(copy, kernel, size);
        img.kernel.data = copy;
        img.kernel.size = size;
        assert_non_null(load());
        free(copy);
    }
}

static void nothing_written_on_failure(void **state)
{
    static uint8_t before[16 * MIB];

    (void)state;
    memcpy(before, guest_map(vm, gpa(0), 16 * MIB), 16 * MIB);
    img.modules[0].size = 64 * MIB;
    assert_non_null(load());
    assert_memory_equal(before, guest_map(vm, gpa(0), 16 * MIB), 16 * MIB);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entry_state), TEST(page_tables),
        TEST(zero_page),   TEST(without_64_bit_entry),
        TEST(memory_map),  TEST(other_places),
        TEST(refused),     TEST(not_relocatable),
        TEST(cut_files),   TEST(nothing_written_on_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
