/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>

#include "guest.h"

#define UART        0x3f8
#define LSR_EMPTY   BIT(5) /* room for a byte */
#define LSR_DRAINED BIT(6)
#define SLEEP_PORT  0x600 /* sleep control register of the generated ACPI tables */
#define SLEEP_S5    (5 << 2 | 1 << 5)

static unsigned passed, failed;

void guest_start(uint32_t magic, uint32_t information);

void *memcpy(void *to, const void *from, size_t n)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return start;
}

void *memset(void *to, int value, size_t n)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
    return start;
}

size_t strlen(const char *text)
{
    size_t n = 0;

    while (text[n])
        n++;
    return n;
}

void uart_setup(void)
{
    outb(UART + 1, 0);
    outb(UART + 3, 0x80);
    outb(UART, 1); /* 115200 baud */
    outb(UART + 1, 0);
    outb(UART + 3, 3);
    outb(UART + 2, 7);
    outb(UART + 4, 0xb);
}

void uart_drain(void)
{
    while (!(inb(UART + 5) & LSR_DRAINED))
        ;
}

void wait_for_wire(void)
{
    uint64_t end = rdtsc() + tsc_hz();

    while (rdtsc() < end)
        ;
}

static void put(char c)
{
    if (c == '\n')
        put('\r');
    while (!(inb(UART + 5) & LSR_EMPTY))
        ;
    outb(UART, (uint8_t)c);
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

/* Divides *value, as the compiler's own 64-bit division needs a library. */
static unsigned next_digit(uint64_t *value, unsigned base)
{
    uint32_t high = (uint32_t)(*value >> 32), low = (uint32_t)*value, rest = high % base;

    high /= base;
    __asm__("divl %2" : "+a"(low), "+d"(rest) : "r"(base));
    *value = (uint64_t)high << 32 | low;
    return rest;
}

static void put_number(uint64_t value, unsigned base, unsigned width, char fill)
{
    char digits[24];
    unsigned n = 0;

    do
        digits[n++] = "0123456789abcdef"[next_digit(&value, base)];
    while (value);
    for (; width > n; width--)
        put(fill);
    while (n)
        put(digits[--n]);
}

static void put_signed(int value)
{
    if (value < 0)
        put('-');
    put_number(value < 0 ? 0u - (unsigned)value : (unsigned)value, 10, 0, ' ');
}

static void put_format(const char *f, va_list args)
{
    for (; *f; f++) {
        unsigned width = 0, longs = 0;
        char fill = ' ';

        if (*f != '%') {
            put(*f);
            continue;
        }
        if (f[1] == '0')
            fill = *++f;
        while (f[1] >= '0' && f[1] <= '9')
            width = width * 10 + (unsigned)(*++f - '0');
        for (; f[1] == 'l'; f++)
            longs++;
        switch (*++f) {
        case 's': put_text(va_arg(args, const char *)); break;
        case 'c': put((char)va_arg(args, int)); break;
        case 'd': put_signed(va_arg(args, int)); break;
        case 'u':
        case 'x':
            put_number(longs == 2 ? va_arg(args, uint64_t) : va_arg(args, unsigned), *f == 'u' ? 10 : 16,
                       width, fill);
            break;
        default: put(*f);
        }
    }
}

void say(const char *format, ...)
{
    va_list args;

    put_text(guest_name);
    put_text(": ");
    va_start(args, format);
    put_format(format, args);
    va_end(args);
    put('\n');
}

void check(bool ok, const char *format, ...)
{
    va_list args;

    if (ok)
        passed++;
    else
        failed++;
    put_text(guest_name);
    put_text(ok ? ": ok " : ": FAIL ");
    va_start(args, format);
    put_format(format, args);
    va_end(args);
    put('\n');
}

void stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void power_off(void)
{
    uart_drain();
    outb(SLEEP_PORT, SLEEP_S5);
    stop();
}

void finish(void)
{
    if (failed)
        say("FAIL %u of %u", failed, passed + failed);
    else
        say("done, %u ok", passed);
    power_off();
}

void guest_start(uint32_t magic, uint32_t information)
{
    static struct boot_info info;

    uart_setup();
    traps_setup();
    read_boot_info(magic, information, &info);
    guest_main(&info);
    finish();
}
