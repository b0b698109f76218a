/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a CPU while it runs one vCPU: enter, exit, handle, again. Interrupts are off throughout. */
#include "svm/run.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "hypercall/kvm.h"
#include "sched/vm_run.h"
#include "svm/asid.h"
#include "svm/caps.h"
#include "svm/dump.h"
#include "svm/entry.h"
#include "svm/msr.h"
#include "svm/observe.h"
#include "vcpu/context.h"

#define RATIO_SHIFT 16 /* from 48 bits behind the point to 32 */
#define RATIO_ONE   (UINT64_C(1) << 32)

NOINLINE bool svm_stop_here(struct vcpu *v, enum next next)
{
    if (next == NEXT_PREEMPT)
        return vcpu_end_run(v, RUN_PREEMPTED);
    if (next == NEXT_LEAVE)
        return vcpu_end_run(v, RUN_LEFT);
    svm_skip_instruction(v);
    if (next == NEXT_HALT)
        return vcpu_halt(v);
    return vcpu_end_run(v, next == NEXT_YIELD ? RUN_YIELDED : RUN_PREEMPTED);
}

bool svm_exited(struct vcpu *v)
{
    return svm_exited_by(v, svm_exit_kind(vmcb_of(v)));
}

/* The scheduler's next event comes by the host's timer, as the guest's deadline does. */
void svm_deadline_moved(struct vcpu *v UNUSED)
{
    if (this_cpu()->next_event != this_cpu()->timer_deadlines[TIMER_SCHED])
        lapic_timer_set(TIMER_SCHED, this_cpu()->next_event);
}

/* --- a vCPU gets the CPU and gives it back --- */

static void load_tsc_ratio(const struct vcpu *v)
{
    uint64_t ratio = v->vm->tsc_multiplier ? v->vm->tsc_multiplier >> RATIO_SHIFT : RATIO_ONE;

    if (svm_cpu()->tsc_ratio == ratio || !svm_can(SVM_TSC_RATIO))
        return;
    wrmsr(TSC_RATIO, ratio);
    svm_cpu()->tsc_ratio = ratio;
}

/* A VMCB is memory: what this CPU may still have of it is old. Its ASID was another CPU's. */
static COLD void move_here(struct vcpu *v, struct svm_vcpu *x, struct cpu *cpu)
{
    v->stats->counts[COUNT_MIGRATION] += x->last_cpu != NULL;
    x->vmcb->clean = 0;
    cpu->context_of = NULL;
}

void svm_switch_in(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    struct cpu *cpu = this_cpu();

    ASSERT(!cpu->active);
    v->stats->counts[COUNT_SWITCH]++;
    cpu->active = v;
    if (unlikely(x->last_cpu != cpu))
        move_here(v, x, cpu);
    vcpu_context_load(v, cpu);
    load_tsc_ratio(v);
}

/* QEMU before 8 executes a guest's XSETBV without the exit that is asked for. */
static inline void take_xcr0(struct vcpu *v, struct cpu *cpu)
{
    if (state_of(v)->save_with != SAVE_FXSAVE)
        state_of(v)->xcr0 = cpu->loaded_xcr0 = xgetbv(0);
}

void svm_switch_out(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    ASSERT(cpu->active == v);
    take_xcr0(v, cpu);
    vcpu_context_save(v, cpu);
    cpu->active = NULL;
}

/* --- entries --- */

/* CR2 and, where it has them, the debug registers are the guest's for as long as it has the CPU
 * (vcpu/context.h); VMRUN takes these from the VMCB. */
static void give_registers(const struct vcpu *v, struct svm_vcpu *x, struct vmcb *b)
{
    uint64_t cr2 = read_cr2();

    b->rax = v->regs.rax;
    if (b->cr2 != cr2) {
        b->cr2 = cr2;
        svm_dirty(b, CLEAN_CR2);
    }
    if (unlikely(x->state.debug)) {
        b->dr6 = x->state.watched ? DR6_RESET : read_dr6();
        svm_dirty(b, CLEAN_DEBUG);
    }
}

static void take_registers(struct vcpu *v, const struct svm_vcpu *x, struct vmcb *b)
{
    v->regs.rax = b->rax;
    if (unlikely(x->state.debug))
        write_dr6(b->dr6);
    b->tlb_control = VMCB_FLUSH_NOTHING;
    if (!svm_can(SVM_NEXT_RIP))
        b->next_rip = 0; /* it would be that of an exit before */
    b->clean = svm_can(SVM_CLEAN_BITS) ? CLEAN_ALL : 0;
}

void svm_enter_once(struct vcpu *v, struct svm_vcpu *x)
{
    give_registers(v, x, x->vmcb);
    svm_enter(v, x->vmcb_at, svm_cpu()->host_state);
    take_registers(v, x, x->vmcb);
}

static bool begin_run(struct vcpu *v, struct svm_vcpu *x)
{
    if (unlikely(x->fresh)) {
        x->fresh = false;
        vcpu_begin_life(v);
    }
    svm_sync(v);
    svm_deadline_moved(v);
    return !v->pending || vcpu_prepare(v, PREPARE_ALL);
}

enum run_end svm_run(struct vcpu *v)
{
    svm_on_exit *on_exit = svm_observer(v);
    struct svm_vcpu *x = svm_of(v);
    bool enter;

    svm_switch_in(v);
    if (unlikely(v->pv.steal) && kvm_steal_in(v))
        svm_new_asid(v);
    vlapic_use_hv_timer(v, false);
    vlapic_schedule_in(v);
    x->state.end = RUN_ON;
    vcpu_console_time(this_cpu(), false);
    for (enter = begin_run(v, x); enter; enter = on_exit(v))
        svm_enter_once(v, x);
    if (x->state.end == RUN_LEFT && vm_state(v->vm).end == VM_END_CRASH && v->vm->told)
        svm_dump_guest(v);
    vlapic_use_hv_timer(v, true); /* nobody watches: it is looked at when v runs again */
    vlapic_schedule_out(v);
    if (x->state.end != RUN_PREEMPTED)
        v->due |= DUE_ALL | (v->activity == ACTIVE ? 0 : DUE_INACTIVE);
    if (unlikely(v->pv.steal))
        kvm_steal_out(v);
    svm_switch_out(v);
    return x->state.end;
}
