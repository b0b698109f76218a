/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted output into a buffer: one pass over the format, one writer for padding, digits and text. */
#include "core/base/format.h"

#include "arch/x86/string.h"

/* Widths and precisions beyond this are cut: they may come from data, and each costs a loop. */
#define FIELD_MAX 4096

_Static_assert(FIELD_MAX <= INT32_MAX / 10 - 9, "one more digit does not overflow");

struct out {
    char *buffer;
    size_t size;
    size_t length; /* of the full text, also when it does not fit */
};

struct spec {
    bool left, zero, alternate;
    unsigned width;
    int precision; /* -1: not given */
    enum { LENGTH_CHAR, LENGTH_SHORT, LENGTH_INT, LENGTH_LONG } length;
};

static void put_char(struct out *o, char c)
{
    if (o->length + 1 < o->size)
        o->buffer[o->length] = c;
    o->length++;
}

static void pad(struct out *o, char c, unsigned width, unsigned used)
{
    for (; width > used; width--)
        put_char(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, unsigned n)
{
    if (!s->left)
        pad(o, ' ', s->width, n);
    for (unsigned i = 0; i < n; i++)
        put_char(o, text[i]);
    if (s->left)
        pad(o, ' ', s->width, n);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    size_t max = s->precision >= 0 ? (size_t)s->precision : SIZE_MAX;

    if (text == NULL)
        text = "(null)";
    put_text(o, s, text, (unsigned)strnlen(text, max));
}

/* Writes the digits of value backwards so that they end before `end`; returns where they begin. */
static char *digits(char *end, uint64_t value, unsigned base, bool upper)
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    for (; value != 0; value /= base)
        *--end = set[value % base];
    return end;
}

static void put_number(struct out *o, const struct spec *s, uint64_t value, const char *prefix, unsigned base,
                       bool upper)
{
    char buffer[24];
    char *end = buffer + sizeof(buffer);
    char *first = digits(end, value, base, upper);
    unsigned count = (unsigned)(end - first);
    unsigned prefixed = (unsigned)strlen(prefix);
    unsigned least = s->precision >= 0 ? (unsigned)s->precision : 1;

    if (s->zero && !s->left && s->precision < 0 && s->width > prefixed)
        least = MAX(least, s->width - prefixed);

    unsigned total = prefixed + MAX(count, least);

    if (!s->left)
        pad(o, ' ', s->width, total);
    while (*prefix != '\0')
        put_char(o, *prefix++);
    pad(o, '0', least, count);
    while (first < end)
        put_char(o, *first++);
    if (s->left)
        pad(o, ' ', s->width, total);
}

static int64_t signed_argument(const struct spec *s, va_list *args)
{
    switch (s->length) {
    case LENGTH_CHAR: return (signed char)va_arg(*args, int);
    case LENGTH_SHORT: return (short)va_arg(*args, int);
    case LENGTH_LONG: return va_arg(*args, long);
    default: return va_arg(*args, int);
    }
}

static uint64_t unsigned_argument(const struct spec *s, va_list *args)
{
    switch (s->length) {
    case LENGTH_CHAR: return (unsigned char)va_arg(*args, unsigned);
    case LENGTH_SHORT: return (unsigned short)va_arg(*args, unsigned);
    case LENGTH_LONG: return va_arg(*args, unsigned long);
    default: return va_arg(*args, unsigned);
    }
}

static void put_signed(struct out *o, const struct spec *s, va_list *args)
{
    int64_t value = signed_argument(s, args);
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

    put_number(o, s, size, value < 0 ? "-" : "", 10, false);
}

static void put_hex(struct out *o, const struct spec *s, va_list *args, bool upper)
{
    uint64_t value = unsigned_argument(s, args);
    const char *prefix = upper ? "0X" : "0x";

    put_number(o, s, value, s->alternate && value != 0 ? prefix : "", 16, upper);
}

/* One conversion; false when c is none of ours. */
static bool convert(struct out *o, const struct spec *s, char c, va_list *args)
{
    char one;

    switch (c) {
    case 'd':
    case 'i': put_signed(o, s, args); return true;
    case 'u': put_number(o, s, unsigned_argument(s, args), "", 10, false); return true;
    case 'x': put_hex(o, s, args, false); return true;
    case 'X': put_hex(o, s, args, true); return true;
    case 'p': put_number(o, s, (uintptr_t)va_arg(*args, void *), "0x", 16, false); return true;
    case 's': put_string(o, s, va_arg(*args, const char *)); return true;
    case 'c':
        one = (char)va_arg(*args, int);
        put_text(o, s, &one, 1);
        return true;
    case '%': put_char(o, '%'); return true;
    default: return false;
    }
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == '-')
            s->left = true;
        else if (*f == '0')
            s->zero = true;
        else if (*f == '#')
            s->alternate = true;
        else
            return f;
    }
}

/* A number or '*'; negative values only come from '*'. */
static const char *parse_number(const char *f, int *number, va_list *args)
{
    *number = 0;
    if (*f == '*') {
        *number = va_arg(*args, int);
        f++;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        *number = MIN(*number * 10 + (*f - '0'), FIELD_MAX);
    *number = MAX(MIN(*number, FIELD_MAX), -FIELD_MAX);
    return f;
}

static const char *parse_length(const char *f, struct spec *s)
{
    s->length = LENGTH_INT;
    if (*f == 'h') {
        s->length = f[1] == 'h' ? LENGTH_CHAR : LENGTH_SHORT;
        return f + (f[1] == 'h' ? 2 : 1);
    }
    if (*f == 'l' || *f == 'z') {
        s->length = LENGTH_LONG;
        return f + (f[0] == 'l' && f[1] == 'l' ? 2 : 1);
    }
    return f;
}

static const char *parse_spec(const char *f, struct spec *s, va_list *args)
{
    int width;

    *s = (struct spec){.precision = -1};
    f = parse_flags(f, s);
    f = parse_number(f, &width, args);
    s->left = s->left || width < 0;
    s->width = (unsigned)(width < 0 ? -width : width);
    if (*f == '.')
        f = parse_number(f + 1, &s->precision, args);
    return parse_length(f, s);
}

int vformat(char *buffer, size_t size, const char *fmt, va_list args)
{
    struct out o = {buffer, size, 0};
    va_list copy;

    va_copy(copy, args);
    while (*fmt != '\0') {
        struct spec s;
        const char *start = fmt;

        if (*fmt != '%') {
            put_char(&o, *fmt++);
            continue;
        }
        fmt = parse_spec(fmt + 1, &s, &copy);
        if (*fmt != '\0' && convert(&o, &s, *fmt, &copy)) {
            fmt++;
            continue;
        }
        while (start < fmt)
            put_char(&o, *start++);
    }
    va_end(copy);
    if (size > 0)
        buffer[MIN(o.length, size - 1)] = '\0';
    return (int)MIN(o.length, (size_t)INT32_MAX);
}

int format(char *buffer, size_t size, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vformat(buffer, size, fmt, args);
    va_end(args);
    return n;
}
