/* SPDX-License-Identifier: BSD-2-Clause */
#include "apic/pid_table.h"

#include "arch/x86/layout.h"
#include "core/base/panic.h"

#define ENTRY_RESERVED UINT64_C(0x3e)

static void store_entry(struct pid_table *t, uint32_t apic_id, uint64_t entry)
{
    ASSERT(apic_id < PID_TABLE_SIZE);
    __atomic_store_n(&t->entries[apic_id], entry, __ATOMIC_SEQ_CST);
}

void pid_table_set(struct pid_table *t, uint32_t apic_id, const struct pid *pid)
{
    ASSERT((virt_to_phys(pid).value & (PID_ENTRY_VALID | ENTRY_RESERVED)) == 0);
    store_entry(t, apic_id, virt_to_phys(pid).value | PID_ENTRY_VALID);
}

void pid_table_clear(struct pid_table *t, uint32_t apic_id)
{
    store_entry(t, apic_id, 0);
}

struct pid *pid_table_find(const struct pid_table *t, uint32_t apic_id)
{
    uint64_t entry;

    if (apic_id > t->last)
        return NULL;
    entry = __atomic_load_n(&t->entries[apic_id % PID_TABLE_SIZE], __ATOMIC_RELAXED); /* not ahead, either */
    if ((entry & (PID_ENTRY_VALID | ENTRY_RESERVED)) != PID_ENTRY_VALID)
        return NULL;
    return phys_to_virt(hpa(entry & ~PID_ENTRY_VALID));
}
