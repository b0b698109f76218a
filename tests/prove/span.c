/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of a text: any part of one of up to so many bytes, of any values, with nothing before or behind. */
#include "tests/prove/libc.h"

#include "core/base/span.c"

#define MOST 64

void main(void);

static char text[MOST];

/* Any part of the text, the empty ones at its ends, too. */
static struct span any_span(void)
{
    int at = Frama_C_interval(0, MOST), end = Frama_C_interval(0, MOST);

    return (struct span){text + at, text + end};
}

static void words(void)
{
    static const char *const some[] = {"", "s", "ms", "after", "/s"};
    struct span s = any_span(), part = span_cut(&s, (char)any8());
    char copy[32];

    for (unsigned i = 0; i < ARRAY_SIZE(some); i++) {
        span_equals(part, some[i]);
        span_equals(span_of(some[i]), some[i]);
    }
    span_copy(s, copy, (size_t)Frama_C_interval(0, sizeof(copy)));
    span_find(span_trim(part), (char)any8());
}

static void numbers(void)
{
    struct span s = any_span();
    uint64_t number;

    span_size(s, &number);
    if (span_take_number(&s, &number))
        span_size(span_cut(&s, ' '), &number);
    span_size(s, &number);
}

void main(void)
{
    for (unsigned i = 0; i < MOST; i++)
        text[i] = (char)any8();
    while (any_bool()) {
        words();
        numbers();
    }
}
