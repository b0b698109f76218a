/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/span.h"

#include "arch/x86/string.h"

bool span_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_of(const char *text)
{
    return (struct span){text, text + strlen(text)};
}

struct span span_trim(struct span s)
{
    while (s.at < s.end && span_blank(*s.at))
        s.at++;
    while (s.at < s.end && (span_blank(s.end[-1]) || s.end[-1] == '\r'))
        s.end--;
    return s;
}

bool span_equals(struct span s, const char *word)
{
    while (s.at < s.end && *word != '\0') {
        if (*s.at++ != *word++)
            return false;
    }
    return span_empty(s) && *word == '\0';
}

const char *span_find(struct span s, char c)
{
    while (s.at < s.end && *s.at != c)
        s.at++;
    return s.at;
}

void span_copy(struct span s, char *to, size_t most)
{
    for (size_t i = 0; i < most && s.at < s.end; i++)
        to[i] = *s.at++;
}

struct span span_cut(struct span *s, char c)
{
    const char *found = span_find(*s, c);
    struct span head = {s->at, found};

    *s = span_trim((struct span){found < s->end ? found + 1 : found, s->end});
    return span_trim(head);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Behind a 0x that something follows; else where s begins. */
static const char *first_digit(struct span s)
{
    const char *at = s.at;

    if (at < s.end && *at++ == '0' && at < s.end && (*at++ | 0x20) == 'x' && at < s.end)
        return at;
    return s.at;
}

bool span_take_number(struct span *s, uint64_t *number)
{
    const char *first = first_digit(*s), *at = first;
    unsigned base = first != s->at ? 16 : 10;

    for (*number = 0; at < s->end && (unsigned)digit_value(*at) < base; at++) {
        unsigned d = (unsigned)digit_value(*at);

        if (*number > (UINT64_MAX - d) / base)
            return false;
        *number = *number * base + d;
    }
    s->at = at;
    return at > first;
}

/* Powers of two of K, M and G; 0: it is none of them. */
static unsigned suffix_shift(char c)
{
    switch (c | 0x20) {
    case 'k': return 10;
    case 'm': return 20;
    case 'g': return 30;
    default: return 0;
    }
}

bool span_size(struct span s, uint64_t *size)
{
    unsigned shift;

    if (!span_take_number(&s, size))
        return false;
    if (s.at >= s.end)
        return true;
    shift = suffix_shift(*s.at++);
    if (shift == 0 || !span_empty(s) || *size > UINT64_MAX >> shift)
        return false;
    *size <<= shift;
    return true;
}
