/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel is told about the firmware of the machine it gets: ACPI, framebuffer, UEFI. A VM has only
 * ACPI. */
#pragma once

#include "boot/guest/load_multiboot.h"

/* Types of Multiboot2's boot information (specification 2.0, section 3.6). */
enum {
    INFO_CMDLINE = 1,
    INFO_LOADER = 2,
    INFO_MODULE = 3,
    INFO_BASIC = 4,
    INFO_MAP = 6,
    INFO_FRAMEBUFFER = 8,
    INFO_EFI_TABLE = 12,
    INFO_RSDP_OLD = 14,
    INFO_RSDP = 15,
    INFO_EFI_MAP = 17,
};

_Static_assert(INFO_EFI_MAP < 32, "a bit for each");

/* A bit for each type that multiboot2_put_firmware() writes. */
uint32_t multiboot2_firmware_tags(const struct load_target *t);
void multiboot2_put_firmware(const struct loading *l, struct block *b);

/* Claims a place for the UEFI memory map; *at is 0 when there is none. False with a reason. */
bool linux_place_efi_map(struct loading *l, uint64_t *at);

/* screen_info and efi_info of the zero page. */
void linux_write_firmware(const struct loading *l, uint8_t *zero_page, uint64_t efi_map);
