/* SPDX-License-Identifier: BSD-2-Clause */
/* What is delivered to the guest at the next VM entry (SDM volume 3, "Event injection"). */
#include "vmx/event.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/console.h"
#include "core/base/trace.h"
#include "sched/sched.h"
#include "vcpu/event.h"
#include "vmx/apicv.h"
#include "vmx/hv_timer.h"
#include "vmx/inject.h"

COLD void vmx_reinject_event(struct vcpu *v, uint32_t info)
{
    struct vmx_vcpu *x = vmx_of(v);

    sched_look_around(); /* a delivery that always fails is no instruction of the guest's */
    x->state.event = info & (EVENT_VALID | EVENT_ERROR_CODE | EVENT_TYPE_MASK | 0xff);
    x->state.event_again = true;
    if (info & EVENT_ERROR_CODE)
        x->state.event_error = (uint32_t)vmcs_read(vmcs_idt_vectoring_error);
    x->state.event_length = (uint32_t)vmcs_read(vmcs_exit_instruction_length);
    if (EVENT_TYPE(info) == EVENT_NMI) /* its delivery sets the blocking again */
        vmcs_write(vmcs_guest_interruptibility, vmcs_read(vmcs_guest_interruptibility) & ~BLOCKING_NMI);
    v->due |= DUE_EVENT;
}

static void write_event(struct vmx_vcpu *x)
{
    vmx_inject((struct injection){.event = x->state.event,
                                  .error = x->state.event_error,
                                  .length = x->state.event_length,
                                  .again = x->state.event_again});
    if (EVENT_TYPE(x->state.event) == EVENT_NMI)
        x->state.nmis = MIN(x->state.nmis, 1);
    x->state.event = 0;
}

void vmx_write_proc_controls(const struct vmx_vcpu *x)
{
    vmcs_write(vmcs_proc_controls, x->proc | (x->interrupt_window ? PROC_INTERRUPT_WINDOW : 0) |
                                       (x->nmi_window ? PROC_NMI_WINDOW : 0));
}

static void set_windows(struct vmx_vcpu *x, bool interrupt, bool nmi)
{
    if (interrupt == x->interrupt_window && nmi == x->nmi_window)
        return;
    x->interrupt_window = interrupt;
    x->nmi_window = nmi;
    vmx_write_proc_controls(x);
}

static bool interruptible(uint64_t blocking)
{
    return (vmcs_read(vmcs_guest_rflags) & RFLAGS_IF) && !(blocking & (BLOCKING_STI | BLOCKING_MOV_SS));
}

/* Behind STI only interrupts wait by the manual, but a processor may refuse an NMI there, and its NMI window
 * opens: that would be the same exit for ever. */
static bool nmi_allowed(uint64_t blocking)
{
    return !(blocking & (BLOCKING_NMI | BLOCKING_STI | BLOCKING_MOV_SS));
}

/* Interrupts without the processor's help: the next one is injected, or a window asked for. */
static bool deliver_interrupt(struct vcpu *v, bool busy, uint64_t blocking)
{
    int vector = vlapic_pending(v);

    if (vector >= 0 && !busy && interruptible(blocking)) {
        vlapic_accept(v, (unsigned)vector);
        vmx_inject((struct injection){.event = EVENT_VALID | EVENT_EXTERNAL << 8 | (unsigned)vector});
        v->stats->counts[COUNT_INJECTED]++;
        if (v->vm->traced)
            trace_note(TRACE_INJECT, (unsigned)vector, v->trace_who);
        vector = vlapic_pending(v);
    }
    if (unlikely(v->pv.eoi) && vector < 0)
        vlapic_pv_eoi_offer(v);
    if (vmx_of(v)->tpr_shadow)
        vmx_apicv_set_threshold(v, vector < 0 ? vlapic_requested(v) : -1);
    return vector >= 0;
}

/* While one is handled the processor keeps one more, and no third. */
static COLD bool inject_nmi(struct vmx_vcpu *x, uint64_t blocking)
{
    if (blocking & BLOCKING_NMI)
        x->state.nmis = 1;
    if (!nmi_allowed(blocking))
        return false;
    x->state.nmis--;
    vmx_inject((struct injection){.event = EVENT_VALID | EVENT_NMI << 8 | VECTOR_NMI});
    return true;
}

/* Exceptions and interrupted deliveries first, then NMI. True when one is injected. */
static COLD bool inject_event(struct vmx_vcpu *x, uint64_t blocking)
{
    if (!x->state.event)
        return inject_nmi(x, blocking);
    write_event(x);
    return true;
}

/* Then interrupts; windows for what has to wait. */
static NOINLINE void prepare_event(struct vcpu *v, struct vmx_vcpu *x)
{
    bool busy = false, waiting = false;
    uint64_t blocking = vmcs_read(vmcs_guest_interruptibility);

    if (x->state.nmis || x->state.event)
        busy = inject_event(x, blocking);
    if (!x->virtual_delivery)
        waiting = deliver_interrupt(v, busy, blocking);
    if (unlikely(x->state.nmis && (blocking & BLOCKING_STI))) /* the next instruction ends it, with IF set */
        set_windows(x, true, false);
    else
        set_windows(x, waiting, x->state.nmis);
}

void vmx_deliver(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);

    if (x->virtual_delivery)
        vmx_apicv_sync(v);
    else
        vlapic_update_priority(v);
    if (!x->virtual_delivery || x->state.event || x->nmi_window || x->state.nmis)
        prepare_event(v, x);
}

/* The end of the slice, or the shortest way from the guest's timer to its handler. */
enum next vmx_timer_expired(struct vcpu *v)
{
    const struct cpu *cpu = this_cpu();
    unsigned vector;

    if (unlikely(cpu->sends))
        console_timer();
    if (cpu->next_event && rdtsc() >= cpu->next_event) {
        if (cpu->next_event == cpu->slice_end && v->sched)
            return NEXT_PREEMPT;
        sched_event();
    }
    if (!vmx_of(v)->virtual_delivery) {
        v->due |= DUE_TIMER;
        return NEXT_RESUME;
    }
    vector = vlapic_timer_expire(v);
    if (vector)
        vmx_apicv_request(vector);
    vmx_hv_timer_follow(v);
    return NEXT_RESUME;
}
