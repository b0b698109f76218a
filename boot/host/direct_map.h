/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the direct map covers: memory, and nothing that may be a device. No large page lies across two memory
 * types (SDM volume 3, "Large Page Size Considerations": what the processor does there is undefined).
 */
#pragma once

#include "arch/x86/mtrr.h"
#include "arch/x86/multiboot2.h"

/* Maps size bytes at physical address at, with the largest pages that fit. context is the caller's. */
typedef void direct_map_piece_t(void *context, uint64_t at, uint64_t size);

/* The first MiB, and what the memory map calls usable or ACPI's and no other piece of it calls reserved. */
void direct_map_memory(const struct boot_info *b, const struct mtrrs *m, direct_map_piece_t *map,
                       void *context);

/* A range that is memory whatever the memory map says: the image, modules, the boot information. */
void direct_map_range(const struct mtrrs *m, uint64_t base, uint64_t size, direct_map_piece_t *map,
                      void *context);
