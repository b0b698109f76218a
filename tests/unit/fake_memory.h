/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory of a machine that is not there: phys_to_virt() leads into a range of this process that
 * holds nothing but zeros until somebody writes. Include it before any header of the hypervisor.
 */
#pragma once

#define DIRECT_BASE UINT64_C(0x200000000000)

#include "arch/x86/layout.h"

#include <sys/mman.h>

/* Physical addresses 0 to size; false when the range is taken. */
static inline bool fake_memory_create(uint64_t size)
{
    void *at = phys_to_virt(hpa(0));

    return mmap(at, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == at;
}

static inline void fake_memory_destroy(uint64_t size)
{
    munmap(phys_to_virt(hpa(0)), size);
}
