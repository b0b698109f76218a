/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/span.h"

#include "arch/x86/string.h"

bool span_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.size > 0 && span_blank(s.at[0])) {
        s.at++;
        s.size--;
    }
    while (s.size > 0 && (span_blank(s.at[s.size - 1]) || s.at[s.size - 1] == '\r'))
        s.size--;
    return s;
}

bool span_equals(struct span s, const char *word)
{
    return s.size == strlen(word) && memcmp(s.at, word, s.size) == 0;
}

struct span span_cut(struct span *s, char c)
{
    const char *found = memchr(s->at, c, s->size);
    struct span head = {s->at, found != NULL ? (size_t)(found - s->at) : s->size};
    size_t used = found != NULL ? head.size + 1 : head.size;

    *s = span_trim((struct span){s->at + used, s->size - used});
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

bool span_take_number(struct span *s, uint64_t *number)
{
    unsigned base = s->size > 2 && s->at[0] == '0' && (s->at[1] | 0x20) == 'x' ? 16 : 10;
    size_t i = base == 16 ? 2 : 0, first = i;

    for (*number = 0; i < s->size && (unsigned)digit_value(s->at[i]) < base; i++) {
        unsigned d = (unsigned)digit_value(s->at[i]);

        if (*number > (UINT64_MAX - d) / base)
            return false;
        *number = *number * base + d;
    }
    s->at += i;
    s->size -= i;
    return i > first;
}

bool span_size(struct span s, uint64_t *size)
{
    static const char suffixes[] = "KMG";
    const char *suffix;
    unsigned shift;

    if (!span_take_number(&s, size) || s.size > 1)
        return false;
    if (s.size == 0)
        return true;
    suffix = memchr(suffixes, s.at[0] & ~0x20, 3);
    if (suffix == NULL)
        return false;
    shift = 10 * (unsigned)(suffix - suffixes + 1);
    if (*size > UINT64_MAX >> shift)
        return false;
    *size <<= shift;
    return true;
}
