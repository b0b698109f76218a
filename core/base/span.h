/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of a text that stay where they are, without a 0 at their end, and the numbers in them. */
#pragma once

#include "arch/x86/types.h"

/* From at up to end, in one text: whoever reads a character compares the two first, which is how a proof
 * knows that it is there (tests/prove/span.c). */
struct span {
    const char *at, *end;
};

static inline bool span_empty(struct span s)
{
    return s.at >= s.end;
}

static inline size_t span_length(struct span s)
{
    return (size_t)(s.end - s.at);
}

struct span span_of(const char *text); /* all of it, up to its 0 */

bool span_blank(char c); /* space or tab */
bool span_equals(struct span s, const char *word);
const char *span_find(struct span s, char c);         /* the first c; its end: there is none */
void span_copy(struct span s, char *to, size_t most); /* at most so many characters, without a 0 */

/* Without blanks around it, nor a CR at its end. */
struct span span_trim(struct span s);

/* Splits s at the first c: returns what is before it, trimmed, and leaves the rest, trimmed, in *s. */
struct span span_cut(struct span *s, char c);

/* Takes decimal or 0x digits off the front of s. False without a digit, or above 64 bits. */
bool span_take_number(struct span *s, uint64_t *number);

/* A number with one of the suffixes K, M, G or none, and nothing else. */
bool span_size(struct span s, uint64_t *size);
