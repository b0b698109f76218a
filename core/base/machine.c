/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/machine.h"

#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"

#define MAX_TABLE (16 * MIB) /* a longer one is a length that cannot be right */

struct machine machine;
struct page_table host_tables;

static uint64_t next_device = MMIO_BASE;

void machine_map(uint64_t va, uint64_t pa, uint64_t size, uint64_t flags)
{
    ASSERT(((va | pa | size) & (PAGE_SIZE - 1)) == 0);
    ASSERT(flags & PTE_P);
    if (!paging_map(&host_tables, va, pa, size, flags))
        panic("no memory for the hypervisor's page tables");
}

void *machine_map_device(hpa_t at, uint64_t size, uint64_t flags)
{
    uint64_t base = ALIGN_DOWN(at.value, PAGE_SIZE), end = ALIGN_UP(at.value + size, PAGE_SIZE);
    uint64_t va = next_device;

    ASSERT(end - base < MMIO_BASE + MMIO_SIZE - next_device);
    machine_map(va, base, end - base, flags);
    next_device += end - base;
    return (void *)(va + (at.value - base));
}

uint64_t machine_memory_top(void)
{
    uint64_t top = 4 * GIB;

    for (unsigned i = 0; i < machine.boot.memory_count; i++) {
        const struct boot_memory *m = &machine.boot.memory[i];

        if (m->type == MEMORY_USABLE || m->type == MEMORY_ACPI || m->type == MEMORY_NVS)
            top = MAX(top, ALIGN_UP(m->base + m->size, PAGE_2M));
    }
    return top;
}

/* Firmware keeps tables in what its memory map calls reserved, too, which the direct map leaves out. */
static void map_table(uint64_t at, uint64_t n)
{
    unsigned level;

    for (uint64_t page = ALIGN_DOWN(at, PAGE_SIZE); page < at + n; page += PAGE_SIZE) {
        if (!paging_lookup(&host_tables, DIRECT_BASE + page, &level))
            machine_map(DIRECT_BASE + page, page, PAGE_SIZE, MAP_RO);
    }
}

const void *machine_table(hpa_t at, size_t n)
{
    uint64_t top = machine_memory_top();

    if (at.value >= top || n > MIN(top - at.value, MAX_TABLE))
        return NULL;
    map_table(at.value, n);
    return phys_to_virt(at);
}

uint64_t machine_time(void)
{
    return machine.start_time + (machine.tsc_hz ? (rdtsc() - machine.start_tsc) / machine.tsc_hz : 0);
}

uint64_t machine_time_ns(void)
{
    return machine.start_time * NANOSECONDS + ticks_to_ns(machine.tsc_scale, rdtsc() - machine.start_tsc);
}

static size_t word_length(const char *s)
{
    size_t n = 0;

    while (s[n] && s[n] != ' ')
        n++;
    return n;
}

/* word and then rest, as one word of the boot command line. */
static bool has_option(const char *word, const char *rest)
{
    const char *s = machine.boot.cmdline;
    size_t first = strlen(word), second = strlen(rest);

    while (*s) {
        size_t n = word_length(s);

        if (n == first + second && !strncmp(s, word, first) && !strncmp(s + first, rest, second))
            return true;
        s += n;
        while (*s == ' ')
            s++;
    }
    return false;
}

bool machine_option(const char *word)
{
    return has_option(word, "");
}

const char *machine_option_value(const char *name)
{
    const char *s = machine.boot.cmdline;
    size_t n = strlen(name);

    while (*s) {
        if (!strncmp(s, name, n) && s[n] == '=')
            return s + n + 1;
        s += word_length(s);
        while (*s == ' ')
            s++;
    }
    return NULL;
}

bool machine_option_off(const char *name)
{
    return has_option(name, "=off");
}

const struct boot_module *machine_module(const char *name)
{
    for (unsigned i = 0; i < machine.boot.module_count; i++) {
        if (!strcmp(machine.boot.modules[i].string, name))
            return &machine.boot.modules[i];
    }
    return NULL;
}
