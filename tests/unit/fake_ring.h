/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's memory in which rings lie, with a driver's side of them: two pieces of RAM with a hole between,
 * and a place that the guest has closed. Whoever includes it decides what a wrong access does.
 */
#pragma once

#include "dev/virtio/ring.h"

#include <string.h>

#define RAM_SIZE UINT64_C(0x20000)
#define RAM_HIGH UINT64_C(0x100000000) /* where the second piece begins */
#define RAM_GAP  UINT64_C(0x8000) /* two pages of the first piece that are not in one piece with others */

static uint8_t ram_low[RAM_SIZE], ram_high[RAM_SIZE];
static uint64_t closed_from, closed_to;
static unsigned long memory_calls;

static uint8_t *ram(uint64_t at)
{
    return at < RAM_SIZE ? &ram_low[at] : &ram_high[at - RAM_HIGH];
}

static bool fake_is_ram(void *context UNUSED, uint64_t at, uint64_t n)
{
    uint64_t into = at >= RAM_HIGH ? at - RAM_HIGH : at;

    memory_calls++;
    return into < RAM_SIZE && n <= RAM_SIZE - into;
}

static bool is_closed(uint64_t at, uint64_t n)
{
    return at < closed_to && at + n > closed_from;
}

static void *fake_map(void *context, uint64_t at, size_t n, bool to_write)
{
    if (!fake_is_ram(context, at, n) || (to_write && is_closed(at, n)))
        return NULL;
    return at < RAM_GAP && at + n > RAM_GAP ? NULL : ram(at);
}

static bool fake_read(void *context, uint64_t at, void *to, size_t n)
{
    if (!fake_is_ram(context, at, n))
        return false;
    memcpy(to, ram(at), n);
    return true;
}

static bool fake_write(void *context, uint64_t at, const void *from, size_t n)
{
    if (!fake_is_ram(context, at, n) || is_closed(at, n))
        return false;
    memcpy(ram(at), from, n);
    return true;
}

static uintptr_t guest_closes; /* not 0: some memory may be closed */

/* Of the first piece a part is reached without a function. */
static const struct ring_memory fake_ring_memory = {.flat = ram_low,
                                                    .flat_size = RAM_SIZE - 0x1000,
                                                    .closing = &guest_closes,
                                                    .is_ram = fake_is_ram,
                                                    .map = fake_map,
                                                    .read = fake_read,
                                                    .write = fake_write};

/* Where the tests' rings lie. */
#define DESC_AT   UINT64_C(0x1000)
#define DRIVER_AT UINT64_C(0x3000)
#define DEVICE_AT UINT64_C(0x4000)

enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4, F_AVAIL = 0x80, F_USED = 0x8000 };

static inline void put16(uint64_t at, unsigned value)
{
    store_le(ram(at), value, 2);
}

static inline void put32(uint64_t at, uint32_t value)
{
    store_le(ram(at), value, 4);
}

static inline uint16_t get16(uint64_t at)
{
    return le16(ram(at));
}

static inline uint32_t get32(uint64_t at)
{
    return le32(ram(at));
}

/* Both formats have the address and the size at the same place; the last two words differ. */
static inline void put_desc(uint64_t table, unsigned i, uint64_t at, uint32_t size, unsigned third,
                            unsigned fourth)
{
    uint8_t *d = ram(table + 16 * i);

    store_le(d, at, 8);
    store_le(d + 8, size, 4);
    store_le(d + 12, third, 2);
    store_le(d + 14, fourth, 2);
}
