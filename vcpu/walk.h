/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own paging, walked by software, for the few exits that must look through guest pointers. */
#pragma once

#include "core/vm/backend.h"

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
