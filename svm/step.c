/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction of a guest, on this CPU, whichever the vCPU runs on otherwise, by RFLAGS.TF, which the
 * guest does not see. Its VM is paused, so this is not the loop of run.c: nobody else wants anything of it
 * meanwhile.
 */
#include "svm/step.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "svm/asid.h"
#include "svm/dump.h"
#include "svm/run.h"

#define MOST_EXITS                                                                          \
    1000 /* before an instruction has been executed: a guest may see to it that it never is \
          */

/* True: it has not been executed yet, as something came in between. */
static bool go_on(struct vcpu *v, enum next next, uint64_t from)
{
    switch (next) {
    case NEXT_RESUME: return vmcb_of(v)->rip == from;
    case NEXT_PREEMPT: return true;
    case NEXT_LEAVE: return false;
    default: break;
    }
    svm_skip_instruction(v);
    if (next == NEXT_HALT)
        v->activity = HALTED;
    return false;
}

/* RF: a breakpoint on this very instruction is behind us. The instruction may have changed TF, or pushed it:
 * POPF and IRET have the guest's from the stack, PUSHF shows ours. */
static bool execute(struct vcpu *v, struct svm_vcpu *x)
{
    const uint64_t from = x->vmcb->rip, trap = x->vmcb->rflags & RFLAGS_TF;
    unsigned exits = 0;
    bool again;

    x->steps_by_monitor = true;
    x->vmcb->rflags |= RFLAGS_RF;
    do {
        vcpu_prepare(v, PREPARE_STEP);
        x->vmcb->rflags |= RFLAGS_TF;
        svm_enter_once(v, x);
        x->vmcb->rflags = (x->vmcb->rflags & ~RFLAGS_TF) | trap;
        v->stats->exits[svm_exit_kind(x->vmcb)]++;
        again = go_on(v, svm_handle_exit(v), from) && ++exits < MOST_EXITS;
        let_interrupts_in();
    } while (again);
    x->steps_by_monitor = false;
    return exits < MOST_EXITS;
}

const char *svm_step(struct vcpu *v)
{
    struct cpu *cpu = this_cpu(), *home = v->cpu;
    bool done;

    ASSERT(vm_state(v->vm).phase == VM_STEPS && !cpu->vcpu);
    if (v->activity != ACTIVE)
        return v->activity == HALTED ? "waits in HLT" : "waits for SIPI";
    v->cpu = cpu;
    cpu->vcpu = v;
    svm_switch_in(v);
    svm_new_asid(v);
    vlapic_schedule_in(v);
    done = execute(v, svm_of(v));
    if (vm_state(v->vm).end == VM_END_CRASH)
        svm_dump_guest(v);
    v->due |= DUE_ALL | (v->activity == ACTIVE ? 0 : DUE_INACTIVE);
    vlapic_schedule_out(v);
    svm_switch_out(v);
    cpu->vcpu = NULL;
    v->cpu = home;
    return done ? NULL : "has not come through its instruction after 1000 exits";
}
