/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own paging, walked by software, for the few exits that must look through guest pointers. */
#pragma once

#include "core/vm/backend.h"

#define WALK_LEVELS 5 /* of tables, at most */

struct walk {
    gpa_t at;
    uint32_t error; /* #PF error code when the walk failed */
};

/* False: the guest has no page there, or may not do that. */
bool guest_translate(const struct vm *vm, const struct guest_mode *m, uint64_t linear, bool write,
                     struct walk *out);

/* Copies between guest linear addresses and a buffer; injects #PF and returns false where the guest has no
 * page. */
bool guest_linear_read(struct vcpu *v, const struct guest_mode *m, uint64_t linear, void *to, size_t n);
bool guest_linear_write(struct vcpu *v, const struct guest_mode *m, uint64_t linear, const void *from,
                        size_t n);
/* For the monitor: how much of it there is without a gap; nothing is injected. */
size_t guest_linear_peek(const struct vm *vm, const struct guest_mode *m, uint64_t linear, void *to,
                         size_t n);
/* Whether a part of what guest_linear_writable() has said yes to is closed (core/vm/guest.h): *at, which
 * part. */
bool guest_linear_closed(const struct vcpu *v, const struct guest_mode *m, uint64_t linear, size_t n,
                         gpa_t *at);
/* Where a linear address of an access leads; false: it injects #PF. */
bool guest_find(struct vcpu *v, const struct guest_mode *m, uint64_t linear, bool write, gpa_t *at);
/* Whether so many bytes, in two pages at most, may be written: injects #PF and returns false where not. A
 * store that faults stores nothing. */
bool guest_linear_writable(struct vcpu *v, const struct guest_mode *m, uint64_t linear, size_t n);

#define MAX_INSTRUCTION 15
#define FETCH_SIZE      16
_Static_assert(FETCH_SIZE == 2 * sizeof(uint64_t) && FETCH_SIZE >= MAX_INSTRUCTION, "fetched by two loads");
/* A copy of as many bytes at RIP as can be had, at most MAX_INSTRUCTION. How many; nothing else happens. */
unsigned guest_fetch(const struct vm *vm, const struct guest_mode *m, uint8_t bytes[FETCH_SIZE]);

static inline uint64_t guest_fetch_from(const struct guest_mode *m)
{
    return m->bits == 64 ? m->rip : (uint32_t)(m->rip + m->cs_base);
}

/*
 * A fetch that found its FETCH_SIZE bytes: where they are, and the entries of the guest's tables by which
 * they were found. Nobody has to take it back when the guest changes its tables: it is used only where the
 * registers are the same (struct mode_note, RIP) and each entry is. Which page of our own memory the guest's
 * RAM is in does not change while the VM lives.
 */
struct kept_fetch {
    const uint8_t *code; /* NULL: nothing is kept */
    const uint64_t
        *place[WALK_LEVELS];     /* of the entry of each level, with a neighbour if it is of 32 bits, */
    uint64_t value[WALK_LEVELS]; /* and what was there */
};

/* guest_fetch(), and keeps it, or nothing where it cannot be kept. */
unsigned guest_fetch_and_keep(const struct vm *vm, const struct guest_mode *m, uint8_t bytes[FETCH_SIZE],
                              struct kept_fetch *k);

/* Whether guest_fetch() would find its bytes at k->code, if the registers are the same. */
static INLINED bool kept_fetch_holds(const struct kept_fetch *k)
{
    _Static_assert(WALK_LEVELS == 5, "each is compared");
#define IS_KEPT(level) (__atomic_load_n(k->place[level], __ATOMIC_RELAXED) == k->value[level])
    return IS_KEPT(0) && IS_KEPT(1) && IS_KEPT(2) && IS_KEPT(3) && IS_KEPT(4);
#undef IS_KEPT
}
