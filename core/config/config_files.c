/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/config/config_files.h"

struct taker {
    config_file *take;
    void *context;
};

static void take_file_name(const struct taker *t, unsigned line, const char *words)
{
    size_t length = 0;

    while (words[length] && words[length] != ' ') /* a module's command line is behind its name */
        length++;
    if (length > 0)
        t->take(t->context, line, words, length);
}

static void take_files_of(const struct taker *t, const struct vm_config *vm)
{
    take_file_name(t, vm->kernel_line, vm->kernel);
    take_file_name(t, vm->initrd_line, vm->initrd);
    for (unsigned i = 0; i < vm->module_count; i++)
        take_file_name(t, vm->module_lines[i], vm->modules[i]);
    for (unsigned i = 0; i < vm->disk_count; i++)
        take_file_name(t, vm->disks[i].line, vm->disks[i].file);
}

void config_each_file(const struct config *config, config_file *take, void *context)
{
    const struct taker t = {take, context};

    for (unsigned i = 0; i < config->vm_count; i++)
        take_files_of(&t, &config->vms[i]);
    take_files_of(&t, &config->host.release);
}
