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

/* Whether n bytes from there are all the guest's RAM; any values. */
bool guest_is_ram(const struct vm *vm, gpa_t at, uint64_t n);

/*
 * Copy n bytes from or to guest memory. False, with nothing done, unless the whole range is the guest's RAM,
 * and for a write none of it closed.
 */
bool guest_read(const struct vm *vm, gpa_t from, void *to, size_t n);
bool guest_write(struct vm *vm, gpa_t to, const void *from, size_t n);

/*
 * What the guest has protected (SKERRY_CALL_PROTECT) is closed to what is written on its behalf, too: any n
 * bytes of RAM of which one is. It may become so at any time, but whoever found it open at an exit is waited
 * for until that exit is done.
 */
bool guest_is_closed(const struct vm *vm, gpa_t at, size_t n);

/*
 * A pointer to n bytes of guest RAM for as long as the VM lives, or NULL unless all are RAM and contiguous.
 * The first is for reading, and for what is written before the guest starts; the second is also NULL where
 * any is closed.
 */
void *guest_map(const struct vm *vm, gpa_t at, size_t n);
void *guest_map_open(const struct vm *vm, gpa_t at, size_t n);

/* The pieces of a guest's RAM in ascending order of address. */
struct guest_range {
    gpa_t base;
    uint64_t size; /* bytes, a multiple of PAGE_SIZE */
};

#define GUEST_MAX_RANGES 2
#define GUEST_HOLE       (3 * GIB) /* between the two: registers of devices */
#define GUEST_HOLE_END   (4 * GIB)

/* Where devices may show memory of their own (backend.map_window), within it. */
#define GUEST_WINDOWS     GUEST_HOLE
#define GUEST_WINDOWS_END UINT64_C(0xe0000000)

/* There, what cannot be written is the device's to count. */
static inline bool guest_is_window(gpa_t at)
{
    return at.value >= GUEST_WINDOWS && at.value < GUEST_WINDOWS_END;
}

/* Guest RAM is 0..min(size, 3 GiB) and, beyond that, from 4 GiB up. Returns the number of ranges filled in.
 */
unsigned guest_ranges(const struct vm *vm, struct guest_range ranges[GUEST_MAX_RANGES]);
