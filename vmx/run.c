/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a CPU while it runs one vCPU: enter, exit, handle, again. Interrupts are off throughout. */
#include "vmx/run.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/console.h"
#include "hypercall/kvm.h"
#include "sched/vm_run.h"
#include "vmx/check.h"
#include "vmx/dump.h"
#include "vmx/observe.h"
#include "vmx/switch.h"
#include "vmx/tlb.h"

void vmx_failed_entry(struct vcpu *v, enum vmx_entry result)
{
    uint32_t error = result == VMX_FAIL_VALID ? (uint32_t)vmcs_read(vmcs_instruction_error) : 0;

    if (vm_request_end(v->vm, VM_END_CRASH, "VM entry failed with error %u", error) && v->vm->told)
        vmx_explain_failed_entry(v, error, 0);
    vmx_of(v)->launched = false;
    vcpu_end_run(v, RUN_LEFT);
}

/* What a handler says that does not let the guest go on. */
NOINLINE bool vmx_stop_here(struct vcpu *v, enum next next)
{
    if (next == NEXT_PREEMPT)
        return vcpu_end_run(v, RUN_PREEMPTED);
    if (next == NEXT_LEAVE)
        return vcpu_end_run(v, RUN_LEFT);
    vmx_skip_instruction();
    if (next == NEXT_HALT)
        return vcpu_halt(v);
    return vcpu_end_run(v, next == NEXT_YIELD ? RUN_YIELDED : RUN_PREEMPTED);
}

bool vmx_exited(struct vcpu *v, uint32_t reason)
{
    unsigned basic = vmx_basic_reason(reason);

    return vmx_exited_by(v, basic, vmx_exit_kinds[basic]);
}

/*
 * The first entry of a run. One that was preempted between two instructions and is wanted by nobody since
 * goes on as it was. False: back to the scheduler.
 */
static inline bool begin_run(struct vcpu *v, struct vmx_vcpu *x)
{
    if (unlikely(x->fresh)) {
        x->fresh = false;
        vcpu_begin_life(v);
    }
    vmx_ept_sync(v->vm);
    vmx_hv_timer_follow(v); /* what it was at is as old as its last run */
    return !v->pending || vcpu_prepare(v, PREPARE_ALL);
}

enum run_end vmx_run(struct vcpu *v)
{
    vmx_on_exit *on_exit = vmx_observer(v);
    struct vmx_vcpu *x = vmx_of(v);
    bool enter;

    vmx_switch_in(v);
    if (unlikely(v->pv.steal) && kvm_steal_in(v))
        vmx_flush_vpid((uint16_t)vmcs_read(vmcs_vpid));
    vlapic_use_hv_timer(v, x->pin & PIN_PREEMPTION_TIMER);
    vlapic_schedule_in(v);
    x->state.end = RUN_ON;
    vcpu_console_time(this_cpu(), x->pin & PIN_PREEMPTION_TIMER);
    for (enter = begin_run(v, x); enter; enter = x->state.end == RUN_ON && vcpu_prepare(v, PREPARE_ALL)) {
        const bool launched = x->launched;
        enum vmx_entry result;

        if (v->fast.deadline)
            vmx_hv_timer_load(v);
        x->launched = true;
        result = x->enter(v, launched, on_exit);
        if (unlikely(result != VMX_EXITED))
            vmx_failed_entry(v, result);
    }
    vcpu_console_time(this_cpu(), false);
    if (x->state.end == RUN_LEFT && vm_state(v->vm).end == VM_END_CRASH && v->vm->told)
        vmx_dump_guest(v);
    vlapic_use_hv_timer(v, true); /* nobody watches: it is looked at when v runs again */
    vlapic_schedule_out(v);
    if (x->state.end != RUN_PREEMPTED)
        v->due |= DUE_ALL | (v->activity == ACTIVE ? 0 : DUE_INACTIVE);
    if (unlikely(v->pv.steal))
        kvm_steal_out(v);
    vmx_switch_out(v);
    return x->state.end;
}
