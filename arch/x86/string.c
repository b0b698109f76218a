/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory and string functions of the hypervisor, and the four of them that the compiler calls by itself.
 * Copies use the string instructions by eight bytes: fast with and without ERMSB, and no vector state is
 * needed. There is no loop here that the compiler could recognise as memcpy or memset, and so make a call of
 * itself.
 */
#include "arch/x86/string.h"
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    size_t quads = n / 8, rest = n % 8;
    void *d = to;

    __asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(quads) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

static void copy_down(unsigned char *last_to, const unsigned char *last_from, size_t n)
{
    __asm__ volatile("std; rep movsb; cld" : "+D"(last_to), "+S"(last_from), "+c"(n) : : "memory", "cc");
}

void *memmove(void *to, const void *from, size_t n)
{
    unsigned char *d = to;
    const unsigned char *s = from;

    if ((size_t)d - (size_t)s >= n)
        return memcpy(to, from, n);
    copy_down(d + n - 1, s + n - 1, n);
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint64_t pattern = (uint8_t)byte * UINT64_C(0x0101010101010101);
    size_t quads = n / 8, rest = n % 8;
    void *d = to;

    __asm__ volatile("rep stosq" : "+D"(d), "+c"(quads) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;

    for (; n > 0; n--, p++, q++) {
        if (*p != *q)
            return *p - *q;
    }
    return 0;
}

void *memchr(const void *s, int byte, size_t n)
{
    const unsigned char *p = s;

    for (; n > 0; n--, p++) {
        if (*p == (unsigned char)byte)
            return (void *)(size_t)p;
    }
    return NULL;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n] != '\0')
        n++;
    return n;
}

size_t strlen(const char *s)
{
    return strnlen(s, (size_t)-1);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        if (*a != *b || *a == '\0')
            return (unsigned char)*a - (unsigned char)*b;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, (size_t)-1);
}
