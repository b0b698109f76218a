/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/names.h"

#include "arch/x86/string.h"
#include "boot/efi/files.h"
#include "boot/efi/firmware.h"
#include "core/config/config_files.h"

static void add(void *context, unsigned line UNUSED, const char *name, size_t length)
{
    struct names *out = context;

    if (out->count == NAMES_MAX) {
        out->too_many = true;
        return;
    }
    memcpy(out->list[out->count], name, length);
    out->list[out->count][length] = '\0';
    for (unsigned i = 0; i < out->count; i++) {
        if (strcmp(out->list[i], out->list[out->count]) == 0)
            return;
    }
    out->count++;
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
    config_each_file(config, add, out);
    return !out->too_many || fail("skerry.cfg: names more than %u files", NAMES_MAX);
}
