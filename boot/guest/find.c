/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/guest/find.h"

#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/machine.h"
#include "core/base/panic.h"

#define DISK_SECTOR 512u

/* What needs the file: a VM, or the machine when it is released. */
static const char *vm_title(const struct vm_config *c)
{
    static char text[CONFIG_NAME_SIZE + 8];

    format(text, sizeof(text), c->name[0] ? "[vm %s]" : "[host]", c->name);
    return text;
}

static bool find_blob(const struct vm_config *c, unsigned line, const char *name, struct blob *blob)
{
    const struct boot_module *m = machine_module(name);

    if (!m) {
        config_refuse(line, "%s '%s' was not loaded, expected a module of the boot medium", vm_title(c),
                      name);
        return false;
    }
    *blob = (struct blob){phys_to_virt(m->start), m->size, name, ""};
    return true;
}

/* "FILE words": the file's name ends at the first space. */
static bool find_module(const struct vm_config *c, unsigned i, struct blob *blob)
{
    char name[CONFIG_FILE_SIZE];
    const char *text = c->modules[i];
    size_t n = 0;

    while (text[n] && text[n] != ' ')
        n++;
    ASSERT(n < sizeof(name));
    memcpy(name, text, n);
    name[n] = 0;
    if (!find_blob(c, c->module_lines[i], name, blob))
        return false;
    blob->name = text;
    blob->cmdline = text[n] ? text + n + 1 : "";
    return true;
}

bool image_find(const struct vm_config *c, struct image *image)
{
    *image =
        (struct image){.format = c->format, .cmdline = c->cmdline, .load = gpa(c->load), .mode = c->mode};
    if (!find_blob(c, c->kernel_line, c->kernel, &image->kernel))
        return false;
    if (c->initrd[0] && !find_blob(c, c->initrd_line, c->initrd, &image->modules[image->module_count++]))
        return false;
    for (unsigned i = 0; i < c->module_count; i++) {
        if (image->module_count == IMAGE_MAX_MODULES) {
            config_refuse(c->module_lines[i], "%s has too many modules, expected at most %u with the initrd",
                          vm_title(c), IMAGE_MAX_MODULES);
            return false;
        }
        if (!find_module(c, i, &image->modules[image->module_count++]))
            return false;
    }
    return true;
}

/* Sectors are whole: behind the last one is somebody else's memory. */
bool image_find_disk(const struct vm_config *c, unsigned i)
{
    const struct disk_config *disk = &c->disks[i];
    struct blob blob;

    if (!find_blob(c, disk->line, disk->file, &blob))
        return false;
    if (blob.size > 0 && blob.size % DISK_SECTOR == 0)
        return true;
    config_refuse(disk->line, "%s disk '%s' has %llu bytes, expected a multiple of %u", vm_title(c),
                  disk->file, (unsigned long long)blob.size, DISK_SECTOR);
    return false;
}
