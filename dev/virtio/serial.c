/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/serial.h"

#include "core/base/panic.h"

_Static_assert((SERIAL_BYTES & (SERIAL_BYTES - 1)) == 0, "head and tail run on through 2^32");

static struct serial_end *peer_of(const struct serial_end *e)
{
    return &e->line->ends[e == &e->line->ends[0]];
}

static uint32_t waiting(const struct serial_end *e)
{
    return e->head - e->tail;
}

static void bring(const struct serial_end *e, enum serial_news news)
{
    if (e->hear)
        e->hear(e->context, news);
}

static void bring_room(struct serial_end *e)
{
    if (e->waits)
        bring(e, SERIAL_ROOM);
    e->waits = false;
}

/* --- the ends --- */

/* As this end knows it: open until all is heard that was said there. */
static bool peer_is_open(const struct serial_end *e)
{
    return waiting(e) || (peer_of(e)->open && !e->hung);
}

/* It has heard all, and was told, or never knew: what waits at the other end may come. */
static void forget_hangup(struct serial_end *e)
{
    if (!e->hung || e->told || waiting(e))
        return;
    e->hung = false;
    bring_room(peer_of(e));
}

static void close_end(struct serial_end *e)
{
    struct serial_end *peer = peer_of(e);

    if (!e->open)
        return;
    e->open = e->waits = false;
    peer->lost += waiting(e);
    e->tail = e->head;
    peer->hung = !peer->keeps_latest && (peer->told || waiting(peer));
    forget_hangup(e);
    bring_room(peer);
    bring(peer, SERIAL_PEER);
}

/* It hears nothing of an end that it does not know to be open: so what it hears is of one opening. */
static bool has_come(const struct serial_end *e)
{
    return waiting(e) && (e->told || e->keeps_latest);
}

void serial_init(struct serial_line *l)
{
    for (unsigned i = 0; i < 2; i++)
        l->ends[i] = (struct serial_end){.line = l};
}

static void reset_end(struct serial_end *e)
{
    close_end(e);
    e->told = e->hung = false;
}

void serial_connect(struct serial_end *e, void (*hear)(void *context, enum serial_news news), void *context)
{
    ASSERT(!hear || !e->hear);
    spin_lock(&e->line->lock);
    reset_end(e);
    e->hear = hear;
    e->context = context;
    spin_unlock(&e->line->lock);
}

void serial_open(struct serial_end *e)
{
    spin_lock(&e->line->lock);
    if (!e->open) {
        e->open = true;
        bring(peer_of(e), SERIAL_PEER);
    }
    spin_unlock(&e->line->lock);
}

void serial_close(struct serial_end *e)
{
    spin_lock(&e->line->lock);
    close_end(e);
    spin_unlock(&e->line->lock);
}

void serial_reset(struct serial_end *e)
{
    spin_lock(&e->line->lock);
    reset_end(e);
    spin_unlock(&e->line->lock);
}

bool serial_due(struct serial_end *e, bool *open)
{
    bool due;

    spin_lock(&e->line->lock);
    *open = peer_is_open(e);
    due = *open != e->told;
    spin_unlock(&e->line->lock);
    return due;
}

void serial_tell(struct serial_end *e, bool open)
{
    spin_lock(&e->line->lock);
    e->told = open;
    forget_hangup(e);
    if (has_come(e))
        bring(e, SERIAL_CAME);
    spin_unlock(&e->line->lock);
}

/* --- bytes --- */

static uint32_t room_at(const struct serial_end *e)
{
    return e->keeps_latest ? SERIAL_BYTES : SERIAL_BYTES - waiting(e);
}

/* What is said before the other end is known to be open is for nobody, and so is what is said to one that has
 * closed since. */
static bool is_heard(const struct serial_end *e)
{
    return e->open && peer_of(e)->open && !e->hung && (e->told || e->keeps_latest);
}

bool serial_is_heard(struct serial_end *e)
{
    bool heard;

    spin_lock(&e->line->lock);
    heard = is_heard(e);
    spin_unlock(&e->line->lock);
    return heard;
}

/* How many of n come there. */
static unsigned put(struct serial_end *e, const uint8_t *bytes, unsigned n)
{
    unsigned done = 0, room = room_at(e), fit = MIN(n, room);

    for (; done < fit; done++)
        e->in[e->head++ % SERIAL_BYTES] = bytes[done];
    if (waiting(e) > SERIAL_BYTES) {
        peer_of(e)->lost += waiting(e) - SERIAL_BYTES;
        e->tail = e->head - SERIAL_BYTES;
    }
    return done;
}

static unsigned say_to(struct serial_end *e, struct serial_end *peer, const uint8_t *bytes, unsigned n)
{
    bool first = !waiting(peer);
    unsigned done = peer->hung ? 0 : put(peer, bytes, n);

    e->said += done;
    e->waits = done < n;
    if (first && has_come(peer))
        bring(peer, SERIAL_CAME);
    return done;
}

unsigned serial_say(struct serial_end *e, const uint8_t *bytes, unsigned n)
{
    unsigned done = n;

    spin_lock(&e->line->lock);
    if (is_heard(e))
        done = say_to(e, peer_of(e), bytes, n);
    else
        e->lost += n;
    spin_unlock(&e->line->lock);
    return done;
}

bool serial_may_say(struct serial_end *e)
{
    const struct serial_end *peer = peer_of(e);
    bool waits;

    spin_lock(&e->line->lock);
    waits = is_heard(e) && (peer->hung || !room_at(peer));
    e->waits = waits;
    spin_unlock(&e->line->lock);
    return !waits;
}

bool serial_has_come(struct serial_end *e)
{
    bool come;

    spin_lock(&e->line->lock);
    come = has_come(e);
    spin_unlock(&e->line->lock);
    return come;
}

/* Who waits at the other end hears of room when half of it is free, and this end of a close behind the last
 * byte. */
static void tell_of_taken(struct serial_end *e)
{
    if (waiting(e) <= SERIAL_BYTES / 2 && !e->hung)
        bring_room(peer_of(e));
    if (!waiting(e) && !peer_is_open(e))
        bring(e, SERIAL_PEER);
    forget_hangup(e);
}

unsigned serial_take(struct serial_end *e, uint8_t *bytes, unsigned n)
{
    unsigned done = 0;

    spin_lock(&e->line->lock);
    for (; done < n && has_come(e); done++)
        bytes[done] = e->in[e->tail++ % SERIAL_BYTES];
    e->heard += done;
    if (done)
        tell_of_taken(e);
    spin_unlock(&e->line->lock);
    return done;
}
