/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that a configuration names, by the hypervisor's own parser; what is wrong with the text is for
 * that to say. */
#pragma once

#include "core/config/config.h"

#define NAMES_MAX  62 /* beside skerry.cfg, of 64 modules (arch/x86/multiboot2.h) */
#define NAMES_SIZE CONFIG_FILE_SIZE

struct names {
    char list[NAMES_MAX][NAMES_SIZE]; /* each once, in order */
    unsigned count;
    bool too_many;
};

/* False, with a line: more than that, or no memory. */
bool names_of_config(const void *text, uint64_t size, struct names *out);
