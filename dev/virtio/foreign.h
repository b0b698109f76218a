/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of guest memory, each read or written by one access; the address is any. */
#pragma once

#include "arch/x86/types.h"

typedef uint64_t ALIGNED(1) __attribute__((may_alias)) foreign64;
typedef uint32_t ALIGNED(1) __attribute__((may_alias)) foreign32;
typedef uint16_t ALIGNED(1) __attribute__((may_alias)) foreign16;

static inline uint64_t foreign_read64(const void *at)
{
    return *(const volatile foreign64 *)at;
}

static inline uint32_t foreign_read32(const void *at)
{
    return *(const volatile foreign32 *)at;
}

static inline uint16_t foreign_read16(const void *at)
{
    return *(const volatile foreign16 *)at;
}

static inline void foreign_write64(void *at, uint64_t value)
{
    *(volatile foreign64 *)at = value;
}

static inline void foreign_write32(void *at, uint32_t value)
{
    *(volatile foreign32 *)at = value;
}

static inline void foreign_write16(void *at, uint16_t value)
{
    *(volatile foreign16 *)at = value;
}
