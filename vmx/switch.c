/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU gets a CPU and gives it back. Its VMCS is active only in between: VMPTRLD when it comes, VMCLEAR
 * when it goes, so that it may go on elsewhere without asking this CPU.
 */
#include "vmx/switch.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/trap.h"
#include "vcpu/context.h"
#include "vmx/caps.h"
#include "vmx/setup.h"
#include "vmx/tlb.h"

#ifdef EXPERIMENT_vmclear_at_migration
/*
 * For comparison only: the VMCS stays active, and launched, where its vCPU ran, and a migration asks that CPU
 * by IPI to clear it. Not for VMs that are reset.
 */
#define VECTOR_CLEAR 0xf4

static struct vmx_vcpu *to_clear[MAX_CPUS]; /* by the CPU that is asked */

static void clear_for_others(void)
{
    struct vmx_vcpu *x = __atomic_exchange_n(&to_clear[this_cpu()->id], NULL, __ATOMIC_ACQUIRE);

    if (!x)
        return;
    vmx_vmclear(x);
    x->launched = false;
    __atomic_store_n(&x->active_on, NULL, __ATOMIC_RELEASE);
}

static void clear_elsewhere(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v), *none = NULL;
    const struct cpu *there = x->active_on;

    v->stats->counts[COUNT_MIGRATION_IPI]++;
    for (; !__atomic_compare_exchange_n(&to_clear[there->id], &none, x, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED);
         none = NULL)
        clear_for_others();
    lapic_ipi(there->apic_id, ICR_ASSERT | VECTOR_CLEAR);
    while (__atomic_load_n(&x->active_on, __ATOMIC_ACQUIRE))
        clear_for_others();
}

static void on_clear(void *context UNUSED)
{
    clear_for_others();
}

void vmx_switch_enable(void)
{
    interrupt_install(VECTOR_CLEAR, on_clear, NULL);
}

static void activate(struct vcpu *v, struct cpu *cpu)
{
    if (vmx_of(v)->active_on && vmx_of(v)->active_on != cpu)
        clear_elsewhere(v);
}

static void deactivate(struct vmx_vcpu *x UNUSED)
{
}
#else
void vmx_switch_enable(void)
{
}

static inline void activate(struct vcpu *v, struct cpu *cpu UNUSED)
{
    ASSERT(!vmx_of(v)->active_on);
}

static inline void deactivate(struct vmx_vcpu *x)
{
    vmx_vmclear(x);
    x->launched = false;
    x->active_on = NULL;
}
#endif

/*
 * What it left here the last time must go: the guest has flushed elsewhere since, or this is another life of
 * its VPID. Registers that were loaded here are old.
 */
static COLD void move_here(struct vcpu *v, struct cpu *cpu)
{
    struct vmx_vcpu *x = vmx_of(v);

    v->stats->counts[COUNT_MIGRATION] += x->last_cpu != NULL;
    vmx_load_host_state(v);
    vmx_flush_vpid((uint16_t)vmcs_read(vmcs_vpid));
    x->last_cpu = cpu;
    cpu->context_of = NULL;
}

INLINED void vmx_switch_in(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    struct cpu *cpu = this_cpu();

    ASSERT(!cpu->active);
    activate(v, cpu);
    v->stats->counts[COUNT_SWITCH]++;
    vmx_vmptrld(x);
    x->active_on = cpu;
    cpu->active = v;
    if (unlikely(x->last_cpu != cpu))
        move_here(v, cpu);
    vcpu_context_load(v, cpu);
}

INLINED void vmx_switch_out(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    struct cpu *cpu = this_cpu();

    ASSERT(x->active_on == cpu && cpu->active == v);
    vcpu_context_save(v, cpu);
    deactivate(x);
    cpu->active = NULL;
}
