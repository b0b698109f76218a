/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/windows.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

#define TRIES 8 /* without the lock: whoever is overtaken so often waits its turn */

/* Words of a table that may be filled again meanwhile: each is whole, and none is read twice. */
#define ONCE(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

static bool takes(const struct window *w, uint64_t first, unsigned size)
{
    return first - w->first < w->size && w->size - (first - w->first) >= size && (w->widths & size);
}

static inline bool is_it(const struct window *w, uint64_t first, unsigned size, struct window *found)
{
    *found =
        (struct window){ONCE(w->first), ONCE(w->size), ONCE(w->device), ONCE(w->widths), ONCE(w->offset)};
    return takes(found, first, size);
}

/* Whatever the table is while it is read, no place behind its end is looked at. */
static NOINLINE bool find_in(const struct window_table *t, uint64_t first, unsigned size,
                             struct window *found, uint32_t *recent)
{
    unsigned count = MIN(ONCE(t->count), WINDOWS_MAX);
    const struct window *w = t->windows;

    if (count == 0)
        return false;
    for (unsigned n = count; n > 1; n -= n / 2)
        w += ONCE(w[n / 2].first) <= first ? n / 2 : 0;
    __atomic_store_n(recent, (uint32_t)(w - t->windows), __ATOMIC_RELAXED);
    return is_it(w, first, size, found);
}

static COLD bool find_locked(struct windows *w, uint64_t first, unsigned size, struct window *found)
{
    bool there;

    spin_lock(&w->lock);
    there = find_in(windows_now(w), first, size, found, &w->recent);
    spin_unlock(&w->lock);
    return there;
}

static NOINLINE bool find_anew(struct windows *w, uint64_t first, unsigned size, struct window *found)
{
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t generation = __atomic_load_n(&w->generation, __ATOMIC_ACQUIRE);
        bool there = find_in(w->tables[generation & 1], first, size, found, &w->recent);

        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (likely(ONCE(w->generation) == generation))
            return there;
    }
    return find_locked(w, first, size, found);
}

/* Mostly it is the one that the last access was for. */
bool windows_find(struct windows *w, uint64_t first, unsigned size, struct window *found)
{
    uint32_t generation = __atomic_load_n(&w->generation, __ATOMIC_ACQUIRE), i = ONCE(w->recent);
    const struct window_table *t = w->tables[generation & 1];

    if (!t)
        return false;
    if (likely(i < ONCE(t->count) && is_it(&t->windows[i], first, size, found))) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (likely(ONCE(w->generation) == generation))
            return true;
    }
    return find_anew(w, first, size, found);
}

/* The table that nobody should look at, as the valid one is. */
static struct window_table *begin_change(struct windows *w)
{
    struct window_table *next = w->tables[~w->generation & 1];

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the last change is seen before this one begins */
    memcpy(next, windows_now(w), sizeof(*next));
    return next;
}

static void publish_windows(struct windows *w)
{
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
    publish_windows(w);
}
