/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine as a target of the loaders: which memory may be used, and what its next kernel is told. */
#include "tests/unit/unit.h"

#include "boot/host/release_map.h"
#include "tests/unit/fake_guest.h"

#include <stdlib.h>
#include <string.h>

#define PREF  (4 * MIB)
#define SETUP 1024

static struct boot_info boot;
static struct piece ram[RELEASE_MAX_RAM];
static struct map_entry map[BOOT_MAX_MEMORY];
static struct load_target target;
static struct image img;
static struct start_state start;
static struct vm *memory;
static unsigned reached;
static uint8_t kernel[8192];
static const uint8_t efi_map[96] = {1, 2, 3};

static void add(uint64_t base, uint64_t size, uint32_t type)
{
    boot.memory[boot.memory_count++] = (struct boot_memory){base, size, type};
}

static void expect_ram(const struct piece *wanted, unsigned count)
{
    assert_int_equal(release_ram(&boot, ram), count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(ram[i].base, wanted[i].base);
        assert_int_equal(ram[i].size, wanted[i].size);
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(&boot, 0, sizeof(boot));
    return 0;
}

static void ram_without_obstacles(void **state)
{
    (void)state;
    add(0, 0x9fc00, MEMORY_USABLE);
    add(MIB, 15 * MIB, MEMORY_USABLE);
    add(4 * GIB, GIB, MEMORY_USABLE);
    expect_ram((struct piece[]){{0, 0x9fc00}, {MIB, 15 * MIB}, {4 * GIB, GIB}}, 3);
}

static void ram_around_obstacles(void **state)
{
    (void)state;
    add(0x5000, 0x100, MEMORY_NVS); /* in no order */
    add(0, 0x10000, MEMORY_USABLE);
    add(0xf000, 0x2000, MEMORY_RESERVED);
    add(0x5080, 0x180, 12);
    add(0x20000, 0x1000, MEMORY_USABLE);
    add(0x20000, 0x1000, MEMORY_BAD);
    expect_ram((struct piece[]){{0, 0x5000}, {0x5200, 0x9e00}}, 2);
    assert_int_equal(release_memory_map(&boot, map), 6);
    for (unsigned i = 1; i < 6; i++)
        assert_true(map[i - 1].base <= map[i].base);
    assert_int_equal(map[1].type, MEMORY_NVS);
    assert_int_equal(map[2].type, 12);
}

static void ram_up_to_the_end(void **state)
{
    (void)state;
    add(UINT64_MAX - 0x1fff, 0x2000, MEMORY_USABLE); /* ends at 2^64 */
    add(UINT64_MAX - 0xfff, 0x1000, MEMORY_RESERVED);
    expect_ram((struct piece[]){{UINT64_MAX - 0x1fff, 0x1000}}, 1);
}

/* Every byte of a small space, usable exactly when something says so and nothing else says otherwise. */
static void ram_model(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 3000; round++) {
        uint8_t wanted[64] = {0}, found[64] = {0};
        unsigned count;

        boot.memory_count = 0;
        for (unsigned i = 0; i < 8; i++) {
            unsigned base = (unsigned)rand() % 60;

            add(base, 1 + (unsigned)rand() % (63 - base),
                rand() % 2 ? MEMORY_USABLE : 2 + (unsigned)rand() % 9);
        }
        for (unsigned pass = 0; pass < 2; pass++) {
            for (unsigned i = 0; i < boot.memory_count; i++) {
                const struct boot_memory *m = &boot.memory[i];

                if ((m->type == MEMORY_USABLE) != (pass == 0))
                    continue;
                memset(wanted + m->base, pass == 0, m->size);
            }
        }
        count = release_ram(&boot, ram);
        for (unsigned i = 0; i < count; i++)
            memset(found + ram[i].base, 1, ram[i].size);
        assert_memory_equal(wanted, found, sizeof(wanted));
    }
}

/* --- what a kernel is told --- */

static uint8_t *write_it(const struct loading *l, uint64_t at, uint64_t n, uint64_t *got)
{
    reached++;
    *got = MIN(n, 1000); /* in pieces, but for what must be in one */
    if (at < MIB)
        *got = n;
    return guest_map(l->target->vm, gpa(at), *got);
}

static uint8_t *only_plan(const struct loading *l, uint64_t at, uint64_t n, uint64_t *got)
{
    (void)l;
    (void)at;
    (void)n;
    (void)got;
    reached++;
    return NULL;
}

static void make_linux(void)
{
    memset(kernel, 0, sizeof(kernel));
    kernel[0x1f1] = 1;
    store_le(kernel + 0x1fe, 0xaa55, 2);
    kernel[0x201] = 0x66;
    memcpy(kernel + 0x202, "HdrS", 4);
    store_le(kernel + 0x206, 0x20f, 2);
    kernel[0x211] = 1;
    store_le(kernel + 0x22c, 0x7fffffff, 4);
    store_le(kernel + 0x236, 1, 2);
    store_le(kernel + 0x238, 2047, 4);
    store_le(kernel + 0x258, PREF, 8);
    store_le(kernel + 0x260, 2 * MIB, 4);
    for (unsigned i = SETUP; i < sizeof(kernel); i++)
        kernel[i] = (uint8_t)(i * 7);
}

/* A header of 32 bytes with an address tag and an entry tag behind it: loaded at 1 MiB. */
static void make_multiboot2(const uint32_t *requests, unsigned count)
{
    uint8_t *t = kernel + 16;

    memset(kernel, 0, sizeof(kernel));
    store_le(t, 1, 4);
    store_le(t + 4, 8 + 4 * count, 4);
    for (unsigned i = 0; i < count; i++)
        store_le(t + 8 + 4 * i, requests[i], 4);
    t += ALIGN_UP(8 + 4 * count, 8);
    store_le(t, 2, 4);
    store_le(t + 4, 24, 4);
    store_le(t + 8, MIB, 4);
    store_le(t + 12, MIB, 4);
    t += 24;
    store_le(t, 3, 4);
    store_le(t + 4, 12, 4);
    store_le(t + 8, MIB + 0x100, 4);
    t += 16;
    store_le(t + 4, 8, 4);
    t += 8;
    store_le(kernel, 0xe85250d6, 4);
    store_le(kernel + 8, (uint64_t)(t - kernel), 4);
    store_le(kernel + 12, -(0xe85250d6u + (uint32_t)(t - kernel)), 4);
}

static const char *load(uint8_t *(*reach)(const struct loading *l, uint64_t at, uint64_t n, uint64_t *got))
{
    const char *why = NULL;
    bool good;

    target.reach = reach;
    target.range_count = release_ram(&boot, ram);
    target.map_count = release_memory_map(&boot, map);
    good = image_load_into(&target, &img, &start, &why);
    assert_int_equal(good, why == NULL);
    return why;
}

static uint64_t at(uint64_t address, unsigned n)
{
    uint64_t value = 0;

    assert_true(guest_read(memory, gpa(address), &value, n));
    return value;
}

static int set_up_machine(void **state)
{
    set_up(state);
    memory = fake_guest(16 * MIB);
    reached = 0;
    add(MIB, 15 * MIB, MEMORY_USABLE);
    add(0, 0x9fc00, MEMORY_USABLE);
    add(0x9fc00, 0x400, MEMORY_RESERVED);
    add(16 * MIB, MIB, MEMORY_ACPI);
    add(17 * MIB, MIB, MEMORY_NVS);
    boot.rsdp_size = 20;
    memcpy(boot.rsdp, "RSD PTR 0123456789ab", 20);
    boot.framebuffer = (struct boot_framebuffer){.present = true,
                                                 .type = FRAMEBUFFER_TEXT,
                                                 .address = hpa(0xb8000),
                                                 .width = 80,
                                                 .height = 25,
                                                 .pitch = 160,
                                                 .bpp = 16};
    target = (struct load_target){.ranges = ram,
                                  .map = map,
                                  .rsdp = boot.rsdp,
                                  .rsdp_size = boot.rsdp_size,
                                  .machine = &boot,
                                  .vm = memory};
    img =
        (struct image){.kernel = {kernel, sizeof(kernel), "k", ""}, .cmdline = "a=b", .acpi_rsdp = {0xe0010}};
    return 0;
}

static int tear_down_machine(void **state)
{
    (void)state;
    fake_guest_free(memory);
    return 0;
}

static void graphics(void)
{
    boot.framebuffer = (struct boot_framebuffer){.present = true,
                                                 .type = FRAMEBUFFER_RGB,
                                                 .address = hpa(0x1280000000),
                                                 .width = 1024,
                                                 .height = 768,
                                                 .pitch = 4096,
                                                 .bpp = 32,
                                                 .red = {16, 8},
                                                 .green = {8, 7},
                                                 .blue = {0, 6}};
}

static void uefi(void)
{
    boot.efi_system_table = hpa(0x340056780);
    boot.efi_map = efi_map;
    boot.efi_map_size = sizeof(efi_map);
    boot.efi_descriptor_size = 48;
    boot.efi_descriptor_version = 1;
}

static void zero_page_on_bios(void **state)
{
    uint64_t z;

    (void)state;
    make_linux();
    assert_null(load(write_it));
    z = start.rsi;
    assert_int_equal(at(z + 0x1e8, 1), 5);
    assert_int_equal(at(z + 0x2d0 + 20 + 0, 8), 0x9fc00);
    assert_int_equal(at(z + 0x2d0 + 20 + 16, 4), MEMORY_RESERVED);
    assert_int_equal(at(z + 0x2d0 + 4 * 20, 8), 17 * MIB);
    assert_int_equal(at(z + 0x2d0 + 4 * 20 + 16, 4), MEMORY_NVS);
    assert_int_equal(at(z + 0x070, 8), 0xe0010);
    assert_int_equal(at(z + 0x007, 1), 80);
    assert_int_equal(at(z + 0x00e, 1), 25);
    assert_int_equal(at(z + 0x00f, 1), 1);
    assert_int_equal(at(z + 0x1c0, 4), 0);
    assert_memory_equal(guest_map(memory, gpa(PREF), sizeof(kernel) - SETUP), kernel + SETUP,
                        sizeof(kernel) - SETUP);
}

static void zero_page_on_uefi(void **state)
{
    uint64_t z;

    (void)state;
    make_linux();
    graphics();
    uefi();
    assert_null(load(write_it));
    z = start.rsi;
    assert_int_equal(at(z + 0x00f, 1), 0x70);
    assert_int_equal(at(z + 0x012, 2), 1024);
    assert_int_equal(at(z + 0x014, 2), 768);
    assert_int_equal(at(z + 0x016, 2), 32);
    assert_int_equal(at(z + 0x018, 4), 0x80000000);
    assert_int_equal(at(z + 0x03a, 4), 0x12);
    assert_int_equal(at(z + 0x01c, 4), 4096 * 768);
    assert_int_equal(at(z + 0x024, 2), 4096);
    assert_int_equal(at(z + 0x026, 6), 0x000608071008);
    assert_int_equal(at(z + 0x036, 4), 2);
    assert_int_equal(at(z + 0x1c0, 4), 0x34364c45); /* EL64 */
    assert_int_equal(at(z + 0x1c4, 4), 0x40056780);
    assert_int_equal(at(z + 0x1d8, 4), 3);
    assert_int_equal(at(z + 0x1c8, 4), 48);
    assert_int_equal(at(z + 0x1cc, 4), 1);
    assert_int_equal(at(z + 0x1d4, 4), sizeof(efi_map));
    assert_memory_equal(guest_map(memory, gpa(at(z + 0x1d0, 4)), sizeof(efi_map)), efi_map, sizeof(efi_map));
    boot.efi_system_table = hpa(0);
    assert_null(load(write_it));
    assert_int_equal(at(start.rsi + 0x00f, 1), 0x23);
    assert_int_equal(at(start.rsi + 0x01c, 4), 4096 * 768 / 65536);
    assert_int_equal(at(start.rsi + 0x1c0, 4), 0);
}

static void too_many_for_e820(void **state)
{
    (void)state;
    make_linux();
    for (unsigned i = 0; i < 124; i++)
        add(GIB + i * MIB, 4096, MEMORY_RESERVED);
    assert_non_null(strstr(load(write_it), "129 entries, expected at most 128"));
    assert_int_equal(reached, 0);
    boot.memory_count--;
    assert_null(load(write_it));
}

static void a_plan_writes_nothing(void **state)
{
    struct start_state planned;

    (void)state;
    make_linux();
    uefi();
    assert_null(load(only_plan));
    planned = start;
    assert_true(reached >= 6); /* kernel, command line, zero page, tables, GDT, UEFI map */
    assert_int_equal(at(PREF, 8), UINT64_C(0x0101010101010101) * FAKE_FILL);
    assert_null(load(write_it));
    assert_memory_equal(&planned, &start, sizeof(start));
}

static uint64_t find_tag(uint32_t type)
{
    uint64_t info = start.rbx, total = at(info, 4);

    for (uint64_t t = 8; t < total; t = ALIGN_UP(t + at(info + t + 4, 4), 8)) {
        if (at(info + t, 4) == type)
            return info + t;
    }
    return 0;
}

static void multiboot2_tags(void **state)
{
    static const uint32_t wanted[] = {6, 8, 12, 14, 17, 1};
    uint64_t t;

    (void)state;
    make_multiboot2(wanted, ARRAY_SIZE(wanted));
    graphics();
    uefi();
    assert_null(load(write_it));
    assert_int_equal(start.rip, MIB + 0x100);
    assert_int_equal(at(find_tag(4) + 8, 4), 639);
    assert_int_equal(at(find_tag(4) + 12, 4), 15 * 1024);
    t = find_tag(6);
    assert_int_equal(at(t + 4, 4), 16 + 5 * 24);
    assert_int_equal(at(t + 16 + 24, 8), 0x9fc00);
    assert_int_equal(at(t + 16 + 4 * 24 + 16, 4), MEMORY_NVS);
    t = find_tag(8);
    assert_int_equal(at(t + 4, 4), 38);
    assert_int_equal(at(t + 8, 8), 0x1280000000);
    assert_int_equal(at(t + 16, 4), 4096);
    assert_int_equal(at(t + 24, 4), 768);
    assert_int_equal(at(t + 28, 1), 32);
    assert_int_equal(at(t + 29, 1), 1);
    assert_int_equal(at(t + 32, 6), 0x060007080810);
    assert_int_equal(at(find_tag(12) + 8, 8), 0x340056780);
    t = find_tag(14);
    assert_int_equal(at(t + 4, 4), 28);
    assert_memory_equal(guest_map(memory, gpa(t + 8), 20), boot.rsdp, 20);
    assert_int_equal(find_tag(15), 0);
    t = find_tag(17);
    assert_int_equal(at(t + 4, 4), 16 + sizeof(efi_map));
    assert_int_equal(at(t + 8, 4), 48);
    assert_int_equal(at(t + 12, 4), 1);
    assert_memory_equal(guest_map(memory, gpa(t + 16), sizeof(efi_map)), efi_map, sizeof(efi_map));
}

static void multiboot2_asks_for_what_is_not_there(void **state)
{
    static const struct {
        uint32_t type;
        const char *name;
    } cases[] = {{12, "EFI 64-bit system table"},
                 {15, "ACPI root pointer"},
                 {17, "EFI memory map"},
                 {8, "framebuffer"}};

    (void)state;
    boot.framebuffer.present = false;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        make_multiboot2(&cases[i].type, 1);
        assert_non_null(strstr(load(write_it), cases[i].name));
    }
    assert_int_equal(reached, 0);
}

#define ON_MACHINE(test) cmocka_unit_test_setup_teardown(test, set_up_machine, tear_down_machine)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ram_without_obstacles, set_up),
        cmocka_unit_test_setup(ram_around_obstacles, set_up),
        cmocka_unit_test_setup(ram_up_to_the_end, set_up),
        cmocka_unit_test_setup(ram_model, set_up),
        ON_MACHINE(zero_page_on_bios),
        ON_MACHINE(zero_page_on_uefi),
        ON_MACHINE(too_many_for_e820),
        ON_MACHINE(a_plan_writes_nothing),
        ON_MACHINE(multiboot2_tags),
        ON_MACHINE(multiboot2_asks_for_what_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
