/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The black box: memory at the same place in every boot, with the trace of each CPU. After a reset that the
 * memory survived it tells what went on before.
 *
 *     ring of the last CPU ... ring of CPU 0, page of struct blackbox     towards higher addresses
 */
#pragma once

#include "core/base/trace.h"
#include "core/config/config.h"

#define BLACKBOX_MAGIC   UINT64_C(0x786f62206b63616c) /* "lack box" */
#define BLACKBOX_VERSION 1

enum blackbox_end { BLACKBOX_RUNS, BLACKBOX_REBOOT, BLACKBOX_PANIC };

struct blackbox {
    uint64_t magic;
    uint32_t version, cpus;
    uint32_t end;     /* enum blackbox_end: RUNS when nobody knows why it ended */
    uint32_t crashed; /* number of the last VM that did, from 1; 0: none */
    uint64_t tsc_hz;
    char names[CONFIG_MAX_VMS][CONFIG_NAME_SIZE];
    uint32_t checksum; /* of all above */
};

_Static_assert(sizeof(struct blackbox) <= PAGE_SIZE, "one page");
_Static_assert(offsetof(struct blackbox, names) == 32 && CONFIG_MAX_VMS == 32 && CONFIG_NAME_SIZE == 32 &&
                   sizeof(trace_ring) == 16384,
               "the boot behind reads it: another layout is another BLACKBOX_VERSION");
_Static_assert(CONFIG_MAX_VMS <= TRACE_NO_VM, "no VM has that number");

/* --- the format --- */

/* To be called after each change of the header. */
void blackbox_seal(struct blackbox *b);

/* Whether this is one, with room for its rings before it; all that it says can be printed then. */
bool blackbox_valid(const struct blackbox *b, uint64_t room);

static inline const trace_ring *blackbox_rings(const struct blackbox *b)
{
    return (const trace_ring *)((const char *)b - b->cpus * sizeof(trace_ring));
}

/* How many events there are in it. */
unsigned blackbox_events(const struct blackbox *b);

/* --- this machine's --- */

extern struct blackbox *blackbox;            /* of this run; NULL: not yet */
extern const struct blackbox *blackbox_last; /* copy of the one of the run before; NULL: there was none */

/* After all CPUs have started: looks for an old one, says what was found, and gives each CPU its ring. */
void blackbox_setup(void);

/* Names for the VMs, by their number. */
void blackbox_name_vms(const struct config *config);

void blackbox_note_crash(unsigned vm);
void blackbox_note_end(enum blackbox_end end);

/* The machine goes out of our hands: nothing of guests stays. */
void blackbox_erase(void);
