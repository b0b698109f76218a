/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot 1 and 2, ELF and flat images: what is loaded where, what the kernel is told, what is refused. */
#include "tests/unit/unit.h"

#include "boot/guest/elf.h"
#include "boot/guest/loader.h"
#include "tests/unit/fake_guest.h"

#include <stdlib.h>
#include <string.h>

#define RSDP  0x98000u
#define START (2 * MIB)
#define CODE  0x400 /* where the segment begins in the file */

static uint8_t file[8192];
static size_t file_size;
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

static void header1(unsigned place, uint32_t flags)
{
    put(place, 0x1badb002, 4);
    put(place + 4, flags, 4);
    put(place + 8, -(0x1badb002u + flags), 4);
}

/* One segment: 0x1000 bytes of file, 0x3000 of memory, linked at 0xc0000000 above its physical address. */
static void elf32(void)
{
    memcpy(file, "\177ELF\1\1\1", 7);
    put(16, 2, 2);
    put(18, 3, 2);
    put(24, 0xc0000000 + START + 0x10, 4);
    put(28, 52, 4);
    put(42, 32, 2);
    put(44, 1, 2);
    put(52, 1, 4);
    put(56, CODE, 4);
    put(60, 0xc0000000 + START, 4);
    put(64, START, 4);
    put(68, 0x1000, 4);
    put(72, 0x3000, 4);
}

static void elf64(void)
{
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, START + 0x20, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 2, 2);
    put(64, 4, 4); /* a note, not loaded */
    put(120, 1, 4);
    put(128, CODE, 8);
    put(136, 0xffffffff80000000, 8);
    put(144, START, 8);
    put(152, 0x1000, 8);
    put(160, 0x2000, 8);
}

static int set_up(void **state)
{
    (void)state;
    memset(file, 0, sizeof(file));
    for (unsigned i = CODE; i < sizeof(file); i++)
        file[i] = (uint8_t)(i * 5 + 1);
    file_size = CODE + 0x1000;
    img = (struct image){.modules = {{"first module", 13, "m1", "one -a"}, {"2", 2, "m2", ""}},
                         .module_count = 2,
                         .cmdline = "root=here",
                         .load = {MIB},
                         .mode = 32,
                         .acpi_rsdp = {RSDP},
                         .acpi_base = {RSDP},
                         .acpi_size = 4 * PAGE_SIZE};
    vm = fake_guest(16 * MIB);
    for (unsigned i = 0; i < 36; i++)
        *(uint8_t *)guest_map(vm, gpa(RSDP + i), 1) = (uint8_t)(0x80 + i);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_guest_free(vm);
    return 0;
}

/* Loads from a heap block of exactly the file's size. */
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

static void expect_loaded(uint64_t size)
{
    assert_memory_equal(guest_map(vm, gpa(START), 0x1000), file + CODE, 0x1000);
    for (uint64_t i = 0x1000; i < size; i++)
        assert_int_equal(at(START + i, 1), 0);
    assert_int_equal(at(START + size, 1), FAKE_FILL);
    assert_int_equal(start.mode, 32);
    assert_int_equal(at(start.gdt_base + 0x10, 8), 0x00cf9b000000ffff);
    assert_int_equal(at(start.gdt_base + 0x18, 8), 0x00cf93000000ffff);
}

static void expect_module(uint64_t place, uint64_t end, const struct blob *blob)
{
    assert_int_equal(end - place, blob->size);
    assert_int_equal(place % PAGE_SIZE, 0);
    assert_true(place >= MIB);
    assert_memory_equal(guest_map(vm, gpa(place), blob->size), blob->data, blob->size);
}

static void multiboot1(void **state)
{
    uint64_t info, mods, map;

    (void)state;
    elf32();
    header1(0x100, 3);
    assert_null(load());
    expect_loaded(0x3000);
    assert_int_equal(start.rip, START + 0x10);
    assert_int_equal(start.rax, 0x2badb002);
    info = start.rbx;
    assert_true(info < 0xa0000);
    assert_int_equal(at(info, 4), 0x24d);
    assert_int_equal(at(info + 4, 4), RSDP / 1024);
    assert_int_equal(at(info + 8, 4), 15 * 1024);
    assert_string_equal(text(at(info + 16, 4)), "root=here");
    assert_string_equal(text(at(info + 64, 4)), "Skerry (as GRUB 2)");
    assert_int_equal(at(info + 20, 4), 2);
    mods = at(info + 24, 4);
    for (unsigned i = 0; i < 2; i++, mods += 16) {
        expect_module(at(mods, 4), at(mods + 4, 4), &img.modules[i]);
        assert_string_equal(text(at(mods + 8, 4)), img.modules[i].cmdline);
        assert_int_equal(at(mods + 12, 4), 0);
    }
    assert_int_equal(at(info + 44, 4), 5 * 24);
    map = at(info + 48, 4);
    assert_int_equal(at(map, 4), 20);
    assert_int_equal(at(map + 4, 8), 0);
    assert_int_equal(at(map + 24 + 4, 8), RSDP);
    assert_int_equal(at(map + 24 + 20, 4), 3);
    assert_int_equal(at(map + 72 + 4, 8), 0x9fc00); /* the extended BIOS data area */
    assert_int_equal(at(map + 72 + 12, 8), 0x400);
    assert_int_equal(at(map + 72 + 20, 4), 2);
    assert_int_equal(at(map + 96 + 4, 8), MIB);
    assert_int_equal(at(map + 96 + 12, 8), 15 * MIB);
}

/* The header at 0x400 + 0x20, the image from 0x400 on, which is the start of what is loaded. */
static void address_fields(uint32_t load_end, uint32_t bss_end)
{
    unsigned h = CODE + 0x20;

    header1(h, 0x10003);
    put(h + 12, START + 0x20, 4);
    put(h + 16, START, 4);
    put(h + 20, load_end, 4);
    put(h + 24, bss_end, 4);
    put(h + 28, START + 0x40, 4);
}

static void multiboot1_addresses(void **state)
{
    (void)state;
    address_fields(START + 0x1000, START + 0x2000);
    assert_null(load());
    expect_loaded(0x2000);
    assert_int_equal(start.rip, START + 0x40);
    address_fields(0, 0);
    memset(guest_map(vm, gpa(START), 0x2000), FAKE_FILL, 0x2000);
    assert_null(load());
    expect_loaded(0x1000);
}

static void multiboot1_refused(void **state)
{
    static const uint32_t bad[][5] = {
        /* header, load, load_end, bss_end, entry */
        {START, START + 1, 0, 0, START},          {START + 0x421, START, 0, 0, START},
        {START, START, START + 0x1000, 0, START}, {START, START, START - 1, 0, START},
        {START, START, 0, START + 1, START},      {START, START, 0, 0, START - 1},
        {START, START, 0, 0, 0xffffffff},         {0xffffff00, 0xffffff00, 0, 0, 0xffffff00},
        {START, START, 0, 0xffffffff, START},     {START, START, START, 0, START},
    };

    (void)state;
    elf32();
    header1(0x100, 7);
    assert_non_null(strstr(load(), "video mode"));
    header1(0x100, 0x8003);
    assert_non_null(strstr(load(), "flags 8000h"));
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        address_fields(0, 0);
        header1(0x100, 0); /* not the first any more */
        put(0x100, 0, 4);
        for (unsigned f = 0; f < 5; f++)
            put(CODE + 0x20 + 12 + f * 4, bad[i][f], 4);
        assert_non_null(load());
    }
    file_size = CODE + 0x20 + 31;
    assert_non_null(strstr(load(), "cut off"));
    img.format = IMAGE_MULTIBOOT;
    file_size = CODE;
    assert_non_null(strstr(load(), "no Multiboot header"));
}

static unsigned tags; /* end of the Multiboot2 header so far */

static void tag2(uint16_t type, uint16_t flags, const uint32_t *values, unsigned count)
{
    put(tags, type, 2);
    put(tags + 2, flags, 2);
    put(tags + 4, 8 + 4 * count, 4);
    for (unsigned i = 0; i < count; i++)
        put(tags + 8 + 4 * i, values[i], 4);
    tags = (unsigned)ALIGN_UP(tags + 8 + 4 * count, 8);
}

static void begin2(void)
{
    tags = 0x208;
    memset(file + 0x200 - 8, 0, 8 + 0x200);
}

static const char *load2(void)
{
    tag2(0, 0, NULL, 0);
    put(0x1f8, 0xe85250d6, 4);
    put(0x1fc, 0, 4);
    put(0x200, tags - 0x1f8, 4);
    put(0x204, -(0xe85250d6u + tags - 0x1f8), 4);
    return load();
}

static uint64_t find_tag(uint32_t type, unsigned nth)
{
    uint64_t info = start.rbx, total = at(info, 4);

    for (uint64_t t = 8; t < total; t = ALIGN_UP(t + at(info + t + 4, 4), 8)) {
        if (at(info + t, 4) == type && nth-- == 0)
            return info + t;
        assert_true(at(info + t + 4, 4) >= 8);
    }
    return 0;
}

static void multiboot2(void **state)
{
    static const uint32_t wanted[] = {1, 2, 3, 4, 6, 15};
    static const uint32_t unknown[] = {77, 8};
    static const uint32_t console = 2;

    (void)state;
    elf64();
    begin2();
    tag2(1, 0, wanted, 6);
    tag2(1, 1, unknown, 2);
    tag2(4, 0, &console, 1);
    tag2(6, 0, NULL, 0);
    tag2(4711, 1, unknown, 1);
    assert_null(load2());
    expect_loaded(0x2000);
    assert_int_equal(start.rip, START + 0x20);
    assert_int_equal(start.rax, 0x36d76289);
    assert_int_equal(start.rbx % 8, 0);
    assert_string_equal(text(find_tag(1, 0) + 8), "root=here");
    assert_string_equal(text(find_tag(2, 0) + 8), "Skerry (as GRUB 2)");
    for (unsigned i = 0; i < 2; i++) {
        uint64_t t = find_tag(3, i);

        expect_module(at(t + 8, 4), at(t + 12, 4), &img.modules[i]);
        assert_string_equal(text(t + 16), img.modules[i].cmdline);
    }
    assert_int_equal(at(find_tag(4, 0) + 12, 4), 15 * 1024);
    assert_int_equal(at(find_tag(6, 0) + 4, 4), 16 + 5 * 24);
    assert_int_equal(at(find_tag(6, 0) + 8, 4), 24);
    assert_int_equal(at(find_tag(6, 0) + 16 + 96 + 8, 8), 15 * MIB);
    assert_memory_equal(text(find_tag(15, 0) + 8), guest_map(vm, gpa(RSDP), 36), 36);
    assert_int_equal(at(find_tag(0, 0) + 4, 4), 8);
    assert_int_equal(find_tag(0, 0) + 8, start.rbx + at(start.rbx, 4));
}

static void multiboot2_addresses(void **state)
{
    static const uint32_t addresses[] = {START, START - 0x1f8, START + 0x100, START + 0x1000};
    static const uint32_t entry = START + 0x80;

    (void)state;
    begin2();
    tag2(2, 0, addresses, 4);
    assert_non_null(strstr(load2(), "without entry tag"));
    begin2();
    tag2(2, 0, addresses, 4);
    tag2(3, 0, &entry, 1);
    assert_null(load2());
    assert_int_equal(start.rip, entry);
    assert_memory_equal(guest_map(vm, gpa(START), 0x100), file + 0x1f8, 0x100);
    assert_int_equal(at(START + 0x100, 1), 0);
}

static void multiboot2_refused(void **state)
{
    static const uint32_t values[] = {8, 1};
    static const struct {
        uint16_t type;
        const char *wanted;
    } cases[] = {{1, "framebuffer (information 8)"}, {5, "framebuffer"}, {99, "tag 99"}, {2, "cut off"}};

    (void)state;
    elf64();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        begin2();
        tag2(cases[i].type, 0, values, 2);
        assert_non_null(strstr(load2(), cases[i].wanted));
    }
    begin2();
    tag2(4, 0, values + 1, 1);
    assert_non_null(strstr(load2(), "console"));
    begin2();
    tag2(7, 0, NULL, 0);
    put(0x20c, 0xffff, 4);
    assert_non_null(strstr(load2(), "does not fit"));
    begin2();
    assert_null(load2());
    put(0x208, 6, 2); /* the end tag becomes another */
    assert_non_null(strstr(load(), "without end tag"));
    img.acpi_rsdp = gpa(0);
    begin2();
    tag2(1, 0, (const uint32_t[]){15}, 1);
    assert_non_null(strstr(load2(), "ACPI root pointer"));
}

struct change {
    unsigned at, n;
    uint64_t value;
    const char *wanted;
};

/* Each spoils one field of the 64-bit file. */
static const struct change changes[] = {
    {4, 1, 3, "no ELF"},
    {5, 1, 2, "no ELF"},
    {18, 2, 3, "no ELF"},
    {16, 2, 3, "executable"},
    {32, 8, 10000, "program headers"},
    {32, 8, UINT64_MAX, "program headers"},
    {54, 2, 55, "program headers"},
    {56, 2, 0xffff, "program headers"},
    {56, 2, 0, "entry point"},
    {24, 8, START + 0x2000, "entry point"},
    {24, 8, 4 * GIB + START, "entry point"},
    {128, 8, CODE + 1, "behind the file"},
    {128, 8, UINT64_MAX, "behind the file"},
    {152, 8, 0x2001, "behind the file"},
    {160, 8, 0xfff, "larger in the file"},
    {144, 8, 4 * GIB, "above 4 GiB"},
    {144, 8, UINT64_MAX - 5, "above 4 GiB"},
    {160, 8, UINT64_MAX, "above 4 GiB"},
    {144, 8, 16 * MIB - 0x1000, "no place"},
    {144, 8, RSDP, "no place"},
};

static void elf_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
        const char *why;

        elf64();
        begin2();
        if (changes[i].at == 144)
            put(24, changes[i].value, 8);
        put(changes[i].at, changes[i].value, changes[i].n);
        why = load2();
        assert_non_null(why);
        if (strstr(why, changes[i].wanted) == NULL)
            fail_msg("change %u: %s", i, why);
    }
    elf64();
    put(64, 1, 4); /* a second segment over the first */
    memcpy(file + 72, file + 128, 48);
    begin2();
    assert_non_null(strstr(load2(), "no place"));
}

static void elf_cut(void **state)
{
    struct elf_image elf;
    const char *why;

    (void)state;
    elf64();
    for (file_size = 0; file_size < CODE + 0x1000; file_size += 7) {
        uint8_t *copy = malloc(file_size + 1);

        memcpy(copy, file, file_size);
        assert_false(elf_parse(copy, file_size, &elf, &why));
        free(copy);
    }
}

static void flat(void **state)
{
    (void)state;
    img.format = IMAGE_FLAT;
    assert_null(load());
    assert_int_equal(start.mode, 32);
    assert_int_equal(start.rip, MIB);
    assert_memory_equal(guest_map(vm, gpa(MIB), file_size), file, file_size);
    assert_true(start.rsp < 0xa0000 && start.rsp >= 2 * PAGE_SIZE);
    img.mode = 16;
    assert_non_null(strstr(load(), "below 64K"));
    img.load = gpa(0x7c00);
    assert_null(load());
    assert_int_equal(start.mode, 16);
    assert_int_equal(start.rip, 0x7c00);
    assert_int_equal(start.gdt_base, 0);
    assert_true(start.rsp <= 64 * KIB);
    img.mode = 32;
    img.load = gpa(PAGE_SIZE); /* where boot structures would go otherwise */
    assert_null(load());
    assert_memory_equal(guest_map(vm, gpa(PAGE_SIZE), file_size), file, file_size);
    assert_true(start.gdt_base >= PAGE_SIZE + file_size);
}

static void flat_refused(void **state)
{
    static const uint64_t places[] = {16 * MIB - 1, 16 * MIB, UINT64_MAX, 4 * GIB, RSDP, RSDP - 1};

    (void)state;
    img.format = IMAGE_FLAT;
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        img.load = gpa(places[i]);
        assert_non_null(strstr(load(), "do not fit"));
    }
    file_size = 0;
    assert_non_null(strstr(load(), "empty"));
    file_size = 100;
    img.acpi_base = gpa(16 * MIB);
    assert_non_null(strstr(load(), "ACPI"));
}

static void recognise(void **state)
{
    (void)state;
    assert_int_equal(image_recognise(file, file_size), IMAGE_AUTO);
    assert_int_equal(image_recognise(NULL, 0), IMAGE_AUTO);
    elf32();
    assert_non_null(strstr(load(), "an ELF file without a Multiboot header or a PVH entry, expected"));
    header1(0x100, 0);
    assert_int_equal(image_recognise(file, file_size), IMAGE_MULTIBOOT);
    assert_int_equal(image_recognise(file, 0x10b), IMAGE_AUTO);
    begin2();
    load2();
    assert_int_equal(image_recognise(file, file_size), IMAGE_MULTIBOOT2);
    memcpy(file + 0x202, "HdrS", 4);
    put(0x1fe, 0xaa55, 2);
    assert_int_equal(image_recognise(file, file_size), IMAGE_LINUX);
}

/* What is no kernel is never run: raw bytes are asked for. */
static void strange(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *why;
    } files[] = {
        {"\x1f\x8b\x08", 3, "compressed with gzip, expected"},
        {"\xfd"
         "7zXZ\0",
         6, "compressed with xz, expected"},
        {"\x28\xb5\x2f\xfd", 4, "compressed with zstd, expected"},
        {"BZh9", 4, "compressed with bzip2, expected"},
        {"\x04\x22\x4d\x18", 4, "compressed with lz4, expected"},
        {"\x02\x21\x4c\x18", 4, "compressed with lz4, expected"},
        {"\x5d\0\0\x80", 4, "compressed with lzma, expected"},
        {"070701", 6, "a cpio archive"},
        {"MZ\x90", 3, "a program for UEFI"},
        {"\xeb\xfe", 2, "no kernel that is known, expected a bzImage"},
        {"\x1f", 1, "no kernel that is known"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
        img.format = IMAGE_AUTO;
        file_size = files[i].count;
        memcpy(file, files[i].bytes, file_size);
        assert_non_null(strstr(load(), files[i].why));
        assert_int_equal(at(MIB, 1), FAKE_FILL);
        img.format = IMAGE_FLAT;
        assert_null(load());
        *(uint8_t *)guest_map(vm, gpa(MIB), 1) = FAKE_FILL;
    }
}

static void no_room_for_module(void **state)
{
    (void)state;
    elf32();
    header1(0x100, 0);
    img.modules[1].size = 16 * MIB;
    assert_non_null(strstr(load(), "module 2"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(multiboot1),
        TEST(multiboot1_addresses),
        TEST(multiboot1_refused),
        TEST(multiboot2),
        TEST(multiboot2_addresses),
        TEST(multiboot2_refused),
        TEST(elf_refused),
        TEST(elf_cut),
        TEST(flat),
        TEST(flat_refused),
        TEST(recognise),
        TEST(strange),
        TEST(no_room_for_module),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
