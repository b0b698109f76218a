/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of a text that stay where they are, without a 0 at their end, and the numbers in them. */
#pragma once

#include "arch/x86/types.h"

struct span {
    const char *at;
    size_t size;
};

bool span_blank(char c); /* space or tab */
bool span_equals(struct span s, const char *word);

/* Without blanks around it, nor a CR at its end. */
struct span span_trim(struct span s);

/* Splits s at the first c: returns what is before it, trimmed, and leaves the rest, trimmed, in *s. */
struct span span_cut(struct span *s, char c);

/* Takes decimal or 0x digits off the front of s. False without a digit, or above 64 bits. */
bool span_take_number(struct span *s, uint64_t *number);

/* A number with one of the suffixes K, M, G or none, and nothing else. */
bool span_size(struct span s, uint64_t *size);
