/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU gets a CPU and gives it back. Its VMCS is active only in between: VMPTRLD when it comes, VMCLEAR
 * when it goes, so that it may go on elsewhere without asking this CPU. What neither VMCS nor exit stub
 * switches, as Skerry does not use it, is switched here.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"
#include "core/panic.h"
#include "vmx/caps.h"
#include "vmx/vmx.h"

#define FPU_CONTROL 0x37fu
#define MXCSR_RESET 0x1f80u
#define DR6_RESET   0xffff0ff0u

/* Open to the guest in the MSR bitmap. */
static const uint32_t guest_msrs[GUEST_MSRS] = {IA32_STAR,  IA32_LSTAR,          IA32_CSTAR,
                                                IA32_FMASK, IA32_KERNEL_GS_BASE, IA32_TSC_AUX};

/* IA32_TSC_AUX, the last one, comes with RDTSCP. */
static unsigned msr_count(void)
{
    return vmx_has(WORD_PROC2, PROC2_RDTSCP) ? GUEST_MSRS : GUEST_MSRS - 1;
}

/* "Processor state after reset": an XSAVE area whose header says that every component is in its initial
 * state. */
void vmx_reset_context(struct vmx_vcpu *x)
{
    struct guest_context *c = &x->context;

    memset(c, 0, sizeof(*c));
    store_le(c->vector, FPU_CONTROL, 2);
    store_le(c->vector + 24, MXCSR_RESET, 4);
    c->dr6 = DR6_RESET;
    x->xsave = feature_present(FEATURE_XSAVE);
    x->loaded_on = NULL;
}

static void load_vector(const struct vmx_vcpu *x)
{
    if (!x->xsave) {
        __asm__ volatile("fxrstor64 %0" ::"m"(x->context.vector));
        return;
    }
    xsetbv(0, x->xcr0_allowed);
    __asm__ volatile("xrstor64 %0" ::"m"(x->context.vector), "a"((uint32_t)x->xcr0_allowed),
                     "d"((uint32_t)(x->xcr0_allowed >> 32)));
    xsetbv(0, x->xcr0);
}

static void save_vector(struct vmx_vcpu *x)
{
    if (!x->xsave) {
        __asm__ volatile("fxsave64 %0" : "=m"(x->context.vector));
        return;
    }
    if (x->xcr0 != x->xcr0_allowed)
        xsetbv(0, x->xcr0_allowed);
    __asm__ volatile("xsave64 %0"
                     : "+m"(x->context.vector)
                     : "a"((uint32_t)x->xcr0_allowed), "d"((uint32_t)(x->xcr0_allowed >> 32)));
}

static void load_context(const struct vmx_vcpu *x)
{
    const struct guest_context *c = &x->context;

    load_vector(x);
    if (vmx_has(WORD_PROC2, PROC2_XSAVES))
        wrmsr(IA32_XSS, 0);
    for (unsigned i = 0; i < msr_count(); i++)
        wrmsr(guest_msrs[i], c->msrs[i]);
    write_cr2(c->cr2);
    write_dr0(c->dr[0]);
    write_dr1(c->dr[1]);
    write_dr2(c->dr[2]);
    write_dr3(c->dr[3]);
    write_dr6(c->dr6);
}

static void save_context(struct vmx_vcpu *x)
{
    struct guest_context *c = &x->context;

    save_vector(x);
    for (unsigned i = 0; i < msr_count(); i++)
        c->msrs[i] = rdmsr(guest_msrs[i]);
    c->cr2 = read_cr2();
    c->dr[0] = read_dr0();
    c->dr[1] = read_dr1();
    c->dr[2] = read_dr2();
    c->dr[3] = read_dr3();
    c->dr6 = read_dr6();
}

void vmx_switch_in(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    struct cpu *cpu = this_cpu();

    ASSERT(!x->active_on && !cpu->active);
    v->counts[COUNT_SWITCH]++;
    vmx_vmptrld(x->vmcs);
    x->active_on = cpu;
    cpu->active = v;
    if (x->last_cpu != cpu || x->flush) {
        vmx_load_host_state();
        vmx_flush_vpid((uint16_t)vmcs_read(
            vmcs_vpid)); /* what it left here the last time: the guest has flushed elsewhere since */
        x->last_cpu = cpu;
        x->flush = false;
    }
    if (x->loaded_on != cpu || cpu->context_of != v)
        load_context(x);
    x->loaded_on = cpu;
    cpu->context_of = v;
}

void vmx_switch_out(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);

    ASSERT(x->active_on == this_cpu() && this_cpu()->active == v);
    save_context(x);
    vmx_vmclear(x->vmcs);
    x->launched = false;
    this_cpu()->active = NULL;
    x->active_on = NULL;
}
