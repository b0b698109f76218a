/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/firmware.h"

#include "arch/x86/string.h"
#include "core/base/format.h"

#include <stdarg.h>

#define LINE_SIZE  256
#define MOST_TAKEN 80 /* files, image, information, map and the last page */

struct firmware firmware;

static struct {
    EFI_PHYSICAL_ADDRESS at;
    UINTN pages;
} taken[MOST_TAKEN];
static unsigned taken_count;

/* No time limit of the boot manager's: files may be long. */
void firmware_begin(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    firmware = (struct firmware){.image = image, .table = table, .boot = table->BootServices};
    taken_count = 0;
    firmware.boot->SetWatchdogTimer(0, 0, 0, NULL);
}

void widen(const char *text, CHAR16 *out, size_t room)
{
    size_t length = strnlen(text, room - 1);

    for (size_t i = 0; i < length; i++)
        out[i] = (CHAR16)text[i];
    out[length] = 0;
}

static void put(const char *text)
{
    CHAR16 wide[LINE_SIZE];

    widen(text, wide, LINE_SIZE);
    firmware.table->ConOut->OutputString(firmware.table->ConOut, wide);
}

static void vsay(const char *fmt, va_list args)
{
    char text[LINE_SIZE];

    vformat(text, sizeof(text), fmt, args);
    put("skerry.efi: ");
    put(text);
    put("\r\n");
}

void say(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsay(fmt, args);
    va_end(args);
}

bool fail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsay(fmt, args);
    va_end(args);
    return false;
}

void *protocol_on(EFI_HANDLE handle, EFI_GUID guid)
{
    void *found = NULL;

    return handle && !EFI_ERROR(firmware.boot->HandleProtocol(handle, &guid, &found)) ? found : NULL;
}

void *protocol_anywhere(EFI_GUID guid)
{
    void *found = NULL;

    return EFI_ERROR(firmware.boot->LocateProtocol(&guid, NULL, &found)) ? NULL : found;
}

const EFI_LOADED_IMAGE *loaded_image(void)
{
    EFI_GUID guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;

    return protocol_on(firmware.image, guid);
}

EFI_FILE_HANDLE open_own_volume(void)
{
    EFI_GUID guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    const EFI_LOADED_IMAGE *self = loaded_image();
    EFI_FILE_IO_INTERFACE *volume = self ? protocol_on(self->DeviceHandle, guid) : NULL;
    EFI_FILE_HANDLE root;

    return volume && !EFI_ERROR(volume->OpenVolume(volume, &root)) ? root : NULL;
}

const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *screen_mode(void)
{
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    const EFI_GRAPHICS_OUTPUT_PROTOCOL *screen = protocol_anywhere(guid);

    return screen && screen->Mode && screen->Mode->Info ? screen->Mode : NULL;
}

void *memory_take(uint64_t size, uint64_t limit, bool code, const char *what)
{
    EFI_PHYSICAL_ADDRESS at = limit - 1;
    UINTN pages = (size + PAGE_SIZE - 1) / PAGE_SIZE + (size == 0);

    if (taken_count == MOST_TAKEN ||
        EFI_ERROR(firmware.boot->AllocatePages(AllocateMaxAddress, code ? EfiLoaderCode : EfiLoaderData,
                                               pages, &at))) {
        fail("%s: not enough memory: expected %llu KiB below %llu MiB", what, (unsigned long long)(pages * 4),
             (unsigned long long)(limit / MIB));
        return NULL;
    }
    taken[taken_count].at = at;
    taken[taken_count++].pages = pages;
    return (void *)at;
}

void memory_give_back(void)
{
    while (taken_count > 0) {
        taken_count--;
        firmware.boot->FreePages(taken[taken_count].at, taken[taken_count].pages);
    }
}
