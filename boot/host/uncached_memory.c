/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/uncached_memory.h"

#include "arch/x86/layout.h"
#include "core/base/panic.h"

/* The largest step from at, aligned and not beyond end, that has one type. */
static uint64_t step_of(const struct mtrrs *m, uint64_t at, uint64_t end, enum cache_type *type)
{
    static const uint64_t sizes[] = {PAGE_1G, PAGE_2M};

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        if (at % sizes[i] == 0 && end - at >= sizes[i] && mtrr_range_type(m, at, sizes[i], type))
            return sizes[i];
    }
    *type = mtrr_page_type(m, at);
    return PAGE_SIZE;
}

static unsigned add(struct memory_range out[], unsigned count, uint64_t at, uint64_t size)
{
    struct memory_range *last = count ? &out[count - 1] : NULL;

    if (last && (last->base + last->size == at || count == UNCACHED_MOST)) {
        if (at >= last->base) /* the map need not be in order: such a piece is used */
            last->size = at + size - last->base;
        return count;
    }
    out[count] = (struct memory_range){at, size};
    return count + 1;
}

unsigned uncached_memory(const struct boot_info *b, const struct mtrrs *m,
                         struct memory_range out[UNCACHED_MOST])
{
    unsigned count = 0;
    bool any_cached = false;

    for (unsigned i = 0; m->enabled && i < b->memory_count; i++) {
        uint64_t at = MAX(ALIGN_UP(b->memory[i].base, PAGE_SIZE), MIB), step;
        uint64_t end = ALIGN_DOWN(b->memory[i].base + b->memory[i].size, PAGE_SIZE);
        enum cache_type type;

        for (; b->memory[i].type == MEMORY_USABLE && at < end; at += step) {
            step = step_of(m, at, end, &type);
            if (type == CACHE_UC)
                count = add(out, count, at, step);
            else
                any_cached = true;
        }
    }
    return any_cached ? count : 0;
}
