/* SPDX-License-Identifier: BSD-2-Clause */
/* INVEPT and INVVPID (SDM volume 3, "Invalidating TLBs and paging-structure caches"). */
#include "arch/x86/cpu.h"
#include "vmx/caps.h"
#include "vmx/tlb.h"

enum { SINGLE_CONTEXT = 1, ALL_CONTEXTS = 2, SINGLE_CONTEXT_NON_GLOBAL = 3 };

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
    flush_ept(vm->backend);
    second_level_flushed(vm, seen, now);
}
