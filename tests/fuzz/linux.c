/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a bzImage. */
#include "tests/fuzz/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    load_any(data, size, IMAGE_LINUX);
    return 0;
}
