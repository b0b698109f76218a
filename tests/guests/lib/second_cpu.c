/* SPDX-License-Identifier: BSD-2-Clause */
#include "second_cpu.h"

#define TRAMPOLINE  0x8000u
#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u
#define PATIENCE    200000u

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

static void wait_for_it(unsigned turns)
{
    for (unsigned i = 0; i < turns && !up; i++)
        __asm__ volatile("pause");
}

/* "MP Initialization Protocol Algorithm": INIT, and up to two SIPIs. */
bool second_cpu_run(void (*function)(void))
{
    wanted = function;
    memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    apic_send_icr(1, ICR_INIT);
    wait_for_it(20000);
    for (unsigned i = 0; i < 2 && !up; i++) {
        apic_send_icr(1, ICR_STARTUP | TRAMPOLINE >> 12);
        wait_for_it(PATIENCE);
    }
    return up;
}
