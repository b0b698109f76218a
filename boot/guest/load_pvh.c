/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF kernels with a PVH entry (Xen's "x86/HVM direct boot ABI": docs/misc/pvh.pandoc and
 * arch-x86/hvm/start_info.h in its sources): 32-bit protected mode without paging, EBX at struct
 * hvm_start_info. A kernel says where in a note. Linux without its bzImage, FreeBSD and unikernels have one.
 */
#include "boot/guest/load_multiboot.h"

#define PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define START_MAGIC  0x336ec578
#define START_SIZE   56 /* of version 1, the one with a memory map */
#define MODULE_SIZE  32

enum { MODULE_COUNT = 12, MODULES = 16, COMMAND_LINE = 24, ROOT_POINTER = 32, MAP = 40, MAP_COUNT = 48 };

static bool find_pvh_entry(const void *data, size_t size, uint64_t *entry)
{
    return elf_find_note(data, size, "Xen", PHYS32_ENTRY, entry);
}

bool pvh_recognise(const uint8_t *data, size_t size)
{
    uint64_t entry;

    return find_pvh_entry(data, size, &entry);
}

static void put_pvh_modules(const struct loading *l, const struct multiboot_plan *plan, struct block *b)
{
    const struct image *img = l->img;
    uint64_t list = b->used;

    block_patch(b, MODULE_COUNT, img->module_count, 4);
    block_patch(b, MODULES, img->module_count > 0 ? b->base + list : 0, 8);
    for (unsigned i = 0; i < img->module_count; i++) {
        block_put(b, plan->modules[i], 8);
        block_put(b, img->modules[i].size, 8);
        block_put(b, 0, 8); /* its command line, patched below */
        block_put(b, 0, 8);
    }
    for (unsigned i = 0; i < img->module_count; i++)
        block_patch(b, list + i * MODULE_SIZE + 16, block_string(b, img->modules[i].cmdline), 8);
    block_align(b, 8);
}

static void put_pvh_map(const struct loading *l, struct block *b)
{
    const struct load_target *t = l->target;

    block_patch(b, MAP, b->base + b->used, 8);
    block_patch(b, MAP_COUNT, t->map_count, 4);
    for (unsigned i = 0; i < t->map_count; i++) {
        block_put(b, t->map[i].base, 8);
        block_put(b, t->map[i].size, 8);
        block_put(b, t->map[i].type, 4);
        block_put(b, 0, 4);
    }
}

static void build_start_info(const struct loading *l, const struct multiboot_plan *plan, struct block *b)
{
    block_put(b, START_MAGIC, 4);
    block_put(b, 1, 4); /* version */
    while (b->used < START_SIZE)
        block_put(b, 0, 8);
    put_pvh_map(l, b);
    put_pvh_modules(l, plan, b);
    block_patch(b, ROOT_POINTER, l->img->acpi_rsdp.value, 8);
    block_patch(b, COMMAND_LINE, block_string(b, l->img->cmdline), 8);
}

bool load_pvh(struct loading *l)
{
    const struct blob *file = &l->img->kernel;
    struct multiboot_plan plan = {0};
    uint64_t entry;

    if (!find_pvh_entry(file->data, file->size, &entry))
        return load_fail(l, "no ELF kernel with a PVH entry, expected a note of Xen's of type %u",
                         PHYS32_ENTRY);
    if (entry >= REACHABLE)
        return load_fail(l, "a PVH entry at %lxh, expected one below 4 GiB", (unsigned long)entry);
    return multiboot_use_elf(l, &plan) && multiboot_set_entry(l, &plan, (uint32_t)entry) &&
           multiboot_finish(l, &plan, build_start_info, 0);
}
