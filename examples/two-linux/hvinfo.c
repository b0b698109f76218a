// SPDX-License-Identifier: BSD-2-Clause
/*
 * hvinfo: prints what the processor says about the hypervisor, and the time-stamp counter.
 *
 *   hypervisor: SIGNATURE[, SIGNATURE]     or `none`
 *   tsc: N
 *
 * Freestanding, so that it costs the guest a page and no library: the counter is read first, as close
 * to the kernel's hand-over to user space as it gets.
 */
#include <stdint.h>

enum { sys_write = 1, sys_exit = 60 };
enum { hypervisor_bit = 1u << 31 };
enum { first_base = 0x40000000u, base_step = 0x100u, bases = 2 };

struct regs {
    uint32_t a, b, c, d;
};

static struct regs cpuid(uint32_t leaf)
{
    struct regs r;

    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

static uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static long system_call(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

/* One line is put together here and written at once, so that kernel messages do not cut it. */
static char line[128];
static unsigned used;

static void put(char c)
{
    if (used < sizeof(line)) {
        line[used++] = c;
    }
}

static void put_text(const char *text)
{
    while (*text) {
        put(*text++);
    }
}

static void put_number(uint64_t value)
{
    if (value >= 10) {
        put_number(value / 10);
    }
    put((char)('0' + value % 10));
}

static void flush(void)
{
    put('\n');
    system_call(sys_write, 1, (long)line, used);
    used = 0;
}

/* A signature is up to 12 characters in EBX, ECX, EDX, filled up with zeroes. */
static int put_signature(uint32_t base, int follows)
{
    struct regs r = cpuid(base);
    const uint32_t words[3] = {r.b, r.c, r.d};
    const char first = (char)r.b;

    /* An empty base returns zeroes, or the data of another leaf: no text in either case. */
    if (first < ' ' || first > '~') {
        return 0;
    }
    if (follows) {
        put_text(", ");
    }
    for (unsigned i = 0; i < 12; i++) {
        const char c = (char)(words[i / 4] >> (i % 4 * 8));

        if (c >= ' ' && c <= '~') {
            put(c);
        }
    }
    return 1;
}

static void put_hypervisor(void)
{
    int found = 0;

    put_text("hypervisor: ");
    if (cpuid(1).c & hypervisor_bit) {
        for (uint32_t i = 0; i < bases; i++) {
            found += put_signature(first_base + i * base_step, found);
        }
        if (!found) {
            put_text("unnamed");
        }
    } else {
        put_text("none");
    }
    flush();
}

void _start(void)
{
    const uint64_t tsc = rdtsc();

    put_hypervisor();
    put_text("tsc: ");
    put_number(tsc);
    flush();
    system_call(sys_exit, 0, 0, 0);
    __builtin_unreachable();
}
