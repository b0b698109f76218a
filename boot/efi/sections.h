/* SPDX-License-Identifier: BSD-2-Clause */
/* Sections of a PE image that the firmware has loaded (Microsoft PE format, "Section Table"). */
#pragma once

#include "arch/x86/types.h"

/*
 * Bytes of the section with this name (at most 8 characters), by its virtual size; NULL: there is none, or
 * what is there is no such image. image: as loaded, size: SizeOfImage as the firmware has it.
 */
const void *pe_section(const void *image, uint64_t size, const char *name, uint64_t *length);
