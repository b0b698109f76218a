/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations that a CPU may keep of a VM's second-level tables (SDM volume 3, "Caching translation
 * information"). Every change of the tables gives them a new generation. A CPU notes the generation that it
 * has flushed for, and flushes by itself when it is about to enter the VM with a newer one; so only CPUs that
 * run the VM at that moment are interrupted, and waited for. Generations are never used twice: tables that
 * are built where those of a destroyed VM were are new to every CPU.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/percpu.h"
#include "vmx/caps.h"
#include "vmx/tlb.h"

enum { SINGLE_CONTEXT = 1, ALL_CONTEXTS = 2, SINGLE_CONTEXT_NON_GLOBAL = 3 };

static uint64_t last_generation;

static void invept(uint64_t type, uint64_t ept_pointer)
{
    const struct {
        uint64_t ept_pointer, reserved;
    } descriptor = {ept_pointer, 0};

    _Static_assert(sizeof(descriptor) == 16, "an INVEPT descriptor");
    __asm__ volatile("invept %0, %1" ::"m"(descriptor), "r"(type) : "cc", "memory");
}

static void invvpid(uint64_t type, uint16_t vpid)
{
    const struct {
        uint64_t vpid, linear;
    } descriptor = {vpid, 0};

    _Static_assert(sizeof(descriptor) == 16, "an INVVPID descriptor");
    __asm__ volatile("invvpid %0, %1" ::"m"(descriptor), "r"(type) : "cc", "memory");
}

void vmx_flush_tlb(void)
{
    invept(ALL_CONTEXTS, 0);
    invvpid(ALL_CONTEXTS, 0);
}

void vmx_flush_vpid(uint16_t vpid)
{
    if (vmx_caps.ept_vpid & VPID_SINGLE)
        invvpid(SINGLE_CONTEXT, vpid);
    else
        vmx_flush_tlb();
}

void vmx_flush_vpid_non_global(uint16_t vpid)
{
    if (vmx_caps.ept_vpid & VPID_NON_GLOBAL)
        invvpid(SINGLE_CONTEXT_NON_GLOBAL, vpid);
    else
        vmx_flush_vpid(vpid);
}

_Static_assert(ARRAY_SIZE(((struct cpu *)NULL)->ept_seen) == CONFIG_MAX_VMS, "one of each VM");

static void flush_ept(const struct vmx_vm *x)
{
    if (!(vmx_caps.ept_vpid & EPT_INVEPT_SINGLE)) {
        invept(ALL_CONTEXTS, 0);
        return;
    }
    invept(SINGLE_CONTEXT, x->ept_pointer);
    if (x->ept_pointer_apic)
        invept(SINGLE_CONTEXT, x->ept_pointer_apic);
}

COLD void vmx_ept_flush(const struct vm *vm, uint64_t *seen, uint64_t now)
{
    struct vmx_vm *x = vm->backend;

    flush_ept(x);
    __atomic_store_n(seen, now, __ATOMIC_RELEASE); /* somebody may wait for it */
    __atomic_fetch_add(&x->ept_flushes, 1, __ATOMIC_RELAXED);
}

/* Two CPUs that change the same tables: the later number stays. */
uint64_t vmx_ept_new_generation(struct vmx_vm *x)
{
    uint64_t next = __atomic_add_fetch(&last_generation, 1, __ATOMIC_SEQ_CST),
             old = __atomic_load_n(&x->ept_generation, __ATOMIC_SEQ_CST);

    while (old < next && !__atomic_compare_exchange_n(&x->ept_generation, &old, next, false, __ATOMIC_SEQ_CST,
                                                      __ATOMIC_SEQ_CST))
        ;
    return next;
}

static bool lags_behind(const struct cpu *cpu, const struct vm *vm, uint64_t generation)
{
    const struct vcpu *v = __atomic_load_n(&cpu->active, __ATOMIC_SEQ_CST);

    return v && v->vm == vm && __atomic_load_n(&cpu->ept_seen[vm->id], __ATOMIC_SEQ_CST) < generation;
}

/*
 * The others are in their guests, which they leave for the kick, or on the way to an entry, or halt, which
 * they do not without a look at ASKED_FLUSH (vcpu/prepare.c). Who waits for us meanwhile, as we for him, gets
 * his answer here.
 */
static void wait_for_others(const struct vm *vm, uint64_t generation)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        while (cpus[i] != this_cpu() && lags_behind(cpus[i], vm, generation)) {
            vmx_ept_sync(vm);
            cpu_pause();
        }
    }
}

/* A vCPU that becomes active after this has looked at its CPU finds the new generation: vmx_run() has a
 * locked instruction before prepare() asks for it. */
uint64_t vmx_ept_tell(const struct vm *vm)
{
    struct vmx_vm *x = vm->backend;
    uint64_t generation = vmx_ept_new_generation(x);

    for (unsigned i = 0; i < cpu_count; i++) {
        struct vcpu *v = __atomic_load_n(&cpus[i]->active, __ATOMIC_SEQ_CST);

        if (!v || v->vm != vm)
            continue;
        vcpu_note(v, ASKED_FLUSH);
        if (cpus[i] == this_cpu())
            continue;
        cpu_kick(cpus[i]);
        __atomic_fetch_add(&x->ept_ipis, 1, __ATOMIC_RELAXED);
    }
    return generation;
}

void vmx_ept_changed(const struct vm *vm)
{
    wait_for_others(vm, vmx_ept_tell(vm));
}
