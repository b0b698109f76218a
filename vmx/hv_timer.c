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

#define COARSEST 30 /* with a count of more ticks, as the shift says, one could not be rounded up to */

_Static_assert(FASTPATH_AHEAD + BIT(COARSEST) <= INT32_MAX, "is later than now, rounded up, too");

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
    return vmx_can(WORD_PIN, PIN_PREEMPTION_TIMER) && MISC_TIMER_SHIFT(vmx_caps.misc) <= COARSEST &&
           !known_broken();
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

/* 0, for none, is later than any. */
static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return MIN(a - 1, b - 1) + 1;
}

struct hv_timer_rate vmx_hv_timer_rate;

void vmx_hv_timer_init(void)
{
    vmx_hv_timer_rate.shift = MISC_TIMER_SHIFT(vmx_caps.misc);
    vmx_hv_timer_rate.round = (1u << vmx_hv_timer_rate.shift) - 1;
}

/*
 * Rounded up: an exit before the deadline would be in vain. One that is too far ahead only wakes us to look
 * again.
 */
uint32_t vmx_hv_timer_low(uint64_t deadline, uint64_t now)
{
    uint64_t ahead = deadline > now ? deadline - now : 0;

    return (uint32_t)(now + MIN(ahead, FASTPATH_AHEAD)) + vmx_hv_timer_rate.round;
}

/* A deadline in the past exits before the guest's next instruction. */
uint32_t vmx_hv_timer_count(uint32_t low, uint32_t now)
{
    int32_t ahead = (int32_t)(low - now);

    return (uint32_t)MAX(ahead, 0) >> vmx_hv_timer_rate.shift;
}

INLINED void vmx_hv_timer_follow(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    struct fastpath *f = &v->fast;
    uint64_t other, deadline;

    if (unlikely(!(x->pin & PIN_PREEMPTION_TIMER))) {
        follow_on_host();
        return;
    }
    other = this_cpu()->next_event;
    if (unlikely(this_cpu()->sends))
        other = earlier(other, this_cpu()->timer_deadlines[TIMER_CONSOLE]);
    deadline = earlier(other, vlapic_backend_deadline(v));
    f->other = other ? other : FASTPATH_NEVER;
    if (deadline)
        f->low = vmx_hv_timer_low(deadline, rdtsc());
    else if (f->deadline)
        start_from_longest();
    f->deadline = deadline;
}

void vmx_hv_timer_load(const struct vcpu *v)
{
    uint32_t count = vmx_hv_timer_count(v->fast.low, (uint32_t)rdtsc());

    if (unlikely(!count))
        let_interrupts_in(); /* this entry exits before an instruction, and for no other reason than the timer
                              */
    vmcs_write(vmcs_preemption_timer_value, count);
}
