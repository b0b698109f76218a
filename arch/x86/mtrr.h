/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory types that the firmware set by MTRRs (SDM volume 3, "Memory type range registers"). */
#pragma once

#include "arch/x86/types.h"

enum cache_type { CACHE_UC = 0, CACHE_WC = 1, CACHE_WT = 4, CACHE_WP = 5, CACHE_WB = 6 };

#define MTRR_MAX_VARIABLE 32

struct mtrrs {
    bool present, enabled, fixed_enabled;
    enum cache_type default_type;
    unsigned variable_count;
    struct {
        uint64_t base, mask; /* physical; mask as in the MSR, without its valid bit */
        enum cache_type type;
    } variable[MTRR_MAX_VARIABLE];
    uint8_t fixed[88]; /* types of the first MiB: 8 x 64 KiB, 16 x 16 KiB, 64 x 4 KiB */
};

/* Reads this CPU's MTRRs. */
void mtrr_read(struct mtrrs *m);

/* Whether both give every address the same type, as all CPUs of a machine must (SDM, "MTRR Considerations in
 * MP Systems"). */
bool mtrr_same(const struct mtrrs *a, const struct mtrrs *b);

/*
 * Writes this CPU's as others have them (SDM volume 3, "MTRR Considerations in MP Systems"): with its caches
 * off and empty meanwhile. Interrupts are off. False: it has not as many, and nothing was done.
 */
bool mtrr_write(const struct mtrrs *m);

/* The type of the 4 KiB page at address; without MTRRs (or with them disabled) UC, as the SDM says. */
enum cache_type mtrr_page_type(const struct mtrrs *m, uint64_t address);

/*
 * The type of the range [base, base + size) if it is one type throughout; false if it may be mixed.
 * size is 2 MiB or 1 GiB and base a multiple of it.
 */
bool mtrr_range_type(const struct mtrrs *m, uint64_t base, uint64_t size, enum cache_type *type);
