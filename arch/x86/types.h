/* SPDX-License-Identifier: BSD-2-Clause */
/* The words every file uses: fixed-width integers, bits, pages, and the two kinds of physical address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIT(n)           (UINT64_C(1) << (n))
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a) ((x) & ~((uint64_t)(a)-1))
#define ALIGN_UP(x, a)   ALIGN_DOWN((x) + (uint64_t)(a)-1, a)
#define MIN(a, b)        ((a) < (b) ? (a) : (b))
#define MAX(a, b)        ((a) > (b) ? (a) : (b))

#define KIB UINT64_C(0x400)
#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

#define PAGE_SHIFT 12
#define PAGE_SIZE  UINT64_C(0x1000)
#define PAGE_2M    UINT64_C(0x200000)
#define PAGE_1G    UINT64_C(0x40000000)

_Static_assert(PAGE_SIZE == BIT(PAGE_SHIFT), "one page");
_Static_assert(PAGE_2M == PAGE_SIZE * 512 && PAGE_1G == PAGE_2M * 512, "a table has 512 entries");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "load_le() and store_le() copy");

/* Guest- and host-physical addresses are different types, so that one never passes for the other. */
typedef struct {
    uint64_t value;
} gpa_t;

typedef struct {
    uint64_t value;
} hpa_t;

static inline gpa_t gpa(uint64_t value)
{
    return (gpa_t){value};
}

static inline hpa_t hpa(uint64_t value)
{
    return (hpa_t){value};
}

#define PACKED            __attribute__((packed))
#define ALIGNED(n)        __attribute__((aligned(n)))
#define NORETURN          __attribute__((noreturn))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define UNUSED            __attribute__((unused))
#define NOINLINE          __attribute__((noinline))
#define COLD              __attribute__((cold, noinline))
/* Inlines a function even into other files, which needs the link-time optimiser. */
#define INLINED     inline __attribute__((always_inline))
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* A linear address of 48 bits, sign-extended (SDM volume 1, "Canonical Addressing"). */
static inline bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Reads n bytes of little-endian data from anywhere, aligned or not. */
static INLINED uint64_t load_le(const void *from, unsigned n)
{
    uint64_t value = 0;

    __builtin_memcpy(&value, from, n); /* as this machine does itself */
    return value;
}

static INLINED uint16_t le16(const void *from)
{
    return (uint16_t)load_le(from, 2);
}

static INLINED uint32_t le32(const void *from)
{
    return (uint32_t)load_le(from, 4);
}

static INLINED uint64_t le64(const void *from)
{
    return load_le(from, 8);
}

static INLINED void store_le(void *to, uint64_t value, unsigned n)
{
    __builtin_memcpy(to, &value, n);
}
