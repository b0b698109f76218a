/* SPDX-License-Identifier: BSD-2-Clause */
/* Sixteen letters that stand in no file: one guest leaves them everywhere, the next kernel looks for them. */
#pragma once

#include "guest.h"

#define SECRET_WORDS 4

static inline uint32_t secret_word(unsigned i)
{
    static volatile const unsigned seed = 5; /* the compiler must not work them out */
    uint32_t word = 0;

    for (unsigned b = 0; b < 4; b++)
        word |= (uint32_t)('A' + ((i * 4 + b) * 11 + seed) % 26) << (8 * b);
    return word;
}
