/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a Multiboot 1 or 2 kernel, ELF or not, or as an ELF kernel with a PVH entry. */
#include "tests/fuzz/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    load_any(data, size, IMAGE_MULTIBOOT);
    load_any(data, size, IMAGE_MULTIBOOT2);
    load_any(data, size, IMAGE_PVH);
    return 0;
}
