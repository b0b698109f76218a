/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot loader's memory map in the forms that a kernel and its loader need. */
#pragma once

#include "arch/x86/multiboot2.h"
#include "boot/guest/load.h"

#define RELEASE_MAX_RAM (2 * BOOT_MAX_MEMORY)

/* What is usable and nothing else as well: entries may overlap. Returns the number of pieces. */
unsigned release_ram(const struct boot_info *boot, struct piece ram[RELEASE_MAX_RAM]);

/* All entries in ascending order. */
unsigned release_memory_map(const struct boot_info *boot, struct map_entry map[BOOT_MAX_MEMORY]);
