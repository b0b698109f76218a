/* SPDX-License-Identifier: BSD-2-Clause */
/* What boot/release.asm finds at the end of its page. */
#pragma once

#include "boot/guest/loader.h"

/* In order. from 0: cleared. The list ends with size 0. No source is a destination. */
struct release_copy {
    uint64_t to, from, size;
};

_Static_assert(sizeof(struct release_copy) == 24 && offsetof(struct release_copy, from) == 8 &&
                   offsetof(struct release_copy, size) == 16,
               "as boot/release.asm reads it");

struct release_data {
    uint64_t cr3; /* tables that map everything at its physical address */
    uint64_t list;
    struct start_state start;
};
