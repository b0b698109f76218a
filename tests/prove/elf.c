/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF executables: any bytes in a file of any of these sizes, behind which there is nothing. */
#include "tests/prove/prove.h"

#include "boot/guest/elf.c"

#define LARGEST 200 /* both headers, and program headers that overlap, touch the end or lie beyond it */

void main(void);

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;

    for (; n > 0; n--, p++, q++) {
        if (*p != *q)
            return *p - *q;
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0')
        n++;
    return n;
}

void *memset(void *to, int byte, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)to)[i] = (unsigned char)byte;
    return to;
}

/* class: the byte that says it, each by itself: Eva does not see what belongs together. */
static void parse(size_t size, uint8_t class)
{
    static uint8_t room[LARGEST];
    static struct elf_image image;
    const char *why;
    uint64_t value;

    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = any8();
    if (size > 4)
        room[sizeof(room) - size + 4] = class;
    elf_recognise(room + sizeof(room) - size, size);
    if (elf_parse(room + sizeof(room) - size, size, &image, &why) && image.count > ELF_MAX_SEGMENTS)
        assertion_failed(__LINE__, "no more segments than there is room for");
    elf_find_note(room + sizeof(room) - size, size, "Xen", any32(), &value);
}

void main(void)
{
    static const uint8_t sizes[] = {0, 4, 51, 52, 53, 63, 64, 84, 119, 120, 121, 199, 200};

    //@ loop unroll 13;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        parse(sizes[i], CLASS_32);
        parse(sizes[i], CLASS_64);
        parse(sizes[i], any_bool() ? 0 : (uint8_t)Frama_C_interval(CLASS_64 + 1, 255));
    }
}
