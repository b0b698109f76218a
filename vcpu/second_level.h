/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-level tables of a VM (Intel: EPT, AMD: nested paging): its RAM, and ranges beside it. The backend
 * says what an entry looks like; what leads where, and who must hear of a change, is the same for all.
 */
#pragma once

#include "arch/x86/paging.h"
#include "core/vm/backend.h"
#include "core/vm/vm.h"

struct second_level {
    struct page_table table;
    struct page_table *view; /* a second one, which shares the tables of the RAM; NULL: none */
    uint64_t (*leaf)(unsigned rights,
                     enum cache_type type); /* GUEST_MAY_*: flags of an entry that maps a page */
    uint64_t writable;                      /* the bit that lets guests write */
    uint64_t generation;                    /* of the tables: a number for each change, never used twice */
    uint64_t flushes, ipis;                 /* that changes took */
};

/* Tables for all of vm->memory. False: no memory for one. */
bool second_level_map_ram(struct vm *vm);

/* As struct backend says (core/vm/backend.h). */
bool second_level_map_range(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights,
                            enum cache_type type);
bool second_level_unmap_range(struct vm *vm, gpa_t at, uint64_t size);
bool second_level_map_window(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights);
enum call_result second_level_protect(struct vm *vm, gpa_t at, uint64_t size);
void second_level_unprotect(struct vm *vm);
void second_level_flush_counts(const struct vm *vm, uint64_t *flushes, uint64_t *ipis);

/* --- table_changes.c --- */

uint64_t second_level_new_generation(struct second_level *t); /* nobody runs the VM */
/* When it returns, no CPU uses the old tables any more, nor is at an exit that began with them. Without
 * locks. */
void second_level_changed(const struct vm *vm);
/* The same without waiting: CPUs that run the VM are asked to flush. Returns the new generation. */
uint64_t second_level_tell(const struct vm *vm);

static inline uint64_t second_level_generation(const struct vm *vm)
{
    return __atomic_load_n(&vm->tables->generation, __ATOMIC_SEQ_CST);
}

/* This CPU has flushed for the VM that it has loaded: somebody may wait for that. */
static inline void second_level_flushed(const struct vm *vm, uint64_t *seen, uint64_t generation)
{
    __atomic_store_n(seen, generation, __ATOMIC_RELEASE);
    __atomic_fetch_add(&vm->tables->flushes, 1, __ATOMIC_RELAXED);
}
