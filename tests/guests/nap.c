/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeps for so many ticks of the TSC, again and again. Command line: ticks=N. */
#include "lib/guest.h"

#define VECTOR 0x40

const char guest_name[] = "nap";

static void wake(struct trap_frame *frame)
{
    (void)frame;
    apic_write(APIC_EOI, 0);
}

void guest_main(const struct boot_info *info)
{
    unsigned ticks = boot_number(info, "ticks", 1500);

    on_interrupt(VECTOR, wake);
    apic_enable();
    apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
    say("now");
    for (;;) {
        wrmsr(TSC_DEADLINE_MSR, rdtsc() + ticks);
        __asm__ volatile("sti; hlt; cli");
    }
}
