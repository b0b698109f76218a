/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits looked at one by one, for VMs that have a trace or a budget; the others do not pay for it. */
#include "svm/observe.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/trace.h"
#include "svm/run.h"
#include "vcpu/budget.h"
#include "vcpu/event.h"
#include "vcpu/exit_argument.h"
#include "vcpu/words.h"

/* --- the argument of an event, in the form of vcpu/exit_argument.h --- */

static uint64_t port_argument(uint64_t info)
{
    return (IO_SIZE(info) - 1) | (info & IO_IN ? QUALIFIED_IN : 0) |
           (info & IO_STRING ? QUALIFIED_STRING : 0) | (info & IO_REP ? QUALIFIED_REP : 0) |
           (uint64_t)IO_PORT(info) << 16;
}

/* CLTS and LMSW are shown as what they do. */
static uint64_t register_argument(const struct vmcb *b)
{
    uint64_t cr = b->exit_code == SVM_EXIT_CR0_SELECT ? 0 : b->exit_code & 15;

    return cr | (b->exit_code < SVM_EXIT_WRITE_CR ? FROM_CR : TO_CR) << 4;
}

static uint64_t argument(const struct vmcb *b, unsigned kind)
{
    switch (kind) {
    case KIND_EXCEPTION:
        return EVENT_VALID | EVENT_EXCEPTION << 8 |
               (b->exit_code == SVM_EXIT_INTN ? VECTOR_BP : b->exit_code - SVM_EXIT_EXCEPTION);
    case KIND_CONTROL_REGISTER: return register_argument(b);
    case KIND_IO: return port_argument(b->exit_info1);
    default: return b->exit_info2; /* KIND_MEMORY: the address */
    }
}

static uint32_t memory_access(uint64_t info)
{
    return (uint32_t)((info & NPF_WRITE ? QUALIFIED_WRITE : 0) | (info & NPF_FETCH ? QUALIFIED_FETCH : 0));
}

static bool has_argument(unsigned kind)
{
    return kind == KIND_EXCEPTION || kind == KIND_CONTROL_REGISTER || kind == KIND_IO || kind == KIND_MEMORY;
}

static void describe(struct trace_event *e, const struct vcpu *v, unsigned kind)
{
    const struct vmcb *b = vmcb_of(v);
    uint64_t value = has_argument(kind) ? argument(b, kind) : (uint32_t)v->regs.rcx | v->regs.rdx << 32;

    e->who = v->trace_who;
    e->reason = (uint8_t)kind;
    e->rip = b->rip;
    e->argument[0] = (uint32_t)value;
    e->argument[1] = (uint32_t)(value >> 32);
    e->extra = kind == KIND_MEMORY ? memory_access(b->exit_info1) : (uint32_t)v->regs.rax;
}

/* --- the budget --- */

/* The instruction's length, where the processor tells it. */
static unsigned told_length(const struct vmcb *b)
{
    return b->next_rip > b->rip ? (unsigned)(b->next_rip - b->rip) : 0;
}

static void spend(struct vcpu *v, unsigned kind, uint64_t now)
{
    struct trace_event e;

    if (kind == KIND_HOST_INTERRUPT) {
        v->budget.not_counted++;
    } else if (budget_spend(&v->budget, now) == BUDGET_BROKEN) {
        describe(&e, v, kind);
        vcpu_budget_broken(v, &e, vcpu_exit_instruction(&e), told_length(vmcb_of(v)), now);
    }
}

/* --- every exit --- */

static bool observed(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    unsigned kind = svm_exit_kind(x->vmcb);
    uint64_t now = rdtsc();
    bool again;

    x->state.exit_tsc = now;
    if (x->traced)
        describe(trace_begin(now), v, kind);
    if (v->vm->config->exit_budget_line)
        spend(v, kind, now);
    again = svm_exited_by(v, kind);
    v->stats->counts[COUNT_ROOT_TICKS] += rdtsc() - x->state.exit_tsc;
    return again;
}

static COLD void choose(struct vcpu *v, struct svm_vcpu *x)
{
    bool on = v->vm->traced || v->vm->config->exit_budget_line;

    if (v->observed.on != on)
        vcpu_begin_observation(v, on);
    x->traced = v->vm->traced;
    x->on_exit = on ? observed : svm_exited;
}

svm_on_exit *svm_observer(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);

    if (unlikely(!x->on_exit || x->traced != v->vm->traced))
        choose(v, x);
    return x->on_exit;
}
