/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's parser of skerry.cfg on the developer's machine, for tools/skerry: skerry-check FILE says
 * each error as "error LINE TEXT" and each file that is named as "file LINE NAME", and ends with 0 if the
 * text could be read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/panic.h"
#include "core/config/config.h"
#include "vmx/switches.h"

#define MOST_TEXT (1 << 20)

static struct config config;
static char text[MOST_TEXT];

void assertion_failed(unsigned line, const char *condition)
{
    fprintf(stderr, "skerry-check: line %u: assertion failed: %s\n", line, condition);
    abort();
}

static void say_error(void *context, unsigned line, const char *what)
{
    (void)context;
    printf("error %u %s\n", line, what);
}

static void say_file(unsigned line, const char *words)
{
    int length = 0;

    while (words[length] && words[length] != ' ') /* a module's command line is behind its name */
        length++;
    if (length > 0)
        printf("file %u %.*s\n", line, length, words);
}

static void say_files_of(const struct vm_config *vm)
{
    say_file(vm->kernel_line, vm->kernel);
    say_file(vm->initrd_line, vm->initrd);
    for (unsigned i = 0; i < vm->module_count; i++)
        say_file(vm->module_lines[i], vm->modules[i]);
    for (unsigned i = 0; i < vm->disk_count; i++)
        say_file(vm->disks[i].line, vm->disks[i].file);
}

int main(int argc, char **argv)
{
    static const char *const switches[] = {VMX_SWITCHES, NULL};
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    size_t size;

    if (!file) {
        fprintf(stderr, "skerry-check: expected the name of a file that can be read\n");
        return 2;
    }
    size = fread(text, 1, sizeof(text), file);
    fclose(file);
    config_add_switches(switches);
    config_parse(text, size, &config, say_error, NULL);
    for (unsigned i = 0; i < config.vm_count; i++)
        say_files_of(&config.vms[i]);
    say_files_of(&config.host.release);
    return 0;
}
