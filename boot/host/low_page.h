/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the other CPUs start from: real mode reaches the first MiB only. */
#pragma once

#include "arch/x86/multiboot2.h"

/* A page below 640 KiB that the memory map calls usable, without a module or the boot information in it,
 * which are still read; 0: there is none. */
uint64_t low_page_find(const struct boot_info *b, hpa_t information, uint64_t information_size);
