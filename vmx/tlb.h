/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CPU may keep of second-level tables. */
#pragma once

#include "vmx/state.h"

void vmx_flush_vpid(uint16_t vpid);
void vmx_flush_vpid_non_global(uint16_t vpid); /* as MOV to CR3 does */
void vmx_flush_tlb(void);                      /* INVEPT and INVVPID, all contexts */
COLD void vmx_ept_flush(const struct vm *vm, uint64_t *seen, uint64_t now);

/* Before an entry, with nothing left to be done for the guest: what this CPU keeps of older tables goes. */
static inline void vmx_ept_sync(const struct vm *vm)
{
    uint64_t *seen = &this_cpu()->tables_seen[vm->id], now = second_level_generation(vm);

    if (unlikely(*seen != now))
        vmx_ept_flush(vm, seen, now);
}
