/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A periodic timer with the least count there is: every VM entry ends before an instruction. Command line:
 * halt, the same from HLT, with a task priority that lets nothing in; shot, a one-shot timer that is set
 * again in its own handler, without end.
 */
#include "lib/guest.h"

#define VECTOR   0x40
#define DIVIDE_1 0xb

const char guest_name[] = "storm";

static void shoot(struct trap_frame *frame)
{
    (void)frame;
    apic_write(APIC_TIMER_INITIAL, 1);
    apic_write(APIC_EOI, 0);
}

void guest_main(const struct boot_info *info)
{
    bool halts = boot_word(info, "halt"), shots = boot_word(info, "shot");

    say("now");
    uart_drain();
    apic_enable();
    on_interrupt(VECTOR, shoot);
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_1);
    apic_write(APIC_LVT_TIMER,
               (shots ? LVT_ONE_SHOT : LVT_PERIODIC) | (halts || shots ? 0 : LVT_MASKED) | VECTOR);
    if (halts)
        apic_write(APIC_TPR, 0xf0);
    apic_write(APIC_TIMER_INITIAL, 1);
    if (shots)
        interrupts_on();
    while (halts)
        __asm__ volatile("sti; hlt");
    for (;;)
        __asm__ volatile("jmp .");
}
