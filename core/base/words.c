/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/words.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

unsigned words_split(char *text, const char *words[], unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < max; i++)
        words[i] = "";
    for (;;) {
        while (*text == ' ')
            *text++ = 0;
        if (!*text)
            return count;
        if (count < max)
            words[count] = text;
        count++;
        while (*text && *text != ' ')
            text++;
    }
}

/* 36: none. */
static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 10;
    return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A') + 10 : 36;
}

bool words_number(const char *word, unsigned base, uint64_t *value)
{
    uint64_t sum = 0;

    ASSERT(base > 1 && base <= 36);
    if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X')) {
        word += 2;
        base = 16;
    }
    if (!*word)
        return false;
    for (; *word; word++) {
        if (hex_digit(*word) >= base || sum > (UINT64_MAX - hex_digit(*word)) / base)
            return false;
        sum = sum * base + hex_digit(*word);
    }
    *value = sum;
    return true;
}

unsigned words_find(const char *word, const char *const list[], unsigned count)
{
    unsigned i = 0;

    while (i < count && strcmp(list[i], word))
        i++;
    return i;
}
