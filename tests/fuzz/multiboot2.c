/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as boot information. */
#include "tests/fuzz/fuzz.h"

#include "arch/x86/multiboot2.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info info;
    const char *why = NULL;
    bool good = multiboot2_parse(data, size, &info, &why);

    MUST(good == (why == NULL));
    MUST(info.module_count <= BOOT_MAX_MODULES && info.memory_count <= BOOT_MAX_MEMORY);
    MUST(!good || strnlen(info.cmdline, BOOT_STRING_SIZE) < BOOT_STRING_SIZE);
    for (unsigned i = 0; i < info.module_count; i++)
        MUST(strnlen(info.modules[i].string, BOOT_MODULE_STRING) < BOOT_MODULE_STRING);
    for (unsigned i = 0; i < info.memory_count; i++)
        MUST(info.memory[i].size != 0 && info.memory[i].size - 1 <= UINT64_MAX - info.memory[i].base);
    return 0;
}
