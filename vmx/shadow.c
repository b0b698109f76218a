/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/shadow.h"

#include "arch/x86/percpu.h"
#include "core/base/log.h"
#include "core/base/panic.h"

#ifdef SKERRY_DEBUG

static const void *active[MAX_CPUS]; /* by CPU; each writes its own */
static uint64_t loads;

/* Whether it is active on another CPU than this one. */
static bool elsewhere(const void *vmcs)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (i != this_cpu()->id && __atomic_load_n(&active[i], __ATOMIC_SEQ_CST) == vmcs)
            return true;
    }
    return false;
}

void shadow_vmptrld(const void *vmcs)
{
    unsigned here = this_cpu()->id;

    if (active[here] && active[here] != vmcs)
        panic("VMPTRLD of a second VMCS: the first one is not clear");
    __atomic_store_n(&active[here], vmcs, __ATOMIC_SEQ_CST);
    if (elsewhere(vmcs))
        panic("VMPTRLD of a VMCS that is active on another CPU");
    __atomic_fetch_add(&loads, 1, __ATOMIC_RELAXED);
}

void shadow_vmclear(const void *vmcs)
{
    unsigned here = this_cpu()->id;

    if (elsewhere(vmcs))
        panic("VMCLEAR of a VMCS that is active on another CPU");
    if (active[here] == vmcs)
        __atomic_store_n(&active[here], NULL, __ATOMIC_SEQ_CST);
}

void shadow_access(void)
{
    if (!active[this_cpu()->id])
        panic("VMREAD or VMWRITE without a current VMCS");
}

void shadow_vmxoff(void)
{
    if (active[this_cpu()->id])
        panic("VMXOFF with a VMCS that is not clear");
    log_info("CPU %u: VMXOFF, no VMCS is active here; %llu VMPTRLD watched", this_cpu()->id,
             (unsigned long long)loads);
}

#endif
