/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/placed.h"

#include "arch/x86/string.h"
#include "boot/efi/files.h"
#include "boot/efi/firmware.h"
#include "boot/guest/elf.h"

/* What the image's header asks of whoever moves it (boot/multiboot2.asm). */
#define HIGHEST   UINT64_C(0xf0000000)
#define HEADER_IN 32768 /* bytes at the front of the file (Multiboot2, "OS image format") */
#define MAGIC     0xe85250d6u

static bool has_multiboot2_header(const struct boot_file *file)
{
    const uint8_t *bytes = file->data;
    uint64_t end = MIN(file->size, HEADER_IN);

    for (uint64_t at = 0; at + 16 <= end; at += 8) {
        const uint8_t *header = bytes + at;

        if (le32(header) == MAGIC &&
            !(le32(header) + le32(header + 4) + le32(header + 8) + le32(header + 12)))
            return true;
    }
    return false;
}

/* From the lowest byte of all segments up to behind the highest; the entry is within (elf_parse). */
static void measure(const struct elf_image *image, uint64_t *low, uint64_t *high)
{
    *low = UINT64_MAX;
    *high = 0;
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *s = &image->segments[i];

        *low = MIN(*low, s->address);
        *high = MAX(*high, s->address + s->size);
    }
}

static void copy_segments(const struct elf_image *image, const struct boot_file *file, uint8_t *to,
                          uint64_t low)
{
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *s = &image->segments[i];

        memcpy(to + (s->address - low), (const uint8_t *)file->data + s->offset, s->file_size);
        memset(to + (s->address - low) + s->file_size, 0, s->size - s->file_size);
    }
}

bool place_image(const struct boot_file *file, struct placed_image *out)
{
    struct elf_image image;
    const char *why = "no Multiboot2 header in its first 32 KiB";
    uint64_t low, high, base;
    uint8_t *room;

    if (!has_multiboot2_header(file) || !elf_parse(file->data, file->size, &image, &why))
        return fail("%s: not an image of Skerry: %s", file->name, why);
    measure(&image, &low, &high);
    if (low % PAGE_2M)
        return fail("%s: begins at %llx, expected a multiple of 2 MiB", file->name, (unsigned long long)low);
    room = memory_take(high - low + PAGE_2M, HIGHEST, false,
                       file->name); /* the rest is free again, behind the start */
    if (!room)
        return false;
    base = ALIGN_UP((uint64_t)room, PAGE_2M);
    copy_segments(&image, file, (uint8_t *)base, low);
    *out = (struct placed_image){.base = (uint32_t)base, .entry = (uint32_t)(image.entry - low + base)};
    return true;
}
