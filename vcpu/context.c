/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/context.h"
#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "vcpu/cpuid.h"
#include "vcpu/guards.h"

#define DR7_ENABLED 0xffu /* breakpoints */
#define XSAVEOPT    1u    /* CPUID 13.1:EAX */

/* A guest writes them once, so that a write may exit and a switch need not read them. */
static const uint32_t switched_msrs[] = {IA32_STAR, IA32_LSTAR, IA32_CSTAR, IA32_FMASK, IA32_TSC_AUX};

_Static_assert(ARRAY_SIZE(switched_msrs) == CPU_GUARD && CPU_GUARD + 1 == CPU_LOADED_MSRS,
               "a CPU has a place for each, and for one that is not quite a register");

/* IA32_TSC_AUX, the last one, comes with RDTSCP. */
static inline unsigned msr_count(void)
{
    return backend.guest_may_use(GUEST_RDTSCP) ? CPU_GUARD : CPU_GUARD - 1;
}

static void clear_breakpoints(void)
{
    write_dr0(0);
    write_dr1(0);
    write_dr2(0);
    write_dr3(0);
}

/* --- one kind of register each --- */

/* What guests may have must fit, wherever this processor keeps it ("Processor extended state enumeration").
 */
static void check_xsave_area(void)
{
    uint64_t allowed = vcpu_xcr0_allowed();

    for (unsigned i = 2; i < 63; i++) {
        struct cpuid c;

        if (!(allowed >> i & 1))
            continue;
        c = cpuid(13, i);
        ASSERT(c.eax + c.ebx <= XSAVE_AREA);
    }
}

/* From here on nobody else writes these registers. */
COLD void vcpu_context_enable(void)
{
    struct cpu *cpu = this_cpu();

    check_xsave_area();
    for (unsigned i = 0; i < msr_count(); i++)
        cpu->loaded_msrs[i] = rdmsr(switched_msrs[i]);
    cpu->loaded_msrs[CPU_GUARD] = guards_host_spec_ctrl();
    if (cpu->loaded_msrs[CPU_GUARD])
        wrmsr(IA32_SPEC_CTRL, cpu->loaded_msrs[CPU_GUARD]);
    if (feature_present(FEATURE_XSAVE))
        cpu->loaded_xcr0 = xgetbv(0);
    if (backend.guest_may_use(GUEST_XSAVES))
        wrmsr(IA32_XSS, 0);
    clear_breakpoints();
}

static enum save_with save_with(void)
{
    if (!feature_present(FEATURE_XSAVE))
        return SAVE_FXSAVE;
    return cpuid(13, 1).eax & XSAVEOPT ? SAVE_XSAVEOPT : SAVE_XSAVE;
}

/* "Processor state after reset": an XSAVE area whose header says that every component is in its initial
 * state. */
void vcpu_context_reset(struct vcpu_state *x)
{
    struct guest_context *c = &x->context;

    memset(c, 0, sizeof(*c));
    store_le(c->vector, FPU_CONTROL, 2);
    store_le(c->vector + 24, MXCSR_RESET, 4);
    c->dr6 = DR6_RESET;
    x->save_with = save_with();
}

static inline void set_xcr0(struct cpu *cpu, uint64_t value)
{
    if (cpu->loaded_xcr0 == value)
        return;
    xsetbv(0, value);
    cpu->loaded_xcr0 = value;
}

void vcpu_set_xcr0(uint64_t value)
{
    set_xcr0(this_cpu(), value);
}

/* All that XCR0 has. */
#define XSAVE_INSTRUCTION(instruction, x) \
    __asm__ volatile(instruction " %0" : "+m"((x)->context.vector) : "a"(UINT32_MAX), "d"(UINT32_MAX))

/* All that the guest may have, whatever of it is switched on now. */
static inline void load_vector(struct cpu *cpu, struct vcpu_state *x)
{
    if (x->save_with == SAVE_FXSAVE) {
        __asm__ volatile("fxrstor64 %0" ::"m"(x->context.vector));
        return;
    }
    set_xcr0(cpu, x->xcr0_allowed);
    XSAVE_INSTRUCTION("xrstor64", x);
    set_xcr0(cpu, x->xcr0);
}

static inline void save_vector(struct cpu *cpu, struct vcpu_state *x)
{
    if (x->save_with == SAVE_FXSAVE) {
        __asm__ volatile("fxsave64 %0" : "=m"(x->context.vector));
        return;
    }
    set_xcr0(cpu, x->xcr0_allowed);
    if (x->save_with == SAVE_XSAVEOPT)
        XSAVE_INSTRUCTION("xsaveopt64", x);
    else
        XSAVE_INSTRUCTION("xsave64", x);
}

static bool msr_valid(uint32_t msr, uint64_t value)
{
    switch (msr) {
    case IA32_LSTAR:
    case IA32_CSTAR: return canonical(value);
    case IA32_FMASK:
    case IA32_TSC_AUX: return !(value >> 32);
    default: return true;
    }
}

static void load_msr(struct cpu *cpu, unsigned i, uint64_t value)
{
    if (cpu->loaded_msrs[i] == value)
        return;
    wrmsr(switched_msrs[i], value);
    cpu->loaded_msrs[i] = value;
}

static void load_guard(struct cpu *cpu, uint64_t word)
{
    guards_switch(cpu->loaded_msrs[CPU_GUARD], word);
    cpu->loaded_msrs[CPU_GUARD] = word;
}

COLD void vcpu_follow_guard(struct vcpu *v)
{
    uint64_t *word = &state_of(v)->context.msrs[CPU_GUARD];

    *word = guards_word(v);
    load_guard(this_cpu(), *word);
}

COLD bool vcpu_write_switched_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    for (unsigned i = 0; i < msr_count(); i++) {
        if (switched_msrs[i] != msr || !msr_valid(msr, value))
            continue;
        state_of(v)->context.msrs[i] = value;
        load_msr(this_cpu(), i, value);
        return true;
    }
    return false;
}

static COLD void load_msrs(struct cpu *cpu, const uint64_t *values)
{
    for (unsigned i = 0; i < msr_count(); i++)
        load_msr(cpu, i, values[i]);
    load_guard(cpu, values[CPU_GUARD]);
}

static inline bool same_msrs(const uint64_t *a, const uint64_t *b)
{
    uint64_t differ = 0;

#pragma GCC unroll 8
    for (unsigned i = 0; i < CPU_LOADED_MSRS; i++)
        differ |= a[i] ^ b[i];
    return !differ;
}

static COLD void load_debug(const struct guest_context *c)
{
    write_dr0(c->dr[0]);
    write_dr1(c->dr[1]);
    write_dr2(c->dr[2]);
    write_dr3(c->dr[3]);
    write_dr6(c->dr6);
}

COLD void vcpu_reset_debug(struct vcpu *v)
{
    struct vcpu_state *x = state_of(v);

    memset(x->context.dr, 0, sizeof(x->context.dr));
    x->context.dr6 = DR6_RESET;
    if (x->debug)
        load_debug(&x->context);
}

COLD void vcpu_load_debug(struct vcpu *v)
{
    struct vcpu_state *x = state_of(v);

    if (x->debug)
        return;
    x->debug = true;
    backend.exit_on_debug(v, false);
    load_debug(&x->context);
}

/* The next one finds no breakpoints. Without any of its own the guest does without until it asks again. */
static COLD void save_debug(struct vcpu *v, struct vcpu_state *x)
{
    struct guest_context *c = &x->context;

    c->dr[0] = read_dr0();
    c->dr[1] = read_dr1();
    c->dr[2] = read_dr2();
    c->dr[3] = read_dr3();
    c->dr6 = read_dr6();
    clear_breakpoints();
    if (backend.get(v, GUEST_DR7) & DR7_ENABLED)
        return;
    x->debug = false;
    backend.exit_on_debug(v, true);
}

/* --- all of them --- */

static inline void load_all(struct cpu *cpu, struct vcpu_state *x)
{
    const struct guest_context *c = &x->context;

    load_vector(cpu, x);
    if (!same_msrs(cpu->loaded_msrs, c->msrs))
        load_msrs(cpu, c->msrs);
    wrmsr(IA32_KERNEL_GS_BASE, c->kernel_gs_base); /* SWAPGS changes it unseen */
    write_cr2(c->cr2);
}

INLINED void vcpu_context_load(struct vcpu *v, struct cpu *cpu)
{
    struct vcpu_state *x = state_of(v);

    if (likely(cpu->context_of != v))
        load_all(cpu, x);
    else if (x->save_with != SAVE_FXSAVE)
        set_xcr0(cpu, x->xcr0); /* to save it took all components */
    if (unlikely(x->debug))
        load_debug(&x->context);
    cpu->context_of = v;
}

INLINED void vcpu_context_save(struct vcpu *v, struct cpu *cpu)
{
    struct vcpu_state *x = state_of(v);
    struct guest_context *c = &x->context;

    save_vector(cpu, x);
    c->kernel_gs_base = rdmsr(IA32_KERNEL_GS_BASE);
    c->cr2 = read_cr2();
    if (unlikely(x->debug))
        save_debug(v, x);
}
