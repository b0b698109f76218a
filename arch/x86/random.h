/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor's random numbers (SDM volume 1, "Random Number Generator Instructions"). */
#pragma once

#include "arch/x86/types.h"

/* It has RDSEED or RDRAND. */
bool random_present(void);

/* From RDSEED, or RDRAND where that has none. False: neither has one for now. */
bool random_word(uint64_t *word);
