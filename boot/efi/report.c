/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/report.h"

#include "boot/efi/firmware.h"
#include "core/base/format.h"

#include <stdarg.h>

#define NAME "\\skerry\\report.txt"

static struct {
    char *text;
    uint64_t room, used;
} written;

void report_begin(void *room, uint64_t size)
{
    written.text = room;
    written.room = size;
    written.used = 0;
}

/* A line for which there is no room is left out: the last one says whether all are there. */
void report(const char *fmt, ...)
{
    uint64_t left = written.room - written.used;
    va_list args;
    int length;

    va_start(args, fmt);
    length = vformat(written.text + written.used, left, fmt, args);
    va_end(args);
    if ((uint64_t)length < left)
        written.used += (uint64_t)length;
}

static EFI_STATUS open_file(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *file, const char *name, UINT64 mode,
                            UINT64 attributes)
{
    CHAR16 wide[sizeof(NAME)];

    widen(name, wide, sizeof(NAME));
    return root->Open(root, file, wide, mode, attributes);
}

static void remove_old(EFI_FILE_HANDLE root)
{
    EFI_FILE_HANDLE old;

    if (!EFI_ERROR(open_file(root, &old, NAME, EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE, 0)))
        old->Delete(old); /* closes it */
}

static bool write_new(EFI_FILE_HANDLE root)
{
    const UINT64 create = EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE;
    UINTN size = written.used;
    EFI_FILE_HANDLE file;
    EFI_STATUS status;

    if (!EFI_ERROR(open_file(root, &file, "\\skerry", create, EFI_FILE_DIRECTORY)))
        file->Close(file);
    if (EFI_ERROR(open_file(root, &file, NAME, create, 0)))
        return fail(NAME ": cannot be made: expected a volume that can be written");
    status = file->Write(file, &size, written.text);
    file->Close(file);
    return (!EFI_ERROR(status) && size == written.used) ||
           fail(NAME ": cannot be written: is the volume full?");
}

bool report_write(void)
{
    EFI_FILE_HANDLE root = open_own_volume();
    bool done;

    if (!root)
        return fail("not started from a volume with files: expected one, for " NAME);
    remove_old(root);
    done = write_new(root);
    root->Close(root);
    if (done)
        say("written: " NAME ", %llu bytes", (unsigned long long)written.used);
    return done;
}
