/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets or stops itself, in the way that its command line names; it cannot know how often it has done so. */
#include "lib/guest.h"

#define MARK_AT 0x1f0000 /* memory that no loader fills */
#define MARK    0x5ca1ab1e

const char guest_name[] = "reset";

static void reset(const struct boot_info *info)
{
    static const uint8_t empty[6];

    if (boot_word(info, "keyboard"))
        outb(0x64, 0xfe);
    else if (boot_word(info, "cf9"))
        outb(0xcf9, 6);
    else if (boot_word(info, "halt"))
        stop();
    else if (boot_word(info, "crash"))
        __asm__ volatile("lidt %0; int3" : : "m"(empty));
}

void guest_main(const struct boot_info *info)
{
    volatile uint32_t *mark = (volatile uint32_t *)MARK_AT;

    bool forgot = *mark != MARK, cr4 = !(read_cr4() & BIT(2));
    bool apic = (rdmsr(APIC_BASE_MSR) & APIC_BASE_ENABLE) && !apic_in_x2apic_mode();

    if (!boot_word(info, "quiet") || !forgot || !cr4 || !apic) {
        check(forgot, "memory forgets, command line '%s'", info->cmdline);
        check(cr4, "CR4 is as at the start: %x", (unsigned)read_cr4());
        check(apic, "the APIC is in xAPIC mode");
    }
    *mark = MARK;
    write_cr4(read_cr4() | BIT(2)); /* TSD */
    if (has_x2apic())
        wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
    uart_drain();
    reset(info);
    /* The write takes effect at once: nothing behind it runs. */
    check(false, "still here");
}
