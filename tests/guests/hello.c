/* SPDX-License-Identifier: BSD-2-Clause */
/* What the loader and the processor tell a guest. Built for both versions of Multiboot. */
#include "lib/guest.h"

const char guest_name[] = "hello";

static void show_hypervisor(void)
{
    struct cpuid c = cpuid(0x40000000, 0);
    char signature[13] = "";

    check(cpuid(1, 0).ecx & BIT(31), "hypervisor bit");
    memcpy(signature, &c.ebx, 4);
    memcpy(signature + 4, &c.ecx, 4);
    memcpy(signature + 8, &c.edx, 4);
    say("hypervisor '%s', leaves to %x", signature, (unsigned)c.eax);
    say("TSC at the start %llu", rdtsc());
}

static void show_map(const struct boot_info *info)
{
    uint64_t usable = 0;

    for (unsigned i = 0; i < info->range_count; i++) {
        const struct boot_range *r = &info->ranges[i];

        say("memory %08llx-%08llx type %u", r->base, r->base + r->size - 1, (unsigned)r->type);
        if (r->type == 1)
            usable += r->size;
    }
    check(usable > 0, "usable memory %u KiB", (unsigned)(usable / 1024));
}

static uint32_t sum(const struct boot_module *m)
{
    uint32_t total = 0;

    for (uint32_t a = m->start; a < m->end; a++)
        total += *(const volatile uint8_t *)a;
    return total;
}

void guest_main(const struct boot_info *info)
{
    check(info->version != 0, "started by Multiboot %u", info->version);
    say("command line '%s', loader '%s'", info->cmdline, info->loader);
    show_map(info);
    for (unsigned i = 0; i < info->module_count; i++) {
        const struct boot_module *m = &info->modules[i];

        check(m->start % 4096 == 0, "module '%s' %u bytes, sum %u", m->cmdline, (unsigned)(m->end - m->start),
              (unsigned)sum(m));
    }
    show_hypervisor();
}
