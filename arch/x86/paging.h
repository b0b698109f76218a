/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four-level page tables: one walker for the hypervisor's own tables and for EPT, which share their shape
 * (SDM volume 3, "4-level paging" and "The extended page table mechanism").
 */
#pragma once

#include "arch/x86/types.h"

#define PAGING_LEVELS 4

struct page_table {
    uint64_t *root;
    uint64_t present;              /* an entry with any of these bits is in use */
    uint64_t table_flags;          /* of entries that point at a lower table */
    unsigned max_leaf;             /* highest level that may map a page: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB */
    void *(*alloc)(void *context); /* a zeroed page out of the direct map, or NULL */
    void *context;
};

/* Bits of the hypervisor's own tables; NX is always used. */
#define PTE_P     BIT(0)
#define PTE_W     BIT(1)
#define PTE_PWT   BIT(3)
#define PTE_PCD   BIT(4)
#define PTE_LARGE BIT(7)
#define PTE_G     BIT(8)
#define PTE_NX    BIT(63)

#define MAP_RW     (PTE_P | PTE_W | PTE_NX | PTE_G)
#define MAP_RO     (PTE_P | PTE_NX | PTE_G)
#define MAP_RX     (PTE_P | PTE_G)
#define MAP_DEVICE (PTE_P | PTE_W | PTE_NX | PTE_G | PTE_PCD | PTE_PWT) /* UC */
#define MAP_WC     (PTE_P | PTE_W | PTE_NX | PTE_G | PTE_PWT)           /* PAT entry 1, see PAGING_PAT */

/* IA32_PAT as at reset but for entry 1, which is write-combining. */
#define PAGING_PAT UINT64_C(0x0007040600070106)

_Static_assert((PAGING_PAT & 0xff) == 6 && (PAGING_PAT >> 8 & 0xff) == 1, "entry 0 is WB, that of MAP_WC WC");
_Static_assert((PAGING_PAT >> 24 & 0xff) == 0, "that of MAP_DEVICE, PCD and PWT, is UC");

/*
 * Maps size bytes at va to pa with the largest pages that fit; flags = 0 unmaps. All are multiples of 4 KiB.
 * Larger pages in the way are split. False when a page for a table could not be had. Does not flush TLBs.
 */
bool paging_map(struct page_table *t, uint64_t va, uint64_t pa, uint64_t size, uint64_t flags);

/* The leaf entry that maps va and its level (1, 2 or 3), or 0 when none does. */
uint64_t paging_lookup(const struct page_table *t, uint64_t va, unsigned *level);
