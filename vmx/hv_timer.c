/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's timer on the VMX preemption timer while the guest runs (SDM volume 3, "VMX-preemption timer"):
 * one exit a tick and no interrupt of the host. It counts the TSC shifted right by IA32_VMX_MISC bits 4:0 and
 * starts from its VMCS field at each entry.
 */
#include "vmx/hv_timer.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "core/base/machine.h"
#include "vmx/caps.h"

#define CPUID_STABLE 0x0fff3fffu /* family, model, stepping */

/* CPUs whose specification updates list errata of the timer: it may run at a wrong rate. */
static bool known_broken(void)
{
    static const uint32_t signatures[] = {0x106a0, 0x106a1, 0x106a4, 0x106a5, 0x106e5,
                                          0x20652, 0x20655, 0x206e6, 0x306a8};
    uint32_t signature = cpuid(1, 0).eax & CPUID_STABLE;

    for (unsigned i = 0; i < ARRAY_SIZE(signatures); i++) {
        if (signature == signatures[i])
            return true;
    }
    return false;
}

bool vmx_hv_timer_usable(void)
{
    return vmx_can(WORD_PIN, PIN_PREEMPTION_TIMER) && !known_broken();
}

bool vmx_hv_timer_wanted(const struct vm_config *config)
{
    return !config_is_off(config, "hv-timer") && vmx_hv_timer_usable() && !machine_option_off("hv-timer");
}

/* The control stays on: without a deadline the timer starts from its longest time at each entry. */
static void start_from_longest(void)
{
    vmcs_write(vmcs_preemption_timer_value, UINT32_MAX);
}

void vmx_hv_timer_reset(const struct vmx_vcpu *x)
{
    if (x->pin & PIN_PREEMPTION_TIMER)
        start_from_longest();
}

static NOINLINE void follow_on_host(void)
{
    if (this_cpu()->next_event != this_cpu()->timer_deadlines[TIMER_SCHED])
        lapic_timer_set(TIMER_SCHED, this_cpu()->next_event);
}

INLINED void vmx_hv_timer_follow(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    uint64_t deadline, event;

    if (unlikely(!(x->pin & PIN_PREEMPTION_TIMER))) {
        follow_on_host();
        return;
    }
    deadline = vlapic_backend_deadline(v);
    event = this_cpu()->next_event;
    if (unlikely(this_cpu()->sends) && (!deadline || this_cpu()->timer_deadlines[TIMER_CONSOLE] < deadline))
        deadline = this_cpu()->timer_deadlines[TIMER_CONSOLE];
    if (event && (!deadline || event < deadline))
        deadline = event;
    if (!deadline && x->timer_deadline)
        start_from_longest();
    x->timer_deadline = deadline;
}

/*
 * Rounded up: an exit before the deadline would be in vain. A deadline beyond 32 bits only wakes us to look
 * again; one in the past exits before the guest's next instruction.
 */
uint32_t vmx_hv_timer_count(uint64_t deadline, uint64_t now, unsigned shift)
{
    if (deadline <= now)
        return 0;
    return (uint32_t)MIN(((deadline - now - 1) >> shift) + 1, UINT32_MAX);
}

void vmx_hv_timer_load(const struct vmx_vcpu *x)
{
    uint64_t now = rdtsc();

    if (unlikely(x->timer_deadline <= now))
        let_interrupts_in(); /* this entry exits before an instruction, and for no other reason than the timer
                              */
    vmcs_write(vmcs_preemption_timer_value,
               vmx_hv_timer_count(x->timer_deadline, now, MISC_TIMER_SHIFT(vmx_caps.misc)));
}
