/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's RAM over fake memory: pieces of 2 MiB from the highest host address down, two beside each other
 * and then a place that nobody may touch. For tests that include core/vm/guest.c; include
 * fake_memory.h first.
 */
#pragma once

#include "core/vm/vm.h"
#include "tests/unit/fake_memory.h"

#define FAKE_RAM_MAX (3 * GIB + 16 * MIB)
#define FAKE_PIECES  (FAKE_RAM_MAX / PAGE_2M)
#define FAKE_PAIRS   (FAKE_PIECES / 2)
#define FAKE_HOST    (FAKE_PAIRS * 3 * PAGE_2M + PAGE_2M)

static hpa_t fake_pieces[FAKE_PIECES];

static inline hpa_t fake_piece(uint64_t i)
{
    return hpa((FAKE_PAIRS - 1 - i / 2) * 3 * PAGE_2M + PAGE_2M + i % 2 * PAGE_2M);
}

static inline bool fake_ram_create(void)
{
    if (!fake_memory_create(FAKE_HOST))
        return false;
    for (uint64_t i = 0; i < FAKE_PIECES; i++)
        fake_pieces[i] = fake_piece(i);
    for (uint64_t at = 0; at < FAKE_HOST; at += 3 * PAGE_2M) {
        if (mprotect(phys_to_virt(hpa(at)), PAGE_2M, PROT_NONE) != 0)
            return false;
    }
    return true;
}

/* The host's place of a guest-physical address, found without core/vm/guest.c; NULL: not RAM. */
static inline uint8_t *fake_ram_at(const struct vm *vm, uint64_t at)
{
    uint64_t offset = at < 3 * GIB ? at : at - GIB;

    if ((at >= 3 * GIB && at < 4 * GIB) || offset >= vm->memory)
        return NULL;
    return (uint8_t *)phys_to_virt(fake_piece(offset / PAGE_2M)) + offset % PAGE_2M;
}
