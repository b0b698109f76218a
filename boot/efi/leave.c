/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/leave.h"

#include "arch/x86/string.h"
#include "boot/efi/files.h"
#include "boot/efi/firmware.h"

#define TRIES 4
#define SPARE 16 /* descriptors that may come while we are at it */

static uint64_t map_room(void)
{
    UINTN size = 0, key, step = sizeof(EFI_MEMORY_DESCRIPTOR);
    UINT32 version;

    firmware.boot->GetMemoryMap(&size, NULL, &key, &step, &version);
    return size + SPARE * step;
}

/* The map as it is, and entries of Multiboot2, which are smaller than the firmware's. */
uint64_t leave_room(void)
{
    return 2 * map_room() + PAGE_SIZE;
}

/*
 * A key is stale when the map has changed behind it, as by a timer's event. From the first try on nothing but
 * these two may be called.
 */
static bool end_services(void *buffer, uint64_t room, struct efi_map *map)
{
    for (unsigned i = 0; i < TRIES; i++) {
        UINTN size = room, key, step;
        UINT32 version;

        if (EFI_ERROR(firmware.boot->GetMemoryMap(&size, buffer, &key, &step, &version)))
            return false;
        *map = (struct efi_map){buffer, size, step, version};
        if (!EFI_ERROR(firmware.boot->ExitBootServices(firmware.image, key)))
            return true;
    }
    return false;
}

void leave_firmware(struct boot_info_writer *info, const struct placed_image *image)
{
    uint64_t room = map_room(), code = (uint64_t)(jump_end - jump_start);
    void *page = memory_take(code, FOUR_GIB, true, "the last page"), *buffer = NULL;
    struct efi_map map;

    if (page)
        buffer = memory_take(room, FOUR_GIB, false, "the memory map");
    if (!buffer)
        return;
    memcpy(page, jump_start, code);
    if (!end_services(buffer, room, &map)) {
        fail("the firmware does not let go: expected ExitBootServices() to succeed within %u tries", TRIES);
        return;
    }
    boot_info_memory(info, &map);
    boot_info_end(info); /* there is room: leave_room() */
    jump(page, image->entry, (uint32_t)(uint64_t)info->start);
}
