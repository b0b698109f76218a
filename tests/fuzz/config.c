/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as skerry.cfg: reports are printable and few, a VM that is valid is complete. */
#include "tests/fuzz/fuzz.h"

#include "core/config/config.h"

#include <string.h>

static unsigned reports;

static void note(void *context, unsigned line, const char *text)
{
    (void)context;
    MUST(line > 0);
    reports++;
    MUST(strstr(text, "expected") != NULL);
    for (; *text != '\0'; text++)
        MUST(*text >= 0x20 && *text < 0x7f);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const switches[] = {"hv-timer", "apicv", NULL};

    (void)argc;
    (void)argv;
    config_add_switches(switches);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;

    reports = 0;
    config_parse((const char *)data, size, &config, note, NULL);
    MUST(reports <= 20 && reports <= config.errors);
    MUST(config.vm_count <= CONFIG_MAX_VMS);
    for (unsigned i = 0; i < config.vm_count; i++) {
        const struct vm_config *vm = &config.vms[i];

        MUST(vm->module_count <= IMAGE_MAX_MODULES);
        MUST(!vm->valid || (vm->kernel[0] != '\0' && vm->memory >= PAGE_2M && vm->memory % PAGE_2M == 0));
        MUST(!vm->valid || (vm->vcpus >= 1 && vm->vcpus <= 64));
    }
    return 0;
}
