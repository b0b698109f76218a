/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's memory, and the only ways to reach it. Nothing else turns a guest address into a pointer.
 */
#pragma once

#include "arch/x86/types.h"

struct vm;

/* Pages beside the RAM (core/vm/shared_pages.h): counters of vCPUs, channels. In the guest's 2 MiB of local
 * APICs. */
#define GUEST_STATISTICS UINT64_C(0xfef00000)
#define GUEST_CHANNELS   UINT64_C(0xfef40000)

/* Copy n bytes from or to guest memory. False, with nothing done, unless the whole range is the guest's RAM.
 */
bool guest_read(const struct vm *vm, gpa_t from, void *to, size_t n);
bool guest_write(struct vm *vm, gpa_t to, const void *from, size_t n);

/* A pointer to n bytes of guest RAM for as long as the VM lives, or NULL unless all are RAM and contiguous.
 */
void *guest_map(const struct vm *vm, gpa_t at, size_t n);

/* The pieces of a guest's RAM in ascending order of address. */
struct guest_range {
    gpa_t base;
    uint64_t size; /* bytes, a multiple of PAGE_SIZE */
};

#define GUEST_MAX_RANGES 2

/* Guest RAM is 0..min(size, 3 GiB) and, beyond that, from 4 GiB up. Returns the number of ranges filled in.
 */
unsigned guest_ranges(const struct vm *vm, struct guest_range ranges[GUEST_MAX_RANGES]);
