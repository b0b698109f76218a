/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/low_page.h"

#define LOWEST 0x1000u
#define END    0x9f000u

_Static_assert(END <= MIB && LOWEST > 0, "a SIPI has 8 bits for the page, and none for page 0");

static bool touches(uint64_t page, uint64_t base, uint64_t size)
{
    return page < base + size && base < page + PAGE_SIZE;
}

static bool is_usable(const struct boot_info *b, uint64_t page)
{
    bool usable = false;

    for (unsigned i = 0; i < b->memory_count; i++) {
        const struct boot_memory *m = &b->memory[i];

        if (!touches(page, m->base, m->size))
            continue;
        if (m->type != MEMORY_USABLE || page < m->base || page + PAGE_SIZE > m->base + m->size)
            return false;
        usable = true;
    }
    return usable;
}

static bool has_module(const struct boot_info *b, uint64_t page)
{
    for (unsigned i = 0; i < b->module_count; i++) {
        if (touches(page, b->modules[i].start.value, b->modules[i].size))
            return true;
    }
    return false;
}

uint64_t low_page_find(const struct boot_info *b, hpa_t information, uint64_t information_size)
{
    for (uint64_t page = END - PAGE_SIZE; page >= LOWEST; page -= PAGE_SIZE) {
        if (is_usable(b, page) && !has_module(b, page) && !touches(page, information.value, information_size))
            return page;
    }
    return 0;
}
