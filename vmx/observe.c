/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits looked at one by one: recorded in the CPU's trace, timed, held against the VM's budget. Instead of
 * vmx_exited(), so that it costs nothing where it is off; what is on does not change while a vCPU runs.
 */
#include "vmx/observe.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/machine.h"
#include "core/base/trace.h"
#include "vcpu/budget.h"
#include "vcpu/event.h"
#include "vcpu/words.h"
#include "vmx/entry.h"
#include "vmx/run.h"

/* --- the trace --- */

/* What goes into the event of a kind; 0: RCX and RDX. */
static const uint16_t fields[EXIT_KINDS] = {
    [KIND_EXCEPTION] = FIELD_exit_interruption_info,
    [KIND_HOST_INTERRUPT] = FIELD_exit_interruption_info,
    [KIND_CONTROL_REGISTER] = FIELD_exit_qualification,
    [KIND_DEBUG_REGISTER] = FIELD_exit_qualification,
    [KIND_IO] = FIELD_exit_qualification,
    [KIND_APIC_ACCESS] = FIELD_exit_qualification,
    [KIND_EOI] = FIELD_exit_qualification,
    [KIND_MEMORY] = FIELD_guest_physical_address,
    [KIND_APIC_WRITE] = FIELD_exit_qualification,
};

static INLINED void describe(struct trace_event *e, const struct vcpu *v, unsigned kind)
{
    unsigned field = fields[kind];
    uint64_t value;

    e->who = v->trace_who;
    e->reason = (uint8_t)kind;
    e->extra = (uint32_t)v->regs.rax;
    e->rip = vmcs_read(vmcs_guest_rip);
    if (!field) {
        e->argument[0] = (uint32_t)v->regs.rcx;
        e->argument[1] = (uint32_t)v->regs.rdx;
        return;
    }
    value = vmcs_read((struct vmcs_field){field});
    e->argument[0] = (uint32_t)value;
    e->argument[1] = (uint32_t)(value >> 32);
    if (kind == KIND_MEMORY)
        e->extra = (uint32_t)vmcs_read(vmcs_exit_qualification);
}

/* --- the budget --- */

static bool made_by_guest(const struct vcpu *v, unsigned kind, uint64_t now)
{
    uint64_t expires;

    switch (kind) {
    case KIND_HOST_INTERRUPT: return false;
    case KIND_EXCEPTION: return EVENT_TYPE(vmcs_read(vmcs_exit_interruption_info)) != EVENT_NMI;
    case KIND_TIMER:
        expires = vlapic_expires(v);
        return expires && expires <= now; /* else the console's, or to look again */
    default: return true;
    }
}

/* The instruction's length, where the processor tells it. */
static unsigned told_length(unsigned kind)
{
    return kind == KIND_MEMORY || kind == KIND_APIC_ACCESS
               ? 0
               : (unsigned)vmcs_read(vmcs_exit_instruction_length);
}

static void spend(struct vcpu *v, unsigned kind, uint64_t now)
{
    struct trace_event e;

    if (!made_by_guest(v, kind, now)) {
        v->budget.not_counted++;
    } else if (budget_spend(&v->budget, now) == BUDGET_BROKEN) {
        describe(&e, v, kind);
        vcpu_budget_broken(v, &e, vcpu_exit_instruction(&e), told_length(kind), now);
    }
}

/* --- every exit --- */

static INLINED bool observe(struct vcpu *v, uint32_t reason, bool trace, bool budget)
{
    struct vmx_vcpu *x = vmx_of(v);
    uint64_t now = rdtsc();
    unsigned basic = vmx_basic_reason(reason), kind = vmx_exit_kinds[basic];
    bool again;

    x->state.exit_tsc = now;
    if (trace)
        describe(trace_begin(now), v, kind);
    if (budget)
        spend(v, kind, now);
    again = vmx_exited_by(v, basic, kind);
    v->stats->counts[COUNT_ROOT_TICKS] += rdtsc() - x->state.exit_tsc;
    return again;
}

static bool traced(struct vcpu *v, uint32_t reason)
{
    return observe(v, reason, true, false);
}

static bool budgeted(struct vcpu *v, uint32_t reason)
{
    return observe(v, reason, false, true);
}

static bool traced_and_budgeted(struct vcpu *v, uint32_t reason)
{
    return observe(v, reason, true, true);
}

/* The short way looks at nothing but what it traces, and has no guards: beside theirs its gain would not
 * show. */
static const char *exit_point(const struct vcpu *v, bool trace, bool budget)
{
    const struct vmx_stubs *stubs = vmx_stubs_of(v);

#ifdef SKERRY_DEBUG /* it keeps no second book (shadow.h) */
    return stubs->exit_point;
#endif
    if (budget || stubs != &vmx_stubs[0] || machine_option_off("fastpath"))
        return stubs->exit_point;
    return trace ? vmx_fastpath_traced : vmx_fastpath;
}

static COLD void choose(struct vcpu *v, struct vmx_vcpu *x)
{
    bool trace = v->vm->traced, budget = v->vm->config->exit_budget_line;

    x->exit_point = exit_point(v, trace, budget);
    x->last_cpu = NULL; /* so that it is written */

    if (v->observed.on != (trace || budget))
        vcpu_begin_observation(v, trace || budget);
    x->traced = trace;
    if (budget)
        x->on_exit = trace ? traced_and_budgeted : budgeted;
    else
        x->on_exit = trace ? traced : vmx_exited;
}

vmx_on_exit *vmx_observer(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);

    if (unlikely(!x->on_exit || x->traced != v->vm->traced))
        choose(v, x);
    return x->on_exit;
}
