/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/symbols.h"

#include "arch/x86/layout.h"

struct symbol {
    uint32_t address; /* lower half; the upper one is that of KERNEL_BASE */
    uint32_t name;    /* offset into symbol_names */
};

_Static_assert(sizeof(struct symbol) == 8, "as tools/mksymbols writes it");

extern const uint64_t symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    const struct symbol *found = NULL;

    if (address < (uint64_t)text_start || address >= (uint64_t)text_end)
        return NULL;
    for (uint64_t i = 0; i < symbol_count && symbol_table[i].address <= (uint32_t)address; i++)
        found = &symbol_table[i];
    if (!found)
        return NULL;
    *offset = (uint32_t)address - found->address;
    return symbol_names + found->name;
}
