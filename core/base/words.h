/* SPDX-License-Identifier: BSD-2-Clause */
/* A typed line: cut into words, and words that are numbers. */
#pragma once

#include "arch/x86/types.h"

/* Cuts text at its spaces. words[] gets what fits, and "" behind the last one. Returns how many there are. */
unsigned words_split(char *text, const char *words[], unsigned max);

/* A number without rest: with 0x in front it is hexadecimal, else in the given base. */
bool words_number(const char *word, unsigned base, uint64_t *value);

/* The place of word in a list, or its size. */
unsigned words_find(const char *word, const char *const list[], unsigned count);
