/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/files.h"

#include "arch/x86/string.h"
#include "boot/efi/firmware.h"
#include "boot/efi/sections.h"
#include "core/base/format.h"

#define PIECE     MIB /* at a time */
#define PATH_SIZE 160
#define FOLDER    "\\skerry\\"

static struct {
    const void *image; /* this program, if the files are in it */
    uint64_t image_size;
    EFI_FILE_HANDLE root; /* else the volume */
} from;

static bool secure_boot(void)
{
    EFI_GUID global = EFI_GLOBAL_VARIABLE;
    CHAR16 name[] = {'S', 'e', 'c', 'u', 'r', 'e', 'B', 'o', 'o', 't', 0};
    UINT8 on = 0;
    UINTN size = sizeof(on);
    EFI_RUNTIME_SERVICES *runtime = firmware.table->RuntimeServices;

    return !EFI_ERROR(runtime->GetVariable(name, &global, NULL, &size, &on)) && on == 1;
}

bool files_find(void)
{
    const EFI_LOADED_IMAGE *self = loaded_image();
    uint64_t size;

    memset(&from, 0, sizeof(from));
    if (!self)
        return fail("the firmware does not say where this program is");
    if (pe_section(self->ImageBase, self->ImageSize, ".skcfg", &size)) {
        from.image = self->ImageBase;
        from.image_size = self->ImageSize;
        return true;
    }
    if (secure_boot())
        return fail(
            "Secure Boot is on, and files beside this program are not signed: expected a one-file image "
            "(skerry image --efi --sign)");
    from.root = open_own_volume();
    return from.root || fail("not started from a volume with files: expected one with " FOLDER
                             "skerry.cfg, or a one-file image");
}

void files_close(void)
{
    if (from.root)
        from.root->Close(from.root);
    from.root = NULL;
}

bool files_are_inside(void)
{
    return from.image != NULL;
}

/* --- in sections --- */

static const void *numbered_section(const char *name, uint64_t *size)
{
    uint64_t all = 0;
    const char *names = pe_section(from.image, from.image_size, ".sknames", &all);
    unsigned number = 0;

    for (uint64_t at = 0, length; names && at < all; at += length + 1, number++) {
        char section[16];

        length = strnlen(names + at, all - at);
        if (length == all - at)
            return NULL;
        format(section, sizeof(section), ".skm%02u", number);
        if (strcmp(names + at, name) == 0)
            return pe_section(from.image, from.image_size, section, size);
    }
    return NULL;
}

static const void *section_of(const char *name, uint64_t *size)
{
    static const struct {
        const char *file, *section;
    } fixed[] = {{"skerry.elf", ".skelf"}, {"skerry.cfg", ".skcfg"}, {"skerry.cmd", ".skcmd"}};

    for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++) {
        if (strcmp(fixed[i].file, name) == 0)
            return pe_section(from.image, from.image_size, fixed[i].section, size);
    }
    return numbered_section(name, size);
}

static bool take_section(const void *data, struct boot_file *out)
{
    out->data = memory_take(out->size, FOUR_GIB, false, out->name);
    if (!out->data)
        return false;
    memcpy(out->data, data, out->size);
    return true;
}

/* --- on the volume --- */

/* False: no name of a file, or too long a one. The volume's separators are backslashes. */
static bool path_of(const char *name, CHAR16 path[PATH_SIZE])
{
    char narrow[PATH_SIZE];
    int length = format(narrow, sizeof(narrow), FOLDER "%s", name);

    if (length >= PATH_SIZE)
        return false;
    for (int i = 0; i < length; i++) {
        if (narrow[i] & 0x80)
            return false;
        if (narrow[i] == '/')
            narrow[i] = '\\';
    }
    widen(narrow, path, PATH_SIZE);
    return true;
}

static uint64_t size_of_file(EFI_FILE_HANDLE file)
{
    EFI_GUID guid = EFI_FILE_INFO_ID;
    union {
        EFI_FILE_INFO info;
        uint8_t room[sizeof(EFI_FILE_INFO) + 512];
    } buffer;
    UINTN room = sizeof(buffer);

    if (EFI_ERROR(file->GetInfo(file, &guid, &room, &buffer)) || (buffer.info.Attribute & EFI_FILE_DIRECTORY))
        return UINT64_MAX;
    return buffer.info.FileSize;
}

static bool read_all(EFI_FILE_HANDLE file, struct boot_file *out)
{
    for (uint64_t at = 0; at < out->size;) {
        UINTN piece = MIN(PIECE, out->size - at);

        if (EFI_ERROR(file->Read(file, &piece, (uint8_t *)out->data + at)))
            return fail(FOLDER "%s: the volume cannot be read at byte %llu", out->name,
                        (unsigned long long)at);
        if (piece == 0)
            return fail(FOLDER "%s: ends at byte %llu, expected %llu", out->name, (unsigned long long)at,
                        (unsigned long long)out->size);
        at += piece;
    }
    return true;
}

static bool take_file(EFI_FILE_HANDLE file, struct boot_file *out)
{
    out->size = size_of_file(file);
    if (out->size >= FOUR_GIB)
        return fail(FOLDER "%s: expected a file of less than 4 GiB", out->name);
    say("reading " FOLDER "%s, %llu KiB", out->name, (unsigned long long)((out->size + 1023) / 1024));
    out->data = memory_take(out->size, FOUR_GIB, false, out->name);
    return out->data && read_all(file, out);
}

static bool load_from_volume(struct boot_file *out, bool needed)
{
    EFI_FILE_HANDLE file = NULL;
    CHAR16 path[PATH_SIZE];
    bool taken;

    if (!path_of(out->name, path))
        return fail("%s: expected a name of ASCII characters, at most %u", out->name,
                    (unsigned)(PATH_SIZE - sizeof(FOLDER)));
    if (EFI_ERROR(from.root->Open(from.root, &file, path, EFI_FILE_MODE_READ, 0)))
        return needed ? fail(FOLDER "%s: not found on the volume that this was started from", out->name)
                      : true;
    taken = take_file(file, out);
    file->Close(file);
    return taken;
}

static bool load(const char *name, struct boot_file *out, bool needed)
{
    const void *data;

    *out = (struct boot_file){.name = name};
    if (!from.image)
        return load_from_volume(out, needed);
    data = section_of(name, &out->size);
    if (!data) {
        out->size = 0;
        return needed ? fail("%s: not in this image", name) : true;
    }
    return take_section(data, out);
}

bool file_load(const char *name, struct boot_file *out)
{
    return load(name, out, true);
}

bool file_load_if_there(const char *name, struct boot_file *out)
{
    return load(name, out, false);
}
