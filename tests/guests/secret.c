/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaves a secret wherever a guest can: in all its memory, on the console, in every register that it may set.
 * With the word `stay` it does not end.
 */
#include "lib/guest.h"
#include "lib/secret.h"

#define CR4_OSFXSR  BIT(9)
#define CR4_OSXSAVE BIT(18)
#define FIRST       0x200000u

const char guest_name[] = "secret";

static void fill(uint32_t from, uint32_t end)
{
    uint32_t words[SECRET_WORDS];

    for (unsigned i = 0; i < SECRET_WORDS; i++)
        words[i] = secret_word(i);
    for (uint32_t at = from; at < end; at += 4)
        *(volatile uint32_t *)at = words[at / 4 % SECRET_WORDS];
}

static void set_msrs(uint32_t value)
{
    static const uint32_t msrs[] = {0x174,      0x175,      0x176,      0xc0000081,
                                    0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102};

    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        check(try_wrmsr(msrs[i], value) == NO_TRAP, "MSR %x", (unsigned)msrs[i]);
}

static void set_registers(uint32_t value)
{
    __asm__ volatile(
        "mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3; mov %0, %%cr2" ::"r"(value));
    write_cr4(read_cr4() | CR4_OSFXSR);
    __asm__ volatile("movdqu (%0), %%xmm0; movdqu (%0), %%xmm7" ::"r"(FIRST));
    if (!(cpuid(1, 0).ecx & BIT(26)))
        return;
    write_cr4(read_cr4() | CR4_OSXSAVE);
    __asm__ volatile("xsetbv" ::"c"(0), "a"(cpuid(13, 0).eax & 7), "d"(0));
    if (cpuid(13, 0).eax & 4)
        __asm__ volatile("vbroadcastf128 (%0), %%ymm1" ::"r"(FIRST));
}

void guest_main(const struct boot_info *info)
{
    char text[SECRET_WORDS * 4 + 1] = "";

    fill(FIRST, memory_end(info));
    memcpy(text, (const void *)FIRST, sizeof(text) - 1);
    say("%s", text);
    set_msrs(secret_word(0));
    set_registers(secret_word(1));
    say("%s", text);
    if (!boot_word(info, "stay"))
        return;
    interrupts_on();
    for (;;)
        set_registers(secret_word(1)); /* somebody else ends this */
}
