/* SPDX-License-Identifier: BSD-2-Clause */
/* What formats share whose kernels begin in 32-bit mode with a structure that says what is where, both
 * Multiboot versions and PVH: the plan of a kernel with its modules, and the writer of boot information. */
#pragma once

#include "boot/guest/elf.h"
#include "boot/guest/load.h"

/* Xen takes the first word of its command line for its own name unless the loader is called GRUB 1.9 or
 * later. */
#define MULTIBOOT_LOADER_NAME "Skerry (as GRUB 2)"

struct multiboot_plan {
    struct elf_image file; /* what to load, whether an ELF file said it or address fields */
    uint64_t modules[IMAGE_MAX_MODULES];
    uint64_t info, gdt;
};

/* Boot information is built twice, first without data to learn its size. */
struct block {
    uint8_t *data; /* NULL: count only */
    uint64_t base; /* where the kernel will find it */
    uint64_t used;
};

typedef void build_info(const struct loading *l, const struct multiboot_plan *plan, struct block *b);

void block_put(struct block *b, uint64_t value, unsigned n);
void block_align(struct block *b, unsigned align);
void block_bytes(struct block *b, const void *from, size_t size);
uint64_t block_string(struct block *b, const char *text); /* returns where it will be */

/* Changes what was put before, at this distance from the start. */
void block_patch(struct block *b, uint64_t at, uint64_t value, unsigned n);

/* Tags of Multiboot2's boot information: begin with a size that end_tag sets. */
uint64_t block_begin_tag(struct block *b, uint32_t type);
void block_end_tag(struct block *b, uint64_t start);

/* The address fields of either header. */
struct address_fields {
    uint32_t header, load, load_end, bss_end; /* *_end 0: all of the file; no bss */
};

/* Fill in plan->file and its entry point; false with a reason. header_at: the header's place in the file. */
bool multiboot_use_fields(struct loading *l, struct multiboot_plan *plan, uint64_t header_at,
                          const struct address_fields *f);
bool multiboot_use_elf(struct loading *l, struct multiboot_plan *plan);
bool multiboot_set_entry(struct loading *l, struct multiboot_plan *plan, uint32_t entry);

/* KiB of memory from address 0 and from 1 MiB up to the first gap. */
void multiboot_basic_memory(const struct loading *l, uint32_t *lower, uint32_t *upper);

/* Claims and writes everything; magic is what the kernel finds in EAX. */
bool multiboot_finish(struct loading *l, struct multiboot_plan *plan, build_info *build, uint32_t magic);

static inline uint32_t multiboot_word(const uint8_t *data, uint64_t at)
{
    return (uint32_t)load_le(data + at, 4);
}
