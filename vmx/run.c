/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a CPU while it runs one vCPU: enter, exit, handle, again. Interrupts are off throughout. */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "hypercall/kvm.h"
#include "vmx/exited.h"

static inline __attribute__((always_inline)) bool must_leave(const struct vcpu *v)
{
    return !vm_may_run(v->vm) || this_cpu()->leave || this_cpu()->work;
}

/* False, for the caller to hand on: the run ends, for this reason. */
static bool end_run(struct vcpu *v, enum run_end end)
{
    struct vmx_vcpu *x = vmx_of(v);

    x->end = end;
    x->leaving = true;
    return false;
}

void vmx_failed_entry(struct vcpu *v, enum vmx_entry result)
{
    uint32_t error = result == VMX_FAIL_VALID ? (uint32_t)vmcs_read(vmcs_instruction_error) : 0;

    vmx_explain_failed_entry(v, error, 0);
    vm_request_end(v->vm, VM_END_CRASH, "VM entry failed with error %u", error);
    end_run(v, RUN_LEFT);
}

/* The TSCs of a VM show the same: each vCPU begins with the offset that vCPU 0 began with. */
static COLD void start_tsc(struct vcpu *v)
{
    struct vmx_vm *vm = v->vm->backend;

    if (v->id == 0) {
        vm->tsc_started = true;
        vm->tsc_offset = -guest_tsc_scale(&vmx_of(v)->tsc, rdtsc());
    }
    vmx_set_tsc_offset(v, vm->tsc_offset);
}

static void idle(struct vcpu *v)
{
    if (!console_pump() && !v->kicked && vlapic_block(v)) {
        vlapic_timer_to_host(v);
        wait_for_interrupt();
        vlapic_timer_from_host(v);
        vlapic_unblock(v);
    }
    v->kicked = false;
}

/* Somebody has kicked it (KVM's PV_UNHALT). */
static bool take_unhalt(struct vcpu *v)
{
    return v->pv.unhalted && __atomic_exchange_n(&v->pv.unhalted, false, __ATOMIC_SEQ_CST);
}

/* HLT: until something ends it. False when the vCPU must leave instead, as it does to wait on a shared CPU.
 */
static bool wait_for_event(struct vcpu *v, bool interrupts)
{
    while (!must_leave(v)) {
        vlapic_update(v);
        if ((interrupts && vlapic_pending(v) >= 0) || vlapic_nmi_pending(v) || (v->request & REQUEST_INIT) ||
            take_unhalt(v))
            return true;
        if (!interrupts && !v->dead)
            vcpu_dead(v);
        else if (v->sched)
            return end_run(v, RUN_BLOCKED);
        else
            idle(v);
    }
    return end_run(v, RUN_LEFT);
}

static NOINLINE bool halt(struct vcpu *v)
{
    v->activity = HALTED;
    if (!wait_for_event(v, vmcs_read(vmcs_guest_rflags) & RFLAGS_IF))
        return false;
    v->activity = ACTIVE;
    v->dead = false;
    v->kicked = true;
    vmx_of(v)->exit_tsc = rdtsc(); /* the wait is not our time */
    return true;
}

static void take_init(struct vcpu *v)
{
    if (v->activity == WAIT_FOR_SIPI)
        return; /* there it means nothing */
    if (v->id == 0) {
        vm_request_end(v->vm, VM_END_RESET, "has reset itself by INIT");
        return;
    }
    vmx_switch_out(v);
    vlapic_init(v);
    vmx_vcpu_reset(v, NULL);
    vmx_switch_in(v);
    v->activity = WAIT_FOR_SIPI;
}

/* INIT, and the wait for SIPI behind it. False when the vCPU must leave. */
static COLD bool take_init_and_startup(struct vcpu *v)
{
    do {
        unsigned request = __atomic_exchange_n(&v->request, 0, __ATOMIC_SEQ_CST);

        if (request & REQUEST_INIT)
            take_init(v);
        if (must_leave(v))
            return end_run(v, RUN_LEFT);
        if (v->activity != WAIT_FOR_SIPI)
            break; /* to a CPU that runs SIPI means nothing */
        if (request & REQUEST_STARTUP) {
            vmx_vcpu_startup(REQUEST_VECTOR(request));
            start_tsc(v);
            v->dead = false;
            v->activity = ACTIVE;
        } else if (!v->dead) {
            vcpu_dead(v);
        } else if (v->sched) {
            return end_run(v, RUN_BLOCKED);
        } else {
            idle(v);
        }
    } while (v->activity == WAIT_FOR_SIPI);
    return true;
}

static COLD bool become_active(struct vcpu *v)
{
    if ((v->request || v->activity == WAIT_FOR_SIPI) && !take_init_and_startup(v))
        return false;
    return v->activity != HALTED || halt(v);
}

/* Behind a kick: what has to be done before the next entry. False: back to the scheduler. */
NOINLINE bool vmx_prepare(struct vcpu *v)
{
    v->kicked = false;
    if (must_leave(v))
        return end_run(v, RUN_LEFT);
    vmx_ept_sync(v->vm);
    if (unlikely(console_backlog))
        console_pump_in_passing();
    if (unlikely(this_cpu()->resched) && v->sched && sched_look()) {
        v->kicked = true; /* the rest is still to be done */
        return end_run(v, RUN_PREEMPTED);
    }
    if (unlikely(v->request || v->activity != ACTIVE) && !become_active(v))
        return false;
    vmx_prepare_entry(v);
    return true;
}

/* What a handler says that does not let the guest go on. */
NOINLINE bool vmx_stop_here(struct vcpu *v, enum next next)
{
    if (next == NEXT_PREEMPT)
        return end_run(v, RUN_PREEMPTED);
    if (next == NEXT_LEAVE)
        return end_run(v, RUN_LEFT);
    vmx_skip_instruction();
    if (next == NEXT_HALT)
        return halt(v);
    return end_run(v, next == NEXT_YIELD ? RUN_YIELDED : RUN_PREEMPTED);
}

bool vmx_exited(struct vcpu *v)
{
    return vmx_exited_by(v, vmx_of(v), (uint16_t)vmcs_read(vmcs_exit_reason));
}

static COLD void report_first_entry(void)
{
    static bool reported;

    if (__atomic_exchange_n(&reported, true, __ATOMIC_RELAXED))
        return;
    log_info("first guest entry %llu TSC ticks after the Multiboot2 entry",
             (unsigned long long)(rdtsc() - machine.entry_tsc));
}

/* The first run after a reset. */
static COLD void begin_life(struct vcpu *v)
{
    vmx_of(v)->fresh = false;
    report_first_entry();
    if (v->id == 0 && !((const struct vmx_vm *)v->vm->backend)->tsc_started)
        start_tsc(v); /* the others begin behind SIPI */
}

/*
 * The first entry of a run. Who was preempted between two instructions and wanted by nobody since goes on as
 * it was. False: back to the scheduler.
 */
static inline bool begin_run(struct vcpu *v, struct vmx_vcpu *x)
{
    if (unlikely(x->fresh))
        begin_life(v);
    if (x->end != RUN_PREEMPTED || v->kicked)
        return vmx_prepare(v);
    vmx_ept_sync(v->vm);
    vmx_hv_timer_follow(v);
    return true;
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
    x->leaving = false;
    for (enter = begin_run(v, x); enter; enter = !x->leaving && vmx_prepare(v)) {
        enum vmx_entry result;

        if (x->timer_deadline)
            vmx_hv_timer_load(x);
        result = vmx_enter(v, x->launched, on_exit); /* INIT comes back, too, as it clears the VMCS */
        if (unlikely(result != VMX_EXITED))
            vmx_failed_entry(v, result);
    }
    if (x->end == RUN_LEFT && vm_state(v->vm).end == VM_END_CRASH)
        vmx_dump_guest(v);
    vlapic_use_hv_timer(v, true); /* nobody watches: it is looked at when v runs again */
    vlapic_schedule_out(v);
    if (unlikely(v->pv.steal))
        kvm_steal_out(v);
    vmx_switch_out(v);
    return x->end;
}
