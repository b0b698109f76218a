/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/paging.h"

#include "arch/x86/layout.h"

#define ADDRESS_MASK UINT64_C(0x000ffffffffff000)

static uint64_t level_size(unsigned level)
{
    return UINT64_C(1) << (PAGE_SHIFT + 9 * (level - 1));
}

static uint64_t *entry_of(uint64_t *table, uint64_t va, unsigned level)
{
    return &table[va >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
}

static uint64_t *lower_table(uint64_t entry)
{
    return phys_to_virt(hpa(entry & ADDRESS_MASK));
}

/* Replaces a large page by a table of pages one level down with the same attributes. */
static uint64_t *split(const struct page_table *t, uint64_t *entry, unsigned level)
{
    uint64_t *table = t->alloc(t->context);
    uint64_t old = *entry, step = level_size(level - 1);

    if (!table)
        return NULL;
    if (level == 2)
        old &= ~PTE_LARGE;
    for (unsigned i = 0; i < 512; i++)
        table[i] = old + i * step;
    *entry = virt_to_phys(table).value | t->table_flags;
    return table;
}

static uint64_t *descend(const struct page_table *t, uint64_t *entry, unsigned level)
{
    uint64_t *table;

    if (*entry & t->present)
        return *entry & PTE_LARGE ? split(t, entry, level) : lower_table(*entry);
    table = t->alloc(t->context);
    if (table)
        *entry = virt_to_phys(table).value | t->table_flags;
    return table;
}

/* Pages of 4 KiB from va on, to the end of the table that entry is in; returns their size. */
static uint64_t fill(uint64_t *entry, uint64_t va, uint64_t pa, uint64_t size, uint64_t flags)
{
    uint64_t room = (512 - (va >> PAGE_SHIFT & 511)) << PAGE_SHIFT, most = MIN(size, room);

    for (uint64_t done = 0; done < most; done += PAGE_SIZE)
        *entry++ = flags ? (pa + done) | flags : 0;
    return most;
}

/* Maps one page at va, as large as alignment and size permit, or more of 4 KiB; returns their size or 0. */
static uint64_t map_some(struct page_table *t, uint64_t va, uint64_t pa, uint64_t size, uint64_t flags)
{
    uint64_t *table = t->root;

    for (unsigned level = PAGING_LEVELS;; level--) {
        uint64_t *entry = entry_of(table, va, level);
        uint64_t step = level_size(level);
        bool table_below = (*entry & t->present) && level > 1 && !(*entry & PTE_LARGE);

        if (level == 1)
            return fill(entry, va, pa, size, flags);
        if (level <= t->max_leaf && size >= step && !((va | pa) & (step - 1)) && !table_below) {
            *entry = flags ? pa | flags | PTE_LARGE : 0;
            return step;
        }
        table = descend(t, entry, level);
        if (!table)
            return 0;
    }
}

bool paging_map(struct page_table *t, uint64_t va, uint64_t pa, uint64_t size, uint64_t flags)
{
    while (size) {
        uint64_t done = map_some(t, va, pa, size, flags);

        if (!done)
            return false;
        va += done;
        pa += done;
        size -= done;
    }
    return true;
}

uint64_t paging_lookup(const struct page_table *t, uint64_t va, unsigned *level)
{
    const uint64_t *table = t->root;

    for (unsigned l = PAGING_LEVELS; l > 0; l--) {
        uint64_t entry = table[va >> (PAGE_SHIFT + 9 * (l - 1)) & 511];

        if (!(entry & t->present))
            break;
        if (l == 1 || (l < PAGING_LEVELS && (entry & PTE_LARGE))) {
            *level = l;
            return entry;
        }
        table = lower_table(entry);
    }
    return 0;
}
