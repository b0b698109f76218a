/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CPU may keep of second-level tables. */
#pragma once

#include "vmx/state.h"

void vmx_flush_vpid(uint16_t vpid);
void vmx_flush_vpid_non_global(uint16_t vpid);     /* as MOV to CR3 does */
void vmx_flush_tlb(void);                          /* INVEPT and INVVPID, all contexts */
uint64_t vmx_ept_new_generation(struct vmx_vm *x); /* nobody runs it */
/* When it returns, no CPU uses the old tables any more, nor is at an exit that began with them. Without
 * locks. */
void vmx_ept_changed(const struct vm *vm);
/* The same without waiting: CPUs that run the VM are asked to flush. Returns the new generation. */
uint64_t vmx_ept_tell(const struct vm *vm);
COLD void vmx_ept_flush(const struct vm *vm, uint64_t *seen, uint64_t now);

/* Before an entry, with nothing left to be done for the guest: what this CPU keeps of older tables goes. */
static inline void vmx_ept_sync(const struct vm *vm)
{
    uint64_t *seen = &this_cpu()->ept_seen[vm->id];
    uint64_t now = __atomic_load_n(&((const struct vmx_vm *)vm->backend)->ept_generation, __ATOMIC_SEQ_CST);

    if (unlikely(*seen != now))
        vmx_ept_flush(vm, seen, now);
}
