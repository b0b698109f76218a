/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot kernels: what both versions share, and version 1 (Multiboot Specification 0.6.96). ELF or address
 * fields, entered in 32-bit protected mode with the boot information below 640 KiB.
 */
#include "boot/guest/load_multiboot.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

/* --- boot information --- */

void block_put(struct block *b, uint64_t value, unsigned n)
{
    ASSERT(n <= sizeof(value));
    if (b->data != NULL)
        store_le(b->data + b->used, value, n);
    b->used += n;
}

void block_align(struct block *b, unsigned align)
{
    while (b->used % align != 0)
        block_put(b, 0, 1);
}

void block_bytes(struct block *b, const void *from, size_t size)
{
    if (b->data != NULL)
        memcpy(b->data + b->used, from, size);
    b->used += size;
}

uint64_t block_string(struct block *b, const char *text)
{
    uint64_t at = b->base + b->used;

    block_bytes(b, text, strlen(text) + 1);
    return at;
}

void block_patch(struct block *b, uint64_t at, uint64_t value, unsigned n)
{
    ASSERT(n <= b->used && at <= b->used - n);
    if (b->data != NULL)
        store_le(b->data + at, value, n);
}

static bool place_info(struct loading *l, struct multiboot_plan *plan, build_info *build)
{
    struct block count = {NULL, 0, 0};

    build(l, plan, &count);
    return load_low(l, count.used, PAGE_SIZE, &plan->info) && load_low(l, LOAD_GDT_SIZE, 16, &plan->gdt);
}

static void write_info(struct loading *l, const struct multiboot_plan *plan, build_info *build)
{
    struct block count = {NULL, 0, 0}, b = {NULL, plan->info, 0};

    build(l, plan, &count);
    b.data = load_map(l, plan->info, count.used);
    if (b.data == NULL)
        return;
    build(l, plan, &b);
    ASSERT(b.used == count.used); /* what place_info() has claimed */
}

void multiboot_basic_memory(const struct loading *l, uint32_t *lower, uint32_t *upper)
{
    const struct map_entry *map = l->target->map;

    *lower = *upper = 0;
    for (unsigned i = 0; i < l->target->map_count; i++) {
        if (map[i].type == MEMORY_USABLE && map[i].base == 0)
            *lower = (uint32_t)(map[i].size / KIB);
        if (map[i].type == MEMORY_USABLE && map[i].base == HOLE_END)
            *upper = (uint32_t)(map[i].size / KIB);
    }
}

/* --- contents --- */

static bool place_contents(struct loading *l, struct multiboot_plan *plan)
{
    for (unsigned i = 0; i < plan->file.count; i++) {
        const struct elf_segment *s = &plan->file.segments[i];

        if (!load_take(l, s->address, s->size))
            return load_fail(l,
                             "no place for %lu KiB of the kernel at %lxh, expected free guest memory there",
                             (unsigned long)(s->size / KIB), (unsigned long)s->address);
    }
    for (unsigned i = 0; i < l->img->module_count; i++) {
        uint64_t size = MAX(l->img->modules[i].size, 1);

        if (!load_lowest(l, MIB, REACHABLE, size, PAGE_SIZE, &plan->modules[i]))
            return load_fail(l, "no place for module %u of %lu KiB, expected more memory", i + 1,
                             (unsigned long)(size / KIB));
    }
    return true;
}

static void write_contents(struct loading *l, const struct multiboot_plan *plan)
{
    const uint8_t *kernel = l->img->kernel.data;

    for (unsigned i = 0; i < plan->file.count; i++) {
        const struct elf_segment *s = &plan->file.segments[i];

        load_copy(l, s->address, kernel + s->offset, s->file_size);
        load_zero(l, s->address + s->file_size, s->size - s->file_size);
    }
    for (unsigned i = 0; i < l->img->module_count; i++)
        load_copy(l, plan->modules[i], l->img->modules[i].data, l->img->modules[i].size);
}

bool multiboot_finish(struct loading *l, struct multiboot_plan *plan, build_info *build, uint32_t magic)
{
    if (!place_contents(l, plan) || !place_info(l, plan, build))
        return false;
    write_contents(l, plan);
    write_info(l, plan, build);
    l->start->mode = 32;
    l->start->rip = plan->file.entry;
    l->start->rax = magic;
    l->start->rbx = plan->info;
    load_gdt(l, plan->gdt);
    return true;
}

bool multiboot_use_fields(struct loading *l, struct multiboot_plan *plan, uint64_t header_at,
                          const struct address_fields *f)
{
    uint64_t before = f->header - f->load; /* file bytes to load that precede the header */
    uint64_t left = l->img->kernel.size - header_at + before;
    uint64_t size = f->load_end != 0 ? f->load_end - f->load : left;

    if (f->header < f->load || before > header_at || (f->load_end != 0 && f->load_end < f->load) ||
        size > left)
        return load_fail(l, "Multiboot address fields that do not fit the file");
    if (f->bss_end != 0 && f->bss_end < f->load + size)
        return load_fail(l, "a Multiboot bss that ends before the data does");
    plan->file.count = 1;
    plan->file.segments[0] = (struct elf_segment){header_at - before, size, f->load,
                                                  f->bss_end != 0 ? f->bss_end - f->load : size};
    return true;
}

bool multiboot_use_elf(struct loading *l, struct multiboot_plan *plan)
{
    return elf_parse(l->img->kernel.data, l->img->kernel.size, &plan->file, l->why);
}

bool multiboot_set_entry(struct loading *l, struct multiboot_plan *plan, uint32_t entry)
{
    plan->file.entry = entry;
    for (unsigned i = 0; i < plan->file.count; i++) {
        const struct elf_segment *s = &plan->file.segments[i];

        if (entry >= s->address && entry - s->address < s->size)
            return true;
    }
    return load_fail(l, "entry point %xh lies outside the loaded kernel", entry);
}

/* --- version 1 --- */

#define MB1_MAGIC     0x1badb002
#define MB1_STARTED   0x2badb002
#define MB1_SEARCH    8192
#define MB1_REQUIRED  0xffff /* flags that a loader may not ignore */
#define MB1_KNOWN     0x0003 /* page-aligned modules, memory information: always given */
#define MB1_VIDEO     0x0004
#define MB1_ADDRESSES 0x10000

/* The header's place in the file; false: there is none. */
static bool find_header1(const uint8_t *data, size_t size, size_t *at)
{
    size_t end = MIN(size, MB1_SEARCH);

    for (*at = 0; *at + 12 <= end; *at += 4) {
        if (le32(data + *at) == MB1_MAGIC &&
            MB1_MAGIC + multiboot_word(data, *at + 4) + multiboot_word(data, *at + 8) == 0)
            return true;
    }
    return false;
}

bool multiboot_recognise(const uint8_t *data, size_t size)
{
    size_t at;

    return find_header1(data, size, &at);
}

static void build_info1(const struct loading *l, const struct multiboot_plan *plan, struct block *b)
{
    const struct image *img = l->img;
    const struct map_entry *map = l->target->map;
    unsigned entries = l->target->map_count;
    uint32_t lower, upper;

    multiboot_basic_memory(l, &lower, &upper);
    for (unsigned i = 0; i < 120; i++)
        block_put(b, 0, 1);
    block_patch(b, 0, BIT(0) | BIT(2) | BIT(3) | BIT(6) | BIT(9),
                4); /* memory, cmdline, modules, map, loader name */
    block_patch(b, 4, lower, 4);
    block_patch(b, 8, upper, 4);
    block_patch(b, 20, img->module_count, 4);
    block_patch(b, 24, b->base + b->used, 4);
    for (unsigned i = 0; i < img->module_count; i++) {
        block_put(b, plan->modules[i], 4);
        block_put(b, plan->modules[i] + img->modules[i].size, 4);
        block_put(b, 0, 8); /* the string, patched below; reserved */
    }
    block_patch(b, 44, entries * 24, 4);
    block_patch(b, 48, b->base + b->used, 4);
    for (unsigned i = 0; i < entries; i++) {
        block_put(b, 20, 4); /* size of the rest of the entry */
        block_put(b, map[i].base, 8);
        block_put(b, map[i].size, 8);
        block_put(b, map[i].type, 4);
    }
    for (unsigned i = 0; i < img->module_count; i++)
        block_patch(b, 120 + i * 16 + 8, block_string(b, img->modules[i].cmdline), 4);
    block_patch(b, 16, block_string(b, img->cmdline), 4);
    block_patch(b, 64, block_string(b, MULTIBOOT_LOADER_NAME), 4);
}

bool load_multiboot(struct loading *l)
{
    const uint8_t *d = l->img->kernel.data;
    struct multiboot_plan plan = {0};
    uint32_t flags;
    size_t at;

    if (!find_header1(d, l->img->kernel.size, &at))
        return load_fail(l, "no Multiboot header, expected one in the first 8 KiB");
    flags = multiboot_word(d, at + 4);
    if (flags & MB1_VIDEO)
        return load_fail(l, "a Multiboot kernel that requires a video mode (flag bit 2), expected none");
    if (flags & MB1_REQUIRED & ~MB1_KNOWN)
        return load_fail(l, "a Multiboot kernel with unknown required flags %xh, expected only bits 0 and 1",
                         flags & MB1_REQUIRED & ~MB1_KNOWN);
    if (flags & MB1_ADDRESSES) {
        struct address_fields f;

        if (l->img->kernel.size - at < 32)
            return load_fail(l, "the Multiboot header is cut off");
        f = (struct address_fields){multiboot_word(d, at + 12), multiboot_word(d, at + 16),
                                    multiboot_word(d, at + 20), multiboot_word(d, at + 24)};
        if (!multiboot_use_fields(l, &plan, at, &f) ||
            !multiboot_set_entry(l, &plan, multiboot_word(d, at + 28)))
            return false;
    } else if (!multiboot_use_elf(l, &plan)) {
        return false;
    }
    return multiboot_finish(l, &plan, build_info1, MB1_STARTED);
}
