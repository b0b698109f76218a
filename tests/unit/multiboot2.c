/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/x86/multiboot2.c: boot information as GRUB builds it, and as nobody should. */
#include "tests/unit/unit.h"

#include "arch/x86/multiboot2.h"

#include <stdlib.h>
#include <string.h>

static uint8_t info[65536];
static size_t used;
static struct boot_info out;

static void begin(void)
{
    memset(info, 0, sizeof(info));
    used = 8;
}

static void tag(uint32_t type, const void *body, uint32_t size)
{
    store_le(info + used, type, 4);
    store_le(info + used + 4, size + 8, 4);
    memcpy(info + used + 8, body, size);
    used = ALIGN_UP(used + 8 + size, 8);
}

/* Parses from a heap block of exactly that size, which stays until the next one; NULL when it was taken, else
 * what was wrong. */
static const char *parse(void)
{
    static uint8_t *copy;
    const char *why;
    bool good;

    free(copy);
    copy = malloc(used);
    store_le(info, used, 4);
    memcpy(copy, info, used);
    good = multiboot2_parse(copy, used, &out, &why);
    assert_int_equal(good, why == NULL);
    return why;
}

static const char *parse_one(uint32_t type, const void *body, uint32_t size)
{
    begin();
    tag(type, body, size);
    tag(0, "", 0);
    return parse();
}

static void module(uint32_t start, uint32_t end, const char *string)
{
    uint8_t body[512];

    store_le(body, start, 4);
    store_le(body + 4, end, 4);
    strcpy((char *)body + 8, string);
    tag(3, body, (uint32_t)(8 + strlen(string) + 1));
}

struct entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

static void memory(const struct entry *entries, unsigned count)
{
    uint8_t body[8 + 300 * 24];

    store_le(body, 24, 4);
    store_le(body + 4, 0, 4);
    memcpy(body + 8, entries, count * 24);
    tag(6, body, 8 + count * 24);
}

static void complete(void **state)
{
    static const struct entry map[] = {{0, 0x9fc00, 1, 0},         {0x9fc00, 0x400, 2, 0},
                                       {0x100000, 0x100000, 1, 0}, {0x200000, MIB, 1, 0},
                                       {5 * GIB, 0, 1, 0},         {UINT64_MAX, 1, 2, 0}};
    static const uint8_t old[20] = "RSD PTR old", new[36] = "RSD PTR new";
    uint8_t screen[30] = {0};

    (void)state;
    begin();
    tag(1, "explain debug", 14);
    tag(2, "GRUB 2.06", 10);
    module(0x10000, 0x10123, "skerry.cfg");
    module(0x20000, 0x20000, "");
    memory(map, ARRAY_SIZE(map));
    tag(15, new, 36);
    tag(14, old, 20);
    store_le(screen, 0xb8000, 8);
    store_le(screen + 8, 160, 4);
    store_le(screen + 12, 80, 4);
    store_le(screen + 16, 25, 4);
    screen[20] = 16;
    screen[21] = 2;
    tag(8, screen, 24);
    tag(21, "\0\0\x40\0", 4);
    tag(12, "\x78\x56\x34\x12\0\0\0\0", 8);
    tag(18, "", 0);
    tag(17, "\x30\0\0\0\1\0\0\0--------", 16);
    tag(4711, "unknown", 7);
    tag(0, "", 0);
    assert_null(parse());
    assert_string_equal(out.cmdline, "explain debug");
    assert_string_equal(out.loader, "GRUB 2.06");
    assert_int_equal(out.module_count, 2);
    assert_int_equal(out.modules[0].start.value, 0x10000);
    assert_int_equal(out.modules[0].size, 0x123);
    assert_string_equal(out.modules[0].string, "skerry.cfg");
    assert_int_equal(out.memory_count, 4);
    assert_int_equal(out.memory[2].size, 0x200000);
    assert_int_equal(out.memory[3].base, UINT64_MAX);
    assert_int_equal(out.rsdp_size, 36);
    assert_memory_equal(out.rsdp, new, 36);
    assert_true(out.framebuffer.present);
    assert_int_equal(out.framebuffer.type, FRAMEBUFFER_TEXT);
    assert_int_equal(out.framebuffer.height, 25);
    assert_true(out.relocated);
    assert_int_equal(out.load_base.value, 0x400000);
    assert_int_equal(out.efi_system_table.value, 0x12345678);
    assert_true(out.efi_boot_services);
    assert_int_equal(out.efi_map_size, 8);
    assert_int_equal(out.efi_descriptor_size, 48);
    assert_int_equal(out.efi_descriptor_version, 1);
}

static void whole_address_space(void **state)
{
    static const struct entry map[] = {{0, UINT64_MAX, 1, 0}, {UINT64_MAX, 1, 1, 0}, {0, MIB, 1, 0}};

    (void)state;
    begin();
    memory(map, 3);
    tag(0, "", 0);
    assert_null(parse());
    assert_int_equal(out.memory_count, 3);
}

static void rgb(void **state)
{
    uint8_t screen[30] = {0};

    (void)state;
    store_le(screen, 0xc0000000, 8);
    store_le(screen + 8, 4096, 4);
    store_le(screen + 12, 1024, 4);
    store_le(screen + 16, 768, 4);
    screen[20] = 32;
    screen[21] = 1;
    memcpy(screen + 24, "\x10\x08\x08\x08\x00\x08", 6);
    assert_null(parse_one(8, screen, 30));
    assert_true(out.framebuffer.present);
    assert_int_equal(out.framebuffer.red.position, 16);
    assert_int_equal(out.framebuffer.blue.size, 8);
    assert_null(parse_one(8, screen, 24)); /* no colours */
    assert_false(out.framebuffer.present);
    store_le(screen + 8, 4095, 4); /* lines overlap */
    assert_null(parse_one(8, screen, 30));
    assert_false(out.framebuffer.present);
}

static void malformed(void **state)
{
    static const struct entry wrap = {UINT64_MAX, 2, 1, 0};
    static const uint8_t entry8[8] = {8}, zero[40] = {0};
    static const uint8_t backwards[9] = {0, 2, 0, 0, 0, 1, 0, 0, 0};
    char text[BOOT_STRING_SIZE + 1];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_string_equal(parse_one(1, text, sizeof(text)),
                        "the command line has more than 1023 characters or no end");
    text[BOOT_STRING_SIZE] = '\0';
    assert_non_null(parse_one(1, text, sizeof(text)));
    text[BOOT_STRING_SIZE - 1] = '\0';
    assert_null(parse_one(1, text, sizeof(text)));
    assert_string_equal(parse_one(3, backwards, 9), "a module ends before it starts");
    assert_non_null(parse_one(3, "\0\0\0\0\0\0\0\0noend", 13));
    assert_non_null(parse_one(3, zero, 8));
    assert_non_null(parse_one(6, entry8, 8));
    assert_non_null(parse_one(6, zero, 4));
    assert_non_null(parse_one(14, zero, 19));
    assert_non_null(parse_one(15, zero, 35));
    assert_non_null(parse_one(21, zero, 3));
    begin();
    memory(&wrap, 1);
    assert_string_equal(parse(), "a memory map entry wraps around");
}

static void structure(void **state)
{
    const char *why;

    (void)state;
    begin();
    assert_string_equal(parse(), "no end tag");
    tag(1, "x", 2);
    assert_string_equal(parse(), "no end tag");
    store_le(info + 12, 7, 4);
    assert_string_equal(parse(), "a tag is larger than what is left");
    store_le(info + 12, UINT32_MAX, 4);
    assert_string_equal(parse(), "a tag is larger than what is left");
    used = 4;
    assert_non_null(parse());
    store_le(info, UINT32_MAX, 4);
    assert_false(multiboot2_parse(info, sizeof(info), &out, &why));
    assert_false(multiboot2_parse(info, 7, &out, &why));
    assert_false(multiboot2_parse(NULL, 0, &out, &why));
}

/* Of one piece more than fits, every second one usable and the first at "turn", which of them are there. */
static void assert_usable_stays(struct entry *map, unsigned turn)
{
    unsigned usable = 0, found = 0;

    for (unsigned i = 0; i <= BOOT_MAX_MEMORY; i++) {
        map[i] = (struct entry){i * MIB, MIB, (i + turn) % 2 ? MEMORY_RESERVED : MEMORY_USABLE, 0};
        usable += map[i].type == MEMORY_USABLE;
    }
    begin();
    memory(map, BOOT_MAX_MEMORY + 1);
    tag(0, "", 0);
    assert_null(parse());
    for (unsigned i = 0; i < out.memory_count; i++)
        found += out.memory[i].type == MEMORY_USABLE;
    assert_int_equal(out.memory_count, BOOT_MAX_MEMORY);
    assert_int_equal(out.memory_dropped, 1);
    assert_int_equal(found, usable);
}

static void too_many(void **state)
{
    struct entry map[BOOT_MAX_MEMORY + 1];

    (void)state;
    begin();
    for (unsigned i = 0; i < BOOT_MAX_MODULES; i++)
        module(0, 1, "m");
    tag(0, "", 0);
    assert_null(parse());
    used -= 8;
    module(0, 1, "m");
    assert_string_equal(parse(), "more than 64 modules");

    for (unsigned i = 0; i <= BOOT_MAX_MEMORY; i++)
        map[i] = (struct entry){i * MIB, MIB, 1 + i % 2, 0};
    begin();
    memory(map, BOOT_MAX_MEMORY);
    tag(0, "", 0);
    assert_null(parse());
    assert_usable_stays(map, 0); /* the last is usable: another goes */
    assert_usable_stays(map, 1);
    for (unsigned i = 0; i <= BOOT_MAX_MEMORY; i++)
        map[i] = (struct entry){2 * i * MIB, MIB, MEMORY_USABLE, 0};
    begin();
    memory(map, BOOT_MAX_MEMORY + 1);
    assert_non_null(parse());
}

/* What keeps memory from being taken is kept, and so is what ACPI uses. */
static void pieces_that_must_stay(void **state)
{
    struct entry map[BOOT_MAX_MEMORY + 2];

    (void)state;
    for (unsigned i = 0; i <= BOOT_MAX_MEMORY; i++)
        map[i] = (struct entry){2 * i * MIB, MIB, MEMORY_RESERVED, 0};
    map[3].type = MEMORY_ACPI;
    map[255] = (struct entry){GIB, 4 * MIB, MEMORY_USABLE, 0};
    map[256] = (struct entry){GIB + MIB, MIB, MEMORY_RESERVED, 0};
    map[257] = (struct entry){GIB + 3 * MIB, 2 * MIB, MEMORY_NVS, 0};
    begin();
    memory(map, BOOT_MAX_MEMORY + 2);
    tag(0, "", 0);
    assert_null(parse());
    assert_int_equal(out.memory_count, BOOT_MAX_MEMORY);
    assert_int_equal(out.memory_dropped, 2);
    assert_int_equal(out.memory[3].type, MEMORY_ACPI);
    assert_int_equal(out.memory[252].base, 2 * 252 * MIB);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(out.memory[253 + i].base, map[255 + i].base);
        assert_int_equal(out.memory[253 + i].size, map[255 + i].size);
        assert_int_equal(out.memory[253 + i].type, map[255 + i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete),
        cmocka_unit_test(whole_address_space),
        cmocka_unit_test(rgb),
        cmocka_unit_test(malformed),
        cmocka_unit_test(structure),
        cmocka_unit_test(too_many),
        cmocka_unit_test(pieces_that_must_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
