/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical pages: a map of the owner of each page of the machine, and accounts that say what each VM costs.
 * Everything is allocated at boot or while a VM is built, and a VM's account is given back whole.
 */
#pragma once

#include "arch/x86/types.h"

#define MEMORY_FREE     1
#define MEMORY_HOST     2
#define MEMORY_FIRST_VM 3
#define MEMORY_RELEASE  255 /* what survives until another kernel has the machine (boot/host/release.c) */

enum memory_kind {
    MEMORY_RAM,
    MEMORY_TABLES,  /* second-level tables */
    MEMORY_CONTROL, /* what the processor's virtualization is controlled by */
    MEMORY_STATE,
    MEMORY_KINDS
};

struct account {
    uint8_t owner; /* in the page map: MEMORY_HOST, or MEMORY_FIRST_VM + the VM's number */
    bool sealed;   /* nothing is allocated any more */
    uint64_t pages[MEMORY_KINDS];
};

/* A range of usable physical memory; bytes outside whole pages are ignored. */
struct memory_range {
    uint64_t base, size;
};

/* Takes over the usable ranges but for the reserved ones and the first MiB. False if there is too little. */
bool memory_setup(const struct memory_range *usable, unsigned usable_count,
                  const struct memory_range *reserved, unsigned reserved_count);

/*
 * count contiguous pages, aligned to align pages (a power of two), not zeroed; the lowest that fit.
 * hpa 0 when there are none.
 */
hpa_t memory_alloc(struct account *account, enum memory_kind kind, uint64_t count, uint64_t align);

/*
 * The highest that end at or below an address: where nobody else comes, the same place in every boot. The
 * rest as memory_alloc().
 */
hpa_t memory_alloc_high(struct account *account, enum memory_kind kind, uint64_t count, uint64_t align,
                        uint64_t below);

/*
 * A page whose contents are lost: it stays where it is, and is nobody's afterwards, neither zeroed nor given
 * out. False: too many are.
 */
bool memory_retire(hpa_t at);

/* Zeroes everything that an account holds, and gives it back. */
void memory_release(struct account *account);

/* Counts: the page map gives an account what it says it holds, and the rest adds up. */
bool memory_audit(const struct account *account);

/* count zeroed pages by their direct-map address, or NULL. */
void *memory_alloc_zeroed(struct account *account, enum memory_kind kind, uint64_t count);

/* Zeroes whole pages. */
void memory_zero(void *at, uint64_t pages);

/* Takes what is free of a range out of use, so that nothing is allocated there. */
void memory_reserve(uint64_t base, uint64_t size);

/* Finds the next pages of an owner from page number *page on: false when there are no more. */
bool memory_next_run(uint8_t owner, uint64_t *page, uint64_t *count);

/* Page number from which on nothing was ever given out. */
uint64_t memory_used_end(void);

uint64_t memory_total_pages(void);
uint64_t memory_free_pages(void);

/* What the hypervisor holds for itself. */
extern struct account memory_host;
