/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as the image of skerry.efi: what is said to be a section's is inside. */
#include "tests/fuzz/fuzz.h"

#include "boot/efi/sections.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {".skcfg", ".sknames", ".text", ""};
    uint64_t sum = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t length = 0;
        const uint8_t *at = pe_section(data, size, names[i], &length);

        if (!at)
            continue;
        MUST(at >= data && length <= size && (size_t)(at - data) <= size - length);
        for (uint64_t j = 0; j < length; j++)
            sum += at[j];
    }
    MUST(sum <= 255 * 4 * (uint64_t)size);
    return 0;
}
