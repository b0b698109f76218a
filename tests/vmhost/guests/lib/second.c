/* SPDX-License-Identifier: BSD-2-Clause */
/* A second CPU, which does nothing but count interrupts. */
#include "vmm.h"

#define TRAMPOLINE  0x8000u
#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u
#define PATIENCE    2000000u

volatile uint32_t second_cpu_count[256];
volatile uint32_t second_cpu_id;
extern uint8_t second_cpu_stack_end[];
extern const uint8_t second_cpu_code[], second_cpu_code_end[];
NORETURN void second_cpu_main(void);

static volatile bool up;
static bool x2apic_wanted;

__asm__(".bss; .balign 16; .space 8192; .globl second_cpu_stack_end; second_cpu_stack_end: .text");

static void count(struct trap_frame *frame)
{
    second_cpu_count[frame->vector]++;
    apic_write(APIC_EOI, 0);
}

void second_cpu_main(void)
{
    /* The traps are the first CPU's: same code, same handlers. */
    traps_setup();
    if (x2apic_wanted)
        wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
    apic_enable();
    second_cpu_id = x2apic_wanted ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
    up = true;
    for (;;)
        __asm__ volatile("sti; hlt");
}

bool second_cpu_start(void)
{
    memcpy((void *)TRAMPOLINE, second_cpu_code, (size_t)(second_cpu_code_end - second_cpu_code));
    x2apic_wanted = apic_in_x2apic_mode();
    on_interrupt(0x71, count);
    apic_send_icr(1, ICR_INIT);
    for (volatile unsigned i = 0; i < 10000; i++)
        ;
    apic_send_icr(1, ICR_STARTUP | TRAMPOLINE >> 12);
    for (unsigned i = 0; i < PATIENCE && !up; i++)
        __asm__ volatile("pause");
    return up;
}
