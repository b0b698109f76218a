/* SPDX-License-Identifier: BSD-2-Clause */
/* skerry.elf where it will run: its segments copied, and the address of its Multiboot2 entry. */
#pragma once

#include "arch/x86/types.h"

struct boot_file;

struct placed_image {
    uint32_t base;  /* where its first byte is; the load base of Multiboot2 */
    uint32_t entry; /* of boot_entry32 */
};

/* False, with a line that says why: no Multiboot2 image that may be moved, or no memory for it. */
bool place_image(const struct boot_file *file, struct placed_image *out);
