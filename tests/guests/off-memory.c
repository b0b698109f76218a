/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Touches what lies behind its memory: reads give all ones, writes vanish. Then it runs there, which cannot
 * give it anything to execute: the VM is stopped with a report.
 */
#include "lib/guest.h"

const char guest_name[] = "off-memory";

static bool reads_ones(uint32_t at)
{
    uint32_t wide = mmio_read(at);
    uint16_t half;
    uint8_t byte;

    __asm__ volatile("movw (%1), %0" : "=r"(half) : "r"(at) : "memory");
    __asm__ volatile("movb (%1), %0" : "=q"(byte) : "r"(at) : "memory");
    return wide == UINT32_MAX && half == UINT16_MAX && byte == UINT8_MAX;
}

static bool extends(uint32_t at)
{
    uint32_t zero, sign;

    __asm__ volatile("movzbl (%1), %0" : "=r"(zero) : "r"(at) : "memory");
    __asm__ volatile("movswl (%1), %0" : "=r"(sign) : "r"(at) : "memory");
    return zero == 0xff && sign == UINT32_MAX;
}

static void write_all_widths(uint32_t at)
{
    mmio_write(at, 0x12345678);
    __asm__ volatile("movw $0x1234, (%0)" : : "r"(at) : "memory");
    __asm__ volatile("movb $0x12, (%0)" : : "r"(at) : "memory");
    __asm__ volatile("andl $0, (%0)" : : "r"(at) : "memory");
}

/* A dword of which only a part is memory. */
static bool straddles(uint32_t end)
{
    *(volatile uint8_t *)(end - 1) = 0x5a;
    return (mmio_read(end - 1) & 0xff) == 0x5a && mmio_read(end - 1) >> 8 == 0xffffff;
}

static void copy_from(uint32_t at)
{
    static uint32_t buffer[8];
    uint32_t to = (uint32_t)buffer, count = ARRAY_SIZE(buffer);
    bool ones = true;

    __asm__ volatile("rep movsl" : "+D"(to), "+S"(at), "+c"(count) : : "memory");
    for (unsigned i = 0; i < ARRAY_SIZE(buffer); i++)
        ones = ones && buffer[i] == UINT32_MAX;
    check(ones, "a string copied from there");
}

static void run_off(uint32_t end)
{
    memset((void *)(end - 64), 0x90, 64);
    __asm__ volatile("jmp *%0" : : "r"(end - 64));
}

void guest_main(const struct boot_info *info)
{
    uint32_t end = memory_end(info);
    const uint32_t places[] = {end, end + 0x1000, end + 0x200000, 0xc0000000, 0xfed00000, 0xfffff000};

    say("memory ends at %x", (unsigned)end);
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        check(reads_ones(places[i]), "%08x reads as all ones", (unsigned)places[i]);
        check(extends(places[i]), "%08x extends to zero and sign", (unsigned)places[i]);
        write_all_widths(places[i]);
        check(reads_ones(places[i]), "%08x forgets what is written", (unsigned)places[i]);
    }
    copy_from(end);
    say("half on and half off reads %s", straddles(end) ? "as either half" : "as nothing");
    say("done, now off the end");
    uart_drain();
    run_off(end);
    check(false, "still here");
}
