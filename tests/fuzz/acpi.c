/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as the host's physical memory, with an XSDT at its start. Checksums are made right on the way, or
 * hardly an input would get past them.
 */
#include "tests/fuzz/fuzz.h"

#include "arch/x86/acpi.h"

#include <stdlib.h>
#include <string.h>

#define BASE 0x1000

static uint8_t *memory;
static size_t memory_size;

static uint8_t sum(const uint8_t *data, size_t size)
{
    uint8_t total = 0;

    while (size-- > 0)
        total = (uint8_t)(total + *data++);
    return total;
}

static const void *map(void *context, hpa_t at, size_t n)
{
    uint8_t *p;

    (void)context;
    if (at.value < BASE || at.value - BASE > memory_size || n > memory_size - (at.value - BASE))
        return NULL;
    p = memory + (at.value - BASE);
    if (n > 36)
        p[9] = (uint8_t)(p[9] - sum(p, n));
    return p;
}

static void warn(void *context, const char *table, const char *what)
{
    (void)context;
    MUST(strlen(table) == 4 && strlen(what) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct acpi_source source = {map, warn, NULL};
    static struct acpi_info info;
    uint8_t rsdp[36] = "RSD PTR ";

    memory_size = size;
    memory = malloc(size + 1);
    memcpy(memory, data, size);
    rsdp[15] = 2;
    store_le(rsdp + 24, BASE, 8);
    rsdp[8] = (uint8_t)-sum(rsdp, 20);
    rsdp[32] = (uint8_t)-sum(rsdp, 36);
    acpi_parse(&source, rsdp, 36, &info);
    MUST(info.madt.cpu_count <= ACPI_MAX_CPUS && info.madt.ioapic_count <= ACPI_MAX_IOAPICS);
    MUST(info.madt.override_count <= ACPI_MAX_OVERRIDES && info.mcfg.count <= ACPI_MAX_SEGMENTS);
    MUST(info.s5.a <= 7 && info.s5.b <= 7);
    free(memory);
    return 0;
}
