/* SPDX-License-Identifier: BSD-2-Clause */
/* boot/guest/load_pvh.c and the notes of boot/guest/elf.c: what the kernel is told, notes good and bad. */
#include "tests/unit/unit.h"

#include "boot/guest/elf.h"
#include "boot/guest/loader.h"
#include "tests/unit/fake_guest.h"

#include <stdlib.h>
#include <string.h>

#define RSDP  0xe0000u
#define START (2 * MIB)
#define NOTES 0x200 /* in the file */
#define CODE  0x400

static uint8_t file[CODE + 0x1000];
static size_t file_size;
static unsigned notes_end;
static struct image img;
static struct start_state start;
static struct vm *vm;

static void put(unsigned at, uint64_t value, unsigned n)
{
    store_le(file + at, value, n);
}

static uint64_t at(uint64_t address, unsigned n)
{
    uint64_t value = 0;

    assert_true(guest_read(vm, gpa(address), &value, n));
    return value;
}

static const char *text(uint64_t address)
{
    return guest_map(vm, gpa(address), 64);
}

/* Behind those that are there. */
static void note(const char *owner, uint32_t type, uint64_t value, unsigned n)
{
    put(notes_end, strlen(owner) + 1, 4);
    put(notes_end + 4, n, 4);
    put(notes_end + 8, type, 4);
    memcpy(file + notes_end + 12, owner, strlen(owner) + 1);
    notes_end += 12 + (unsigned)ALIGN_UP(strlen(owner) + 1, 4);
    put(notes_end, value, MIN(n, 8));
    notes_end += (unsigned)ALIGN_UP(n, 4);
    put(64 + 32, notes_end - NOTES, 8);
}

/* A note segment and one to load, 0x1000 bytes of file and 0x3000 of memory. */
static void make_elf(void)
{
    memset(file, 0, sizeof(file));
    for (unsigned i = CODE; i < sizeof(file); i++)
        file[i] = (uint8_t)(i * 5 + 1);
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, 0xffffffff80000000, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 2, 2);
    put(64, 4, 4);
    put(72, NOTES, 8);
    put(120, 1, 4);
    put(128, CODE, 8);
    put(136, 0xffffffff80000000, 8);
    put(144, START, 8);
    put(152, 0x1000, 8);
    put(160, 0x3000, 8);
    notes_end = NOTES;
    file_size = sizeof(file);
}

static int set_up(void **state)
{
    (void)state;
    make_elf();
    img = (struct image){.modules = {{"initrd", 6, "initrd", ""}, {"second", 7, "m2", "two words"}},
                         .module_count = 2,
                         .cmdline = "console=ttyS0",
                         .acpi_rsdp = {RSDP},
                         .acpi_base = {RSDP},
                         .acpi_size = 4 * PAGE_SIZE};
    vm = fake_guest(16 * MIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_guest_free(vm);
    return 0;
}

/* From a heap block of exactly the file's size. */
static const char *load(void)
{
    uint8_t *copy = malloc(file_size + 1);
    const char *why = NULL;
    bool good;

    memcpy(copy, file, file_size);
    img.kernel = (struct blob){copy, file_size, "kernel", ""};
    good = image_load(vm, &img, &start, &why);
    assert_int_equal(good, why == NULL);
    free(copy);
    return why;
}

static void expect_modules(uint64_t list)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(at(list + 32 * i + 8, 8), img.modules[i].size);
        assert_memory_equal(guest_map(vm, gpa(at(list + 32 * i, 8)), 6), img.modules[i].data, 6);
        assert_string_equal(text(at(list + 32 * i + 16, 8)), img.modules[i].cmdline);
        assert_int_equal(at(list + 32 * i + 24, 8), 0);
    }
}

static void expect_memory_map(uint64_t map)
{
    static const uint64_t wanted[][3] = {
        {0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {RSDP, 0x4000, 3}, {MIB, 15 * MIB, 1}};

    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        assert_int_equal(at(map + 24 * i, 8), wanted[i][0]);
        assert_int_equal(at(map + 24 * i + 8, 8), wanted[i][1]);
        assert_int_equal(at(map + 24 * i + 16, 8), wanted[i][2]);
    }
}

static void start_info(void **state)
{
    uint64_t info;

    (void)state;
    note("GNU", 18, 0x77, 8);
    note("Xen", 6, 0, 6);
    note("Xen", 18, START + 0x50, 8);
    assert_int_equal(image_recognise(file, file_size), IMAGE_PVH);
    assert_null(load());
    info = start.rbx;
    assert_int_equal(start.mode, 32);
    assert_int_equal(start.rip, START + 0x50);
    assert_memory_equal(guest_map(vm, gpa(START), 0x1000), file + CODE, 0x1000);
    assert_int_equal(at(START + 0x1000, 8), 0);
    assert_int_equal(at(info, 4), 0x336ec578);
    assert_int_equal(at(info + 4, 4), 1);
    assert_int_equal(at(info + 8, 4), 0);
    assert_int_equal(at(info + 12, 4), 2);
    assert_string_equal(text(at(info + 24, 8)), "console=ttyS0");
    assert_int_equal(at(info + 32, 8), RSDP);
    assert_int_equal(at(info + 48, 4), 4);
    expect_modules(at(info + 16, 8));
    expect_memory_map(at(info + 40, 8));
}

static void without_modules(void **state)
{
    (void)state;
    note("Xen", 18, START, 4); /* as 32-bit files have it */
    img.module_count = 0;
    assert_null(load());
    assert_int_equal(at(start.rbx + 12, 4), 0);
    assert_int_equal(at(start.rbx + 16, 8), 0);
}

static void no_entry(void **state)
{
    static const struct {
        const char *owner;
        uint32_t type;
        unsigned size;
    } others[] = {{"Xen", 17, 8}, {"xen", 18, 8}, {"Xenia", 18, 8},
                  {"Xe", 18, 8},  {"Xen", 18, 2}, {"Xen", 18, 16}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        make_elf();
        note(others[i].owner, others[i].type, START, others[i].size);
        assert_int_equal(image_recognise(file, file_size), IMAGE_AUTO);
        assert_non_null(strstr(load(), "without a Multiboot header or a PVH entry"));
    }
    img.format = IMAGE_PVH;
    assert_non_null(strstr(load(), "no ELF kernel with a PVH entry"));
}

static void bad_entry(void **state)
{
    (void)state;
    note("Xen", 18, START + 0x3000, 8);
    assert_non_null(strstr(load(), "outside the loaded kernel"));
    make_elf();
    note("Xen", 18, 4 * GIB + START, 8);
    assert_non_null(strstr(load(), "below 4 GiB"));
}

/* Lengths that lead beyond the segment, or beyond what a number holds. */
static void bad_notes(void **state)
{
    static const uint32_t lengths[] = {0x7f, 0xfffffff0, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(lengths); i++) {
        make_elf();
        note("Lie", 1, 0, 8);
        note("Xen", 18, START, 8);
        put(NOTES + 4 * (i % 2), lengths[i / 2], 4);
        assert_int_equal(image_recognise(file, file_size), IMAGE_AUTO);
    }
    make_elf();
    note("Xen", 18, START, 8);
    put(72, sizeof(file) - 8, 8); /* behind the file in part */
    assert_int_equal(image_recognise(file, file_size), IMAGE_AUTO);
}

static void not_endless(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++)
        note("", 1, 0, 0);
    note("Xen", 18, START, 8);
    assert_int_equal(image_recognise(file, file_size), IMAGE_PVH);
    put(56, 20, 2); /* program headers, of which all but the first two are zeros */
    assert_int_equal(image_recognise(file, file_size), IMAGE_PVH);
    for (unsigned i = 0; i < 20; i++)
        put(NOTES - 16 + i, 0, 1);
    memset(file + CODE, 0, 0x1000); /* empty notes: more than are looked at */
    put(72, CODE, 8);
    put(96, 0x1000, 8);
    memcpy(file + CODE + 12 * ELF_MAX_NOTES, file + NOTES + 16 * 16, notes_end - NOTES - 16 * 16);
    assert_int_equal(image_recognise(file, file_size), IMAGE_AUTO);
    memcpy(file + CODE + 12 * (ELF_MAX_NOTES - 1), file + NOTES + 16 * 16, notes_end - NOTES - 16 * 16);
    assert_int_equal(image_recognise(file, file_size), IMAGE_PVH);
}

static void cut_files(void **state)
{
    (void)state;
    note("Xen", 18, START, 8);
    img.format = IMAGE_PVH;
    for (file_size = 0; file_size < sizeof(file); file_size += 7)
        assert_non_null(load());
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start_info), TEST(without_modules), TEST(no_entry),  TEST(bad_entry),
        TEST(bad_notes),  TEST(not_endless),     TEST(cut_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
