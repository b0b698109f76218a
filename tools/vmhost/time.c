/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns of several CPUs.
 *
 * The program lets each CPU in turn run a trace, a run of instructions without end that is known beforehand,
 * and ends a trace that an exception or a VM exit cuts short by a jump back into its main loop. That loop
 * then takes the first CPU for the one that ran: the ticks of another are lost, and what an exception pushed
 * is not marked as done, so that an interrupt on the very next instruction sees half of it. Here each turn
 * catches its own jump, and begins with all that was before it done.
 *
 * With exact time a turn is one instruction, and a CPU that waits counts as one too, unless all of them wait.
 */
#include <string.h>

#include "vmhost.h"

#define QUANTUM 0x499720 /* ticks of a turn in which nothing ran */

static bool exact(void)
{
    return knobs.exact_time && cpu_count > 1;
}

static bool all_wait(void)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (*cpu_activity(all_cpus[i]) == ACTIVE)
            return false;
    return true;
}

static void set_quantum(void)
{
    uint32_t *quantum = (uint32_t *)(program_base + QUANTUM);
    static uint32_t configured;

    if (!configured)
        configured = *quantum;
    *quantum = all_wait() ? configured : 1;
}

void hook_run_trace(struct cpu *cpu)
{
    jmp_buf outer;

    if (exact())
        set_quantum();
    *cpu_previous_rip(cpu) = *cpu_rip(cpu);
    *cpu_rsp_speculative(cpu) = 0;
    memcpy(&outer, &main_loop, sizeof(outer));
    if (_setjmp(main_loop) == 0)
        cpu_run_trace(cpu);
    else
        *cpu_instructions(cpu) += 1;
    memcpy(&main_loop, &outer, sizeof(outer));
}

/* The last thing before an instruction: a pending stop ends the turn behind it. */
void *hook_icache_entry(struct cpu *cpu)
{
    void *entry = cpu_icache_entry(cpu);

    if (exact())
        *cpu_async(cpu) |= ASYNC_STOP_TRACE;
    return entry;
}
