/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction of a guest, on this CPU, whichever the vCPU runs on otherwise (SDM volume 3, "Monitor trap
 * flag"). Its VM is paused, so this is not the loop of run.c: nobody else wants anything of it meanwhile.
 */
#include "vmx/step.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "vmx/caps.h"
#include "vmx/dump.h"
#include "vmx/event.h"
#include "vmx/run.h"
#include "vmx/switch.h"
#include "vmx/tlb.h"

#define MOST_EXITS                                                                          \
    1000 /* before an instruction has been executed: a guest may see to it that it never is \
          */

static uint64_t from;  /* where the instruction is; the boot CPU's */
static unsigned exits; /* since then */

/* True: it has not been executed yet, as something came in between. */
static bool go_on(struct vcpu *v, enum next next)
{
    switch (next) {
    case NEXT_RESUME: return vmcs_read(vmcs_guest_rip) == from;
    case NEXT_PREEMPT: return true;
    case NEXT_LEAVE: return false;
    default: break;
    }
    vmx_skip_instruction();
    if (next == NEXT_HALT)
        v->activity = HALTED;
    return false;
}

/* The preemption timer must not end the entry before the instruction: it starts from its longest time. */
static void prepare_step(struct vcpu *v)
{
    const struct vmx_vcpu *x = vmx_of(v);

    vcpu_prepare(v, PREPARE_STEP);
    if (x->pin & PIN_PREEMPTION_TIMER)
        vmcs_write(vmcs_preemption_timer_value, UINT32_MAX);
}

static bool stepped(struct vcpu *v, uint32_t reason)
{
    unsigned basic = vmx_basic_reason(reason);

    if (!go_on(v, vmx_handle_exit(v, basic, vmx_exit_kinds[basic])) || ++exits == MOST_EXITS)
        return false;
    let_interrupts_in();
    prepare_step(v);
    return true;
}

static void set_trap(struct vmx_vcpu *x, bool on)
{
    x->proc = on ? x->proc | PROC_MTF : x->proc & ~PROC_MTF;
    vmx_write_proc_controls(x);
}

/* RF: a breakpoint on this very instruction is behind us. */
static void execute(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    const bool launched = x->launched;
    enum vmx_entry result;

    x->launched = true;
    set_trap(x, true);
    exits = 0;
    from = vmcs_read(vmcs_guest_rip);
    vmcs_write(vmcs_guest_rflags, vmcs_read(vmcs_guest_rflags) | RFLAGS_RF);
    prepare_step(v);
    vmcs_write(vmcs_host_rip, (uint64_t)vmx_stubs_of(v)->exit_point); /* each exit comes to us, */
    x->last_cpu = NULL;                                               /* but in no other run */
    result = x->enter(v, launched, stepped);
    if (result != VMX_EXITED)
        vmx_failed_entry(v, result);
    set_trap(x, false);
}

const char *vmx_step(struct vcpu *v)
{
    struct cpu *cpu = this_cpu(), *home = v->cpu;

    ASSERT(vm_state(v->vm).phase == VM_STEPS && !cpu->vcpu);
    if (!vmx_can(WORD_PROC, PROC_MTF))
        return "cannot be stepped: this CPU has no monitor trap flag";
    if (v->activity != ACTIVE)
        return v->activity == HALTED ? "waits in HLT" : "waits for SIPI";
    v->cpu = cpu;
    cpu->vcpu = v;
    vmx_switch_in(v);
    vmx_flush_tlb(); /* tables may have changed, and mates may have asked one that does not run to flush */
    vlapic_schedule_in(v);
    execute(v);
    if (vm_state(v->vm).end == VM_END_CRASH)
        vmx_dump_guest(v);
    v->due |= DUE_ALL | (v->activity == ACTIVE ? 0 : DUE_INACTIVE);
    vlapic_schedule_out(v);
    vmx_switch_out(v);
    cpu->vcpu = NULL;
    v->cpu = home;
    return exits == MOST_EXITS ? "has not come through its instruction after 1000 exits" : NULL;
}
