/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/names.h"

#include "arch/x86/string.h"
#include "boot/efi/files.h"
#include "boot/efi/firmware.h"

static void add(struct names *out, const char *words)
{
    size_t length = 0;

    while (words[length] && words[length] != ' ') /* a module's command line is behind its name */
        length++;
    if (length == 0)
        return;
    if (out->count == NAMES_MAX) {
        out->too_many = true;
        return;
    }
    memcpy(out->list[out->count], words, length);
    out->list[out->count][length] = '\0';
    for (unsigned i = 0; i < out->count; i++) {
        if (strcmp(out->list[i], out->list[out->count]) == 0)
            return;
    }
    out->count++;
}

static void add_files_of(struct names *out, const struct vm_config *vm)
{
    add(out, vm->kernel);
    add(out, vm->initrd);
    for (unsigned i = 0; i < vm->module_count; i++)
        add(out, vm->modules[i]);
    for (unsigned i = 0; i < vm->disk_count; i++)
        add(out, vm->disks[i].file);
}

static void ignore(void *context UNUSED, unsigned line UNUSED, const char *text UNUSED)
{
}

bool names_of_config(const void *text, uint64_t size, struct names *out)
{
    struct config *config = memory_take(sizeof(*config), FOUR_GIB, false, "reading skerry.cfg");

    if (!config)
        return false;
    memset(out, 0, sizeof(*out));
    config_parse(text, size, config, ignore, NULL);
    for (unsigned i = 0; i < config->vm_count; i++)
        add_files_of(out, &config->vms[i]);
    add_files_of(out, &config->host.release);
    return !out->too_many || fail("skerry.cfg: names more than %u files", NAMES_MAX);
}
