/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF executables for x86, 32 and 64 bit (System V ABI, "Object Files"): which bytes go where. */
#pragma once

#include "arch/x86/types.h"

#define ELF_MAX_SEGMENTS 32

struct elf_segment {
    uint64_t offset, file_size; /* in the file; within it */
    uint64_t address, size;     /* physical; size >= file_size, the rest is zero; below 4 GiB */
};

struct elf_image {
    struct elf_segment segments[ELF_MAX_SEGMENTS]; /* PT_LOAD with size > 0 */
    unsigned count;
    uint64_t entry; /* physical, inside a segment */
};

bool elf_recognise(const void *data, size_t size);

/* False when the file is none that can be loaded below 4 GiB: *why says what was found and expected. */
bool elf_parse(const void *data, size_t size, struct elf_image *out, const char **why);

/* A note of this owner and type in the first ELF_MAX_NOTES of the file, with a number of 4 or 8 bytes in it.
 */
#define ELF_MAX_NOTES 256
bool elf_find_note(const void *data, size_t size, const char *owner, uint32_t type, uint64_t *value);
