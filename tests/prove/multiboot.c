/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot kernels of both versions: any bytes in files of any of these sizes, behind which there is
 * nothing, with tags of any of these sizes; and what they are told, byte by byte.
 */
#include "tests/prove/libc.h"

#include "boot/guest/load_multiboot.c"

#include "boot/guest/load_multiboot2.c"

#define LARGEST 80
#define TOLD    2000 /* bytes that boot information takes at most here */

void main(void);

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

/* --- what is below: places are any, and what is copied there is within the file as the tests have it --- */

static uint8_t *told; /* where boot information goes; NULL: nowhere, it is only planned */

bool load_fail(struct loading *l, const char *fmt, ...)
{
    (void)l;
    (void)fmt;
    return false;
}

bool load_take(struct loading *l, uint64_t base, uint64_t size)
{
    (void)l;
    (void)base;
    (void)size;
    return any_bool();
}

bool load_lowest(struct loading *l, uint64_t from, uint64_t below, uint64_t size, uint64_t align,
                 uint64_t *base)
{
    (void)l;
    (void)from;
    (void)below;
    (void)size;
    (void)align;
    *base = any64();
    return any_bool();
}

bool load_low(struct loading *l, uint64_t size, uint64_t align, uint64_t *base)
{
    (void)l;
    (void)align;
    *base = any64();
    return size <= TOLD;
}

/* As many bytes as were asked for, at the end of the room there is. */
void *load_map(struct loading *l, uint64_t at, uint64_t n)
{
    (void)l;
    (void)at;
    return told && n <= TOLD ? told + TOLD - n : NULL;
}

void load_copy(struct loading *l, uint64_t to, const void *from, uint64_t size)
{
    (void)l;
    (void)to;
    (void)from;
    (void)size;
}

void load_zero(struct loading *l, uint64_t at, uint64_t size)
{
    (void)l;
    (void)at;
    (void)size;
}

void load_gdt(struct loading *l, uint64_t at)
{
    (void)l;
    (void)at;
}

bool elf_parse(const void *data, size_t size, struct elf_image *out, const char **why)
{
    (void)data;
    (void)size;
    (void)why;
    out->count = (unsigned)Frama_C_interval(0, ELF_MAX_SEGMENTS);
    for (unsigned i = 0; i < ELF_MAX_SEGMENTS; i++)
        out->segments[i] = (struct elf_segment){any64(), any64(), any64(), any64()};
    return any_bool();
}

uint32_t multiboot2_firmware_tags(const struct load_target *t)
{
    (void)t;
    return any32();
}

void multiboot2_put_firmware(const struct loading *l, struct block *b)
{
    (void)l;
    block_end_tag(b, block_begin_tag(b, INFO_RSDP));
}

/* --- a file, and the loading of it --- */

static uint8_t room[LARGEST];
static struct map_entry map[2];

static void put(uint8_t *file, size_t size, size_t at, uint32_t value)
{
    if (at + 4 <= size)
        store_le(file + at, value, 4);
}

static void any_file(void)
{
    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = any8();
    for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
        map[i] = (struct map_entry){any64(), any64(), any32()};
}

static void load(const uint8_t *file, size_t size, bool (*loader)(struct loading *l))
{
    static const struct piece ranges[1];
    struct load_target target = {.ranges = ranges, .range_count = 1, .map = map, .map_count = 2};
    struct image img = {.kernel = {file, size, "kernel", ""}, .module_count = 2, .cmdline = "a b"};
    struct start_state start = {0};
    const char *why = NULL;
    struct loading l = {.target = &target, .img = &img, .start = &start, .why = &why};

    img.modules[0] = (struct blob){room, any32(), "m", "m of 9 c"};
    img.modules[1] = (struct blob){room, 0, "n", ""};
    loader(&l);
}

/* Version 1: the header at any multiple of 4 where it can be. */
static void version_1(size_t size)
{
    uint8_t *file = room + sizeof(room) - size;

    //@ loop unroll 6;
    for (size_t at = 0; at < 24; at += 4) {
        any_file();
        put(file, size, at, MB1_MAGIC);
        multiboot_recognise(file, size);
        load(file, size, load_multiboot);
    }
}

/* Version 2: a header of this length that is one, with two tags of these sizes and one of 8. */
static void version_2(size_t size, uint32_t length, uint32_t first, uint32_t second)
{
    uint8_t *file = room + sizeof(room) - size;

    any_file();
    put(file, size, 0, MB2_MAGIC);
    put(file, size, 4, 0);
    put(file, size, 8, length);
    put(file, size, 12, -(MB2_MAGIC + length));
    put(file, size, 20, first);
    if (first < LARGEST)
        put(file, size, 20 + ALIGN_UP(first, 8), second);
    if (first < LARGEST && second < LARGEST)
        put(file, size, 20 + ALIGN_UP(first, 8) + ALIGN_UP(second, 8), 8);
    load(file, size, load_multiboot2);
}

/* Others are not walked through. */
static void any_version_2(size_t size)
{
    any_file();
    multiboot2_recognise(room + sizeof(room) - size, size);
}

static void all_tags(size_t size, uint32_t length)
{
    static const uint32_t sizes[] = {0, 7, 8, 11, 12, 15, 16, 23, 24, 25, 32, UINT32_MAX};

    //@ loop unroll 12;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        //@ loop unroll 12;
        for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++)
            version_2(size, length, sizes[i], sizes[k]);
    }
}

static void all_files(void)
{
    static const uint8_t sizes[] = {0, 11, 12, 15, 16, 31, 32, 47, 48, 49};

    //@ loop unroll 10;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        version_1(sizes[i]);
        any_version_2(sizes[i]);
        version_2(sizes[i], sizes[i], 8, 24);
    }
    all_tags(40, 40);
    all_tags(48, 39);
}

void main(void)
{
    static uint8_t information[TOLD];

    all_files();
    told = information;
    all_files();
}
