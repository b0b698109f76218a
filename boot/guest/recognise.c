/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel file is, by its contents alone, and in words what one is that is no kernel. */
#include "boot/guest/load.h"

#include "arch/x86/string.h"
#include "boot/guest/elf.h"

enum image_format image_recognise(const void *data, size_t size)
{
    if (linux_recognise(data, size))
        return IMAGE_LINUX;
    if (multiboot2_recognise(data, size))
        return IMAGE_MULTIBOOT2;
    if (multiboot_recognise(data, size))
        return IMAGE_MULTIBOOT;
    return pvh_recognise(data, size) ? IMAGE_PVH : IMAGE_AUTO;
}

/* Formats that people take for kernels, by their first bytes. */
static const struct file_kind {
    const char *what;
    const char *magic;
    size_t length;
} kinds[] = {
    {"compressed with gzip", "\x1f\x8b", 2},
    {"compressed with xz",
     "\xfd"
     "7zXZ\0",
     6},
    {"compressed with zstd", "\x28\xb5\x2f\xfd", 4},
    {"compressed with bzip2", "BZh", 3},
    {"compressed with lz4", "\x04\x22\x4d\x18", 4},
    {"compressed with lz4", "\x02\x21\x4c\x18", 4}, /* as Linux has it */
    {"compressed with lzma", "\x5d\0\0", 3},
    {"compressed with lzop", "\x89LZO", 4},
    {"a zip archive", "PK\3\4", 4},
    {"a cpio archive, as an initrd is", "07070", 5},
    {"a program for UEFI", "MZ", 2},
    {"a script", "#!", 2},
};

const char *image_describe(const void *data, size_t size)
{
    for (const struct file_kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
        if (size >= k->length && memcmp(data, k->magic, k->length) == 0)
            return k->what;
    }
    return elf_recognise(data, size) ? "an ELF file without a Multiboot header or a PVH entry"
                                     : "no kernel that is known";
}
