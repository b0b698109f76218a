/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the image's own functions (tools/mksymbols). */
#pragma once

#include "arch/x86/types.h"

/* The function that holds address and the distance from its start, or NULL. */
const char *symbol_find(uint64_t address, uint64_t *offset);
