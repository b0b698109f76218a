/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of flags in words. */
#pragma once

#include "arch/x86/types.h"

enum flag_register { FLAGS_RFLAGS, FLAGS_CR0, FLAGS_CR4, FLAGS_EFER, FLAG_REGISTERS };

#define BIT_NAMES 160 /* bytes for all names of a register */

/* The names of the bits that are set, the highest first, with spaces between; a bit without a name as bit N.
 */
const char *bit_names(enum flag_register which, uint64_t value, char text[BIT_NAMES]);
