/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot2 boot information (specification 2.0, section 3.6), as GRUB makes it on UEFI, tag by tag. Nothing
 * here calls the firmware, so it goes on behind ExitBootServices().
 */
#pragma once

#include <efi.h>

#include "arch/x86/types.h"

struct boot_info_writer {
    uint8_t *start; /* below 4 GiB, at a multiple of 8 */
    uint64_t room, used;
    bool full; /* something did not fit */
};

struct efi_map {
    const void *descriptors;
    uint64_t size; /* bytes in all */
    uint64_t step; /* from one to the next */
    uint32_t version;
};

void boot_info_begin(struct boot_info_writer *w, void *at, uint64_t room);
void boot_info_cmdline(struct boot_info_writer *w, const char *text);
void boot_info_loader(struct boot_info_writer *w, const char *name);
void boot_info_module(struct boot_info_writer *w, const void *data, uint64_t size,
                      const char *name); /* below 4 GiB */
void boot_info_load_base(struct boot_info_writer *w, uint32_t base);
void boot_info_system_table(struct boot_info_writer *w,
                            const EFI_SYSTEM_TABLE *table); /* and its ACPI root pointers */
void boot_info_framebuffer(struct boot_info_writer *w, const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode);
void boot_info_memory(struct boot_info_writer *w, const struct efi_map *map); /* both maps */

/* False: there was not room for all of it. */
bool boot_info_end(struct boot_info_writer *w);
