/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the terminal shows next: one piece at a time out of the speakers' rings, for the serial port and the
 * screen. The caller holds the console's lock.
 */
#pragma once

#include "core/base/console.h"

#define TERMINAL_WIRE 1024 /* bytes made up for the port */

extern struct console_ring terminal_ours; /* the hypervisor's */

/* The sinks that there are. */
void terminal_use(bool serial, bool display);
void terminal_repeat(void); /* what is left of the hypervisor's text, to the screen */
bool terminal_draw(
    void); /* some of what it has said since, to a screen beside the port; true: there is more */

void terminal_add(struct console_stream *s);
void terminal_remove(struct console_stream *s);
void terminal_focus(struct console_stream *s);
struct console_stream *terminal_focused(void);
void terminal_set_prefixes(bool on);
void terminal_set_prompt(const char *text, unsigned cursor);
void terminal_panic(void);

/* Bytes for the port, at most count of them, as many as there are now; what the port takes is dropped. */
unsigned terminal_next(const char **bytes, unsigned count);
void terminal_sent(unsigned count);

/* Something is there that will be shown, now or behind the line that is being written. keeper: by this CPU;
 * NULL: of anybody. */
bool terminal_has_more(const struct cpu *keeper);

/* Tells the streams that have room again. Takes locks of their devices. */
void terminal_tell_writers(void);

/* --- rings --- */

static inline unsigned ring_used(const struct console_ring *r)
{
    return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
}

static inline unsigned ring_room(const struct console_ring *r)
{
    return r->size - ring_used(r);
}

/*
 * There is room for it. begins: it has a time of its own, as long as there are marks. A line's time is that
 * of its end: somebody who began one long ago has not said it yet.
 */
static inline void ring_put(struct console_ring *r, char c, uint64_t now, bool begins)
{
    bool new = begins && r->mark_head - r->mark_tail < r->mark_count;
    struct console_mark *mark = &r->marks[(r->mark_head - !new) & (r->mark_count - 1)];

    if (new || c == '\n')
        mark->at = now;
    mark->end = r->head + 1;
    __atomic_store_n(&r->mark_head, r->mark_head + new, __ATOMIC_RELEASE);
    r->bytes[r->head & (r->size - 1)] = c;
    if (c == '\n')
        __atomic_store_n(&r->ends, r->ends + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
}
