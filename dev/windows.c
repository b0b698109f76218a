/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/windows.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

/* Words of a table that may be filled again meanwhile: each is whole, and none is read twice. */
#define ONCE(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

/* A place that is not in use takes nothing: its size is 0. */
static INLINED bool takes(const struct window *w, uint64_t first, unsigned size, struct window_access *found)
{
    uint64_t into = first - ONCE(w->first), length = ONCE(w->size);

    if (into >= length || length - into < size || !(ONCE(w->widths) & size))
        return false;
    *found = (struct window_access){ONCE(w->device), ONCE(w->offset) + (unsigned)into};
    return true;
}

/* The last one that does not begin behind an access. */
static const struct window *search(const struct window_table *t, uint64_t first)
{
    const struct window *w = t->windows;
    unsigned count = ONCE(t->count);

    for (unsigned n = MIN(count, WINDOWS_MAX); n > 1; n -= n / 2)
        w += ONCE(w[n / 2].first) <= first ? n / 2 : 0;
    return w;
}

/* Where BARs are at the start (dev/pci/pci.h), 16 MiB for each device, each has its own; elsewhere two may
 * share one. */
static INLINED uint8_t hint_place(uint64_t first)
{
    return (uint8_t)(first & WINDOW_PORTS ? first >> 8 : (first >> PAGE_SHIFT) + (first >> 24) * 8);
}

/* Whatever the table is while it is read, no place behind its end is looked at. */
static INLINED bool find_in(const struct window_table *t, uint64_t first, unsigned size,
                            struct window_access *found)
{
    unsigned hint = ONCE(t->hint[hint_place(first)]);

    if (hint < WINDOWS_MAX && likely(takes(&t->windows[hint], first, size, found)))
        return true;
    return takes(search(t, first), first, size, found);
}

/* The table was changed under its hands. */
static COLD bool find_again(struct windows *w, uint64_t first, unsigned size, struct window_access *found)
{
    bool there;

    spin_lock(&w->lock);
    there = find_in(windows_now(w), first, size, found);
    spin_unlock(&w->lock);
    return there;
}

INLINED bool windows_find(struct windows *w, uint64_t first, unsigned size, struct window_access *found)
{
    uint32_t generation = __atomic_load_n(&w->generation, __ATOMIC_ACQUIRE);
    const struct window_table *t = w->tables[generation & 1];
    bool there = t && find_in(t, first, size, found);

    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return likely(ONCE(w->generation) == generation) ? there : find_again(w, first, size, found);
}

/* The table that nobody should look at, as the valid one is. */
static struct window_table *begin_change(struct windows *w)
{
    struct window_table *next = w->tables[~w->generation & 1];

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the last change is seen before this one begins */
    memcpy(next, windows_now(w), sizeof(*next));
    return next;
}

static void set_hints(struct window_table *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        const struct window *at = &t->windows[i];
        uint64_t step = at->first & WINDOW_PORTS ? 256 : PAGE_SIZE, end = at->first + at->size;

        for (unsigned n = 0; n < ARRAY_SIZE(t->hint) && ALIGN_DOWN(at->first, step) + n * step < end; n++)
            t->hint[hint_place(at->first + n * step)] = (uint8_t)i;
    }
}

static void publish_windows(struct windows *w)
{
    set_hints(w->tables[~w->generation & 1]);
    __atomic_store_n(&w->generation, w->generation + 1, __ATOMIC_SEQ_CST);
}

/* Where a window belongs: before the first one behind it. */
static unsigned place_of_window(const struct window_table *t, uint64_t first)
{
    unsigned i = 0;

    while (i < t->count && t->windows[i].first < first)
        i++;
    return i;
}

const char *windows_open(struct windows *w, const struct window *window)
{
    const struct window_table *now = windows_now(w);
    unsigned i = place_of_window(now, window->first);
    struct window_table *next;

    ASSERT(window->size > 0 && window->first + window->size > window->first);
    if (now->count == WINDOWS_MAX)
        return "is one too many";
    if ((i < now->count && now->windows[i].first - window->first < window->size) ||
        (i > 0 && window->first - now->windows[i - 1].first < now->windows[i - 1].size))
        return "overlaps another one";
    next = begin_change(w);
    memmove(&next->windows[i + 1], &next->windows[i], (next->count - i) * sizeof(*window));
    next->windows[i] = *window;
    next->count++;
    publish_windows(w);
    return NULL;
}

void windows_close(struct windows *w, uint64_t first)
{
    unsigned i = place_of_window(windows_now(w), first);
    struct window_table *next;

    if (i == windows_now(w)->count || windows_now(w)->windows[i].first != first)
        return;
    next = begin_change(w);
    next->count--;
    memmove(&next->windows[i], &next->windows[i + 1], (next->count - i) * sizeof(next->windows[0]));
    next->windows[next->count] = (struct window){.size = 0};
    publish_windows(w);
}
