/* SPDX-License-Identifier: BSD-2-Clause */
/* What arch/x86/string.c does, byte by byte, so that each byte must be there. */
#pragma once

#include "tests/prove/prove.h"

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++)
        b++;
    return *a - *b;
}

void *memset(void *to, int byte, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)byte;
    return to;
}
