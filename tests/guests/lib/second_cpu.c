/* SPDX-License-Identifier: BSD-2-Clause */
#include "second_cpu.h"

#define TRAMPOLINE  0x8000u
#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u
#define PATIENCE    2000000u

extern const uint8_t trampoline[], trampoline_end[];
NORETURN void second_cpu_main(void);

static void (*wanted)(void);
static volatile bool up;

void second_cpu_main(void)
{
    traps_load();
    up = true;
    wanted();
    stop();
}

bool second_cpu_run(void (*function)(void))
{
    wanted = function;
    memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    apic_send_icr(1, ICR_INIT);
    for (volatile unsigned i = 0; i < 10000; i++)
        ;
    apic_send_icr(1, ICR_STARTUP | TRAMPOLINE >> 12);
    for (unsigned i = 0; i < PATIENCE && !up; i++)
        __asm__ volatile("pause");
    return up;
}
