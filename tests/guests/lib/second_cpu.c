/* SPDX-License-Identifier: BSD-2-Clause */
#include "second_cpu.h"

#define TRAMPOLINE  0x8000u
#define STACK       16384
#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u
#define PATIENCE    4000000u /* turns: the CPU may wait for its share of a CPU */

extern const uint8_t trampoline[], trampoline_end[];
NORETURN void second_cpu_main(void);

uint32_t second_cpu_stack; /* for trampoline.asm */

static uint8_t stacks[OTHER_CPUS][STACK] ALIGNED(16);
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

uint32_t cpu_startup_vector(void)
{
    return TRAMPOLINE >> 12;
}

/* "MP Initialization Protocol Algorithm": INIT, and up to two SIPIs. */
static bool start(unsigned apic_id, void (*function)(void), bool init)
{
    wanted = function;
    up = false;
    second_cpu_stack = (uint32_t)(stacks[apic_id - 1] + STACK);
    memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
    if (init)
        apic_send_icr(apic_id, ICR_INIT);
    wait_for_it(20000);
    for (unsigned i = 0; i < 2 && !up; i++) {
        apic_send_icr(apic_id, ICR_STARTUP | cpu_startup_vector());
        wait_for_it(PATIENCE);
    }
    return up;
}

bool cpu_run(unsigned apic_id, void (*function)(void))
{
    return start(apic_id, function, true);
}

bool cpu_run_waiting(unsigned apic_id, void (*function)(void))
{
    return start(apic_id, function, false);
}

bool second_cpu_run(void (*function)(void))
{
    return cpu_run(1, function);
}

unsigned this_cpu(void)
{
    uint32_t at = (uint32_t)__builtin_frame_address(0) - (uint32_t)stacks;

    return at < sizeof(stacks) ? at / STACK + 1 : 0;
}
