/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the image loaders share: a plan of the target's memory while it is filled, and its memory map.
 * A loader first claims every place it needs, which may fail, and only then writes.
 */
#pragma once

#include "arch/x86/multiboot2.h"
#include "boot/guest/loader.h"
#include "core/vm/guest.h"

#define LOAD_MAX_PIECES 64
#define LOW_END         IMAGE_EBDA /* of what is usable below the classic hole for video and firmware */
#define HOLE_START      UINT64_C(0xa0000)
#define HOLE_END        MIB
#define REACHABLE       (4 * GIB) /* 32-bit kernels and the Linux entry see no more than this */

struct piece {
    uint64_t base, size;
};

struct map_entry {
    uint64_t base, size;
    uint32_t type; /* as in E820 and Multiboot: enum memory_type */
};

struct loading;

/* Whose memory is filled, a VM's or the machine's own, and what the kernel is told about it. */
struct load_target {
    const struct piece *ranges; /* the RAM, no two overlap */
    unsigned range_count;
    const struct map_entry *map; /* to be shown, in ascending order */
    unsigned map_count;
    const uint8_t *rsdp; /* contents of the ACPI root pointer */
    unsigned rsdp_size;  /* 36, 20 (ACPI 1.0), or 0: none */
    /* The machine: its framebuffer and its UEFI are passed on. NULL: a VM, which has neither. */
    const struct boot_info *machine;
    struct vm *vm;
    /* Where to write to reach a claimed place; *got of the n bytes lie there in one piece. NULL: it is not to
     * be written, only planned. */
    uint8_t *(*reach)(const struct loading *l, uint64_t at, uint64_t n, uint64_t *got);
};

struct loading {
    const struct load_target *target;
    const struct image *img;
    struct start_state *start;
    struct piece taken[LOAD_MAX_PIECES]; /* no two overlap */
    unsigned taken_count;
    const char **why;
};

/* Formats the reason into the static buffer behind *why; always false. */
bool load_fail(struct loading *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Claims exactly this place. False when it is not RAM below REACHABLE, or already taken in part. */
bool load_take(struct loading *l, uint64_t base, uint64_t size);

/* Claim size bytes, aligned (a power of two), in [from, below): the lowest or the highest free place. */
bool load_lowest(struct loading *l, uint64_t from, uint64_t below, uint64_t size, uint64_t align,
                 uint64_t *base);
bool load_highest(struct loading *l, uint64_t from, uint64_t below, uint64_t size, uint64_t align,
                  uint64_t *base);

/* The same for boot structures: the lowest place between 4 and 639 KiB; fails with a reason. */
bool load_low(struct loading *l, uint64_t size, uint64_t align, uint64_t *base);

/* For places that were claimed, which therefore are RAM. load_map: n bytes to write to, NULL when the target
 * is only planned. */
void *load_map(struct loading *l, uint64_t at, uint64_t n);
void load_copy(struct loading *l, uint64_t to, const void *from, uint64_t size);
void load_zero(struct loading *l, uint64_t at, uint64_t size);

/* Writes the GDT for start->mode 32 or 64 to a claimed place of LOAD_GDT_SIZE bytes. */
#define LOAD_GDT_SIZE 32
void load_gdt(struct loading *l, uint64_t at);

/* Loads img into any target: image_load() is this for a VM. */
bool image_load_into(const struct load_target *target, const struct image *img, struct start_state *start,
                     const char **why);

/* One per format: checks, claims, writes, and fills in *l->start, which is zero before. */
bool load_linux(struct loading *l);
bool load_multiboot(struct loading *l);
bool load_multiboot2(struct loading *l);
bool load_pvh(struct loading *l);
bool load_flat(struct loading *l);

bool linux_recognise(const uint8_t *data, size_t size);
bool multiboot_recognise(const uint8_t *data, size_t size);
bool multiboot2_recognise(const uint8_t *data, size_t size);
bool pvh_recognise(const uint8_t *data, size_t size);
