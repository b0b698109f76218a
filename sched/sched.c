/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of every CPU: run the vCPU pinned here, act on how it ended, or idle. One vCPU a CPU for now, so
 * there is nothing to choose.
 */
#include "arch/x86/cpu.h"
#include "core/backend.h"
#include "core/power.h"

static void run(struct vcpu *v)
{
    if (vm_begin_run(v->vm))
        backend.run(v);
    vm_end_run(v->vm);
}

NORETURN void sched_loop(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        struct vcpu *v = cpu->vcpu;

        if (cpu->leave)
            power_leave();
        if (v && vm_may_run(v->vm))
            run(v);
        else if (vm_all_ended())
            power_off();
        else if (!console_pump())
            wait_for_interrupt();
    }
}
