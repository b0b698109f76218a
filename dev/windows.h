/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of a bus (dev/bus.h) that come, go and move while the guest runs: BARs of PCI. They are in two
 * tables, of which one is valid. A change fills the other one under the lock, and then counts the generation
 * up, which makes that one valid. A lookup takes no lock: it copies what it finds. Only if the generation has
 * changed meanwhile, as the table may then have been filled again under its hands, it looks again, under the
 * lock. So no change waits for a lookup.
 *
 * What was found may be gone when it is used: an access that was on its way when the range went still gets
 * there.
 */
#pragma once

#include "arch/x86/spinlock.h"
#include "arch/x86/types.h"

struct device;

#define WINDOWS_MAX  119
#define WINDOW_PORTS BIT(60) /* in `first`: it is a port. Else an address in memory */

struct window {
    uint64_t first, size; /* sorted, and no two of them overlap */
    struct device *device;
    unsigned widths;
    unsigned offset; /* of its first byte, for the device */
};

struct window_table {
    uint32_t count;
    uint8_t hint[256]; /* by 256 ports, or a page: where to look first */
    struct window windows[WINDOWS_MAX];
};

_Static_assert(sizeof(struct window_table) <= PAGE_SIZE, "one page");

struct windows {
    struct window_table *tables[2]; /* NULL: no windows are used here */
    uint32_t generation;            /* its last bit says which table is valid */
    struct spinlock lock;           /* of those who change them */
};

/* Who gets an access, and what the device calls its first byte. */
struct window_access {
    struct device *device;
    unsigned offset;
};

/* By the window that takes this width and holds all of an access. From any CPU, without a lock. */
bool windows_find(struct windows *w, uint64_t first, unsigned size, struct window_access *found);

/* All under the lock. NULL, or why it is refused: it overlaps another one, or there is no place left. */
const char *windows_open(struct windows *w, const struct window *window);
/* Does nothing if none begins there. */
void windows_close(struct windows *w, uint64_t first);

/* Under the lock: those that are valid. */
static inline const struct window_table *windows_now(const struct windows *w)
{
    return w->tables[w->generation & 1];
}
