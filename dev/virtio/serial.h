/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A serial line: bytes in both directions between two ends, each opened and closed by whoever has it. An end
 * is a guest's port, or the monitor.
 *
 * What is said while either end is closed, or not yet known to be open, is lost, as on a wire that ends
 * nowhere. While both are open it waits here, up to SERIAL_BYTES in each direction, and then with the one who
 * says it. The ends never see each other's memory. What was said before an end closed is still heard at the
 * other one, which is told of that then; what comes behind that is not said before it has heard. What it
 * hears begins when it is told that the other end is open.
 */
#pragma once

#include "arch/x86/spinlock.h"

#define SERIAL_BYTES 4096u

enum serial_news {
    SERIAL_CAME, /* there is something to take, where nothing was */
    SERIAL_ROOM, /* what waited may be said */
    SERIAL_PEER, /* the other end was opened or closed: serial_due() */
};

struct serial_end {
    struct serial_line *line;
    void (*hear)(void *context, enum serial_news news); /* under the line's lock; NULL: nobody is there */
    void *context;
    bool keeps_latest;   /* it never is full, and forgets what is oldest */
    bool open;           /* by whoever has it */
    bool told;           /* what it was told last of the other end: whether that is open */
    bool hung;           /* the other end has closed since then: nothing is said to it before it knows */
    bool waits;          /* to say something */
    uint32_t head, tail; /* of in, running freely */
    uint64_t said, lost; /* bytes: from this end, of which these were not heard */
    uint64_t heard;      /* at this end */
    uint8_t in[SERIAL_BYTES];
};

struct serial_line {
    struct spinlock lock; /* of all that is here; taken below that of a queue, and above a run queue's */
    struct serial_end ends[2];
};

/* Both are closed, and nobody is there. */
void serial_init(struct serial_line *l);

/* Somebody is there, or, with hear = NULL, nobody, and then it is closed. Nothing is heard when this returns.
 */
void serial_connect(struct serial_end *e, void (*hear)(void *context, enum serial_news news), void *context);

void serial_open(struct serial_end *e);
void serial_close(struct serial_end *e);
/* Closed, and what it was told is forgotten. */
void serial_reset(struct serial_end *e);

/* How many of n bytes are done with, said or lost; for the others, if any, it hears of room. */
unsigned serial_say(struct serial_end *e, const uint8_t *bytes, unsigned n);
/* Whether at least one is; if not, it hears of room. */
bool serial_may_say(struct serial_end *e);
/* Somebody would hear it. */
bool serial_is_heard(struct serial_end *e);

bool serial_has_come(struct serial_end *e);
/* At most n bytes; how many. */
unsigned serial_take(struct serial_end *e, uint8_t *bytes, unsigned n);

/* Whether it is to be told of the other end, which is open (*open) for it or not; and that it was. */
bool serial_due(struct serial_end *e, bool *open);
void serial_tell(struct serial_end *e, bool open);
