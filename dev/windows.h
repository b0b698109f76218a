/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of a bus (dev/bus.h) that come, go and move while the guest runs: BARs of PCI. They are in two
 * tables, of which one is valid. A change fills the other one under the lock, and then counts the generation
 * up, which makes that one valid. A lookup takes no lock: it copies what it finds, and looks again if the
 * generation has changed meanwhile, as the table may then have been filled again under its hands. So nobody
 * waits for a lookup, and a lookup only for those who change the tables faster than it looks at one.
 *
 * What was found may be gone when it is used: an access that was on its way when the range went still gets
 * there.
 */
#pragma once

#include "arch/x86/spinlock.h"
#include "arch/x86/types.h"

struct device;

#define WINDOWS_MAX  127
#define WINDOW_PORTS BIT(60) /* in `first`: it is a port. Else an address in memory */

struct window {
    uint64_t first, size; /* sorted, and no two of them overlap */
    struct device *device;
    unsigned widths;
    unsigned offset; /* of its first byte, for the device */
};

struct window_table {
    uint32_t count;
    struct window windows[WINDOWS_MAX];
};

_Static_assert(sizeof(struct window_table) <= PAGE_SIZE, "one page");

struct windows {
    struct window_table *tables[2]; /* NULL: no windows are used here */
    uint32_t generation;            /* its last bit says which table is valid */
    uint32_t recent;                /* a place where something was found: looked at first */
    struct spinlock lock;           /* of those who change them */
};

/* The one that takes this width and holds all of an access, copied to *found. From any CPU, without a lock.
 */
bool windows_find(struct windows *w, uint64_t first, unsigned size, struct window *found);

/* All under the lock. NULL, or why it is refused: it overlaps another one, or there is no place left. */
const char *windows_open(struct windows *w, const struct window *window);
/* Does nothing if none begins there. */
void windows_close(struct windows *w, uint64_t first);

/* Under the lock: those that are valid. */
static inline const struct window_table *windows_now(const struct windows *w)
{
    return w->tables[w->generation & 1];
}
