/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits looked at one by one: recorded in the CPU's trace, timed, held against the VM's budget. Instead of
 * exited() in run.c, so that it costs nothing where it is off; what is on does not change while a vCPU runs.
 */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/trace.h"
#include "vmx/exited.h"
#include "vmx/qualification.h"

#define SHOWN_UNTOLD 8

/* --- the trace --- */

#define FIELD(name, code) FIELD_##name = (code),
enum field { VMCS_FIELDS(FIELD) };
#undef FIELD

/* What goes into the event of a reason; 0: RCX and RDX. */
static const uint16_t fields[EXIT_REASONS] = {
    [EXIT_EXCEPTION] = FIELD_exit_interruption_info,
    [EXIT_EXTERNAL_INTERRUPT] = FIELD_exit_interruption_info,
    [EXIT_CR_ACCESS] = FIELD_exit_qualification,
    [EXIT_MOV_DR] = FIELD_exit_qualification,
    [EXIT_IO] = FIELD_exit_qualification,
    [EXIT_APIC_ACCESS] = FIELD_exit_qualification,
    [EXIT_VIRTUAL_EOI] = FIELD_exit_qualification,
    [EXIT_EPT_VIOLATION] = FIELD_guest_physical_address,
    [EXIT_EPT_MISCONFIG] = FIELD_guest_physical_address,
    [EXIT_APIC_WRITE] = FIELD_exit_qualification,
};

static inline __attribute__((always_inline)) void describe(struct trace_event *e, const struct vcpu *v,
                                                           unsigned reason)
{
    unsigned field = fields[reason];
    uint64_t value;

    e->who = v->trace_who;
    e->reason = (uint8_t)reason;
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
    if (reason == EXIT_EPT_VIOLATION)
        e->extra = (uint32_t)vmcs_read(vmcs_exit_qualification);
}

/* --- the budget --- */

/* The instruction that a reason implies; where any may be at RIP, "instruction". */
static const char *const instructions[EXIT_REASONS] = {
    [EXIT_CPUID] = "cpuid",
    [EXIT_HLT] = "hlt",
    [EXIT_INVD] = "invd",
    [EXIT_RDPMC] = "rdpmc",
    [EXIT_VMCALL] = "vmcall",
    [EXIT_MOV_DR] = "mov",
    [EXIT_RDMSR] = "rdmsr",
    [EXIT_WRMSR] = "wrmsr",
    [EXIT_MWAIT] = "mwait",
    [EXIT_MONITOR] = "monitor",
    [EXIT_PAUSE] = "pause",
    [EXIT_APIC_ACCESS] = "instruction",
    [EXIT_EPT_VIOLATION] = "instruction",
    [EXIT_WBINVD] = "wbinvd",
    [EXIT_XSETBV] = "xsetbv",
};

/* NULL: the exit is not about one. */
static const char *instruction(const struct trace_event *e)
{
    static const char *const io[] = {"out", "in", "outs", "ins"};
    static const char *const cr[] = {[TO_CR] = "mov", [FROM_CR] = "mov", [CLTS] = "clts", [LMSW] = "lmsw"};

    switch (e->reason) {
    case EXIT_IO:
        return io[(e->argument[0] & QUALIFIED_IN ? 1 : 0) + (e->argument[0] & QUALIFIED_STRING ? 2 : 0)];
    case EXIT_CR_ACCESS: return cr[QUALIFIED_ACCESS(e->argument[0])];
    default: return instructions[e->reason];
    }
}

static bool made_by_guest(const struct vcpu *v, unsigned reason, uint64_t now)
{
    uint64_t expires;

    switch (reason) {
    case EXIT_EXTERNAL_INTERRUPT: return false;
    case EXIT_EXCEPTION: return EVENT_TYPE(vmcs_read(vmcs_exit_interruption_info)) != EVENT_NMI;
    case EXIT_PREEMPTION_TIMER:
        expires = vlapic_expires(v);
        return expires && expires <= now; /* else the console's, or to look again */
    default: return true;
    }
}

/* "wrmsr at rip ffffffff8100abcd (0f 30)"; where the processor does not tell the length, a few bytes. */
static void where(const struct vcpu *v, const struct trace_event *e, char *text, size_t size)
{
    bool told = e->reason != EXIT_EPT_VIOLATION && e->reason != EXIT_APIC_ACCESS;
    unsigned length = told ? (unsigned)vmcs_read(vmcs_exit_instruction_length) : SHOWN_UNTOLD;
    const char *name = instruction(e);
    uint8_t bytes[VMX_FETCH_SIZE];
    size_t n = (size_t)format(text, size, "%s%sat rip %llx", name ? name : "", name ? " " : "",
                              (unsigned long long)e->rip);

    length = name ? MIN(vmx_fetch(v, bytes), length) : 0;
    for (unsigned i = 0; i < length; i++)
        n += (size_t)format(text + n, size - n, i ? " %02x" : " (%02x", bytes[i]);
    if (length)
        format(text + n, size - n, told ? ")" : " ...)");
}

/* One line a second and VM. */
static bool may_tell(struct vm *vm, uint64_t now, uint64_t second)
{
    uint64_t told = __atomic_load_n(&vm->budget_told, __ATOMIC_RELAXED);

    return (!told || now - told >= second) && __atomic_compare_exchange_n(&vm->budget_told, &told, now, false,
                                                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static COLD void broken(struct vcpu *v, unsigned reason, uint64_t now)
{
    struct trace_event e;
    char details[80], place[100];
    const char *what;

    describe(&e, v, reason);
    what = vmx_exit_words(&e, details, sizeof(details));
    where(v, &e, place, sizeof(place));
    if (v->vm->config->stop_on_budget)
        vm_request_end(v->vm, VM_END_CRASH, "vcpu %u broke its exit budget of %u/s: %s%s%s, %s", v->id,
                       v->budget.limit, what, details[0] ? " " : "", details, place);
    else if (may_tell(v->vm, now, v->budget.second))
        log_info("[vm %s] vcpu %u broke its exit budget of %u/s: %s%s%s, %s", v->vm->config->name, v->id,
                 v->budget.limit, what, details[0] ? " " : "", details, place);
}

static void spend(struct vcpu *v, unsigned reason, uint64_t now)
{
    if (!made_by_guest(v, reason, now))
        v->budget.not_counted++;
    else if (budget_spend(&v->budget, now) == BUDGET_BROKEN)
        broken(v, reason, now);
}

/* --- every exit --- */

static inline __attribute__((always_inline)) bool observe(struct vcpu *v, bool trace, bool budget)
{
    struct vmx_vcpu *x = vmx_of(v);
    uint64_t now = rdtsc();
    unsigned basic = (uint16_t)vmcs_read(vmcs_exit_reason);
    bool again;

    x->exit_tsc = now;
    if (trace && likely(basic < EXIT_REASONS))
        describe(trace_begin(now), v, basic);
    if (budget && likely(basic < EXIT_REASONS))
        spend(v, basic, now);
    again = vmx_exited_by(v, x, basic);
    v->stats->counts[COUNT_ROOT_TICKS] += rdtsc() - x->exit_tsc;
    return again;
}

static bool traced(struct vcpu *v)
{
    return observe(v, true, false);
}

static bool budgeted(struct vcpu *v)
{
    return observe(v, false, true);
}

static bool traced_and_budgeted(struct vcpu *v)
{
    return observe(v, true, true);
}

static COLD void begin(struct vcpu *v, bool on)
{
    uint64_t exits = 0;

    for (unsigned r = 0; r < EXIT_REASONS; r++)
        exits += v->stats->exits[r];
    v->observed = (struct observation){on, rdtsc(), exits, v->stats->counts[COUNT_ROOT_TICKS]};
}

static COLD void choose(struct vcpu *v, struct vmx_vcpu *x)
{
    bool trace = v->vm->traced, budget = v->vm->config->exit_budget_line;

    if (v->observed.on != (trace || budget))
        begin(v, trace || budget);
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
