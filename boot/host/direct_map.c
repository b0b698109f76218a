/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/direct_map.h"

static bool is_memory(uint32_t type)
{
    return type == MEMORY_USABLE || type == MEMORY_ACPI || type == MEMORY_NVS;
}

static bool has_reserved(const struct boot_info *b, uint64_t base, uint64_t size)
{
    for (unsigned i = 0; b && i < b->memory_count; i++) {
        const struct boot_memory *m = &b->memory[i];

        if (!is_memory(m->type) && (base < m->base ? m->base - base < size : base - m->base < m->size))
            return true;
    }
    return false;
}

/* The page that begins at base is all of [base, end), of one memory type, and memory. */
static bool page_fits(const struct boot_info *b, const struct mtrrs *m, uint64_t base, uint64_t end,
                      uint64_t size)
{
    enum cache_type type;

    return base % size == 0 && end - base >= size && !has_reserved(b, base, size) &&
           mtrr_range_type(m, base, size, &type);
}

static void map_range(const struct boot_info *b, const struct mtrrs *m, uint64_t base, uint64_t end,
                      direct_map_piece_t *map, void *context)
{
    uint64_t step;

    for (uint64_t at = ALIGN_DOWN(base, PAGE_SIZE); at < end; at += step) {
        uint64_t last = ALIGN_UP(end, PAGE_SIZE);

        step = page_fits(b, m, at, last, PAGE_1G)   ? PAGE_1G
               : page_fits(b, m, at, last, PAGE_2M) ? PAGE_2M
                                                    : PAGE_SIZE;
        if (step > PAGE_SIZE || !has_reserved(b, at, step))
            map(context, at, step);
    }
}

void direct_map_memory(const struct boot_info *b, const struct mtrrs *m, direct_map_piece_t *map,
                       void *context)
{
    /* The trampoline and firmware's pointers lie there: all of it, page by page. */
    map_range(NULL, m, 0, MIB, map, context);
    for (unsigned i = 0; i < b->memory_count; i++) {
        const struct boot_memory *piece = &b->memory[i];

        if (is_memory(piece->type))
            map_range(b, m, piece->base, piece->base + piece->size, map, context);
    }
}

void direct_map_range(const struct mtrrs *m, uint64_t base, uint64_t size, direct_map_piece_t *map,
                      void *context)
{
    map_range(NULL, m, base, base + size, map, context);
}
