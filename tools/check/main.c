/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's parser of skerry.cfg on the developer's machine, for tools/skerry: skerry-check FILE says
 * each error as "error LINE TEXT" and each file that is named as "file LINE NAME", and ends with 0 if the
 * text could be read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/panic.h"
#include "core/config/config_files.h"
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

static void say_file(void *context, unsigned line, const char *name, size_t length)
{
    (void)context;
    printf("file %u %.*s\n", line, (int)length, name);
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
    config_each_file(&config, say_file, NULL);
    return 0;
}
