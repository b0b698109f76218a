/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM that the firmware's MTRRs leave uncached: a hundred times slower, and nobody knows why. */
#pragma once

#include "arch/x86/mtrr.h"
#include "arch/x86/multiboot2.h"
#include "core/base/memory.h"

#define UNCACHED_MOST 16u /* pieces; of more, what lies between two is left out as well */

/*
 * The pieces of usable memory above the first MiB that are UC, in order; how many. 0 where MTRRs are off, or
 * all memory is UC: there is none to prefer.
 */
unsigned uncached_memory(const struct boot_info *b, const struct mtrrs *m,
                         struct memory_range out[UNCACHED_MOST]);
