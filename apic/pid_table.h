/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's PID-pointer table: the mailbox of each vCPU by virtual APIC ID, in the processor's own format (SDM
 * volume 3, "IPI virtualization"). Software sends IPIs by the same table, with or without that feature.
 */
#pragma once

#include "apic/pid.h"

#define PID_ENTRY_VALID BIT(0)
#define PID_TABLE_SIZE  64 /* VM_MAX_VCPUS */

struct pid_table {
    uint64_t entries[PID_TABLE_SIZE]; /* physical address of a descriptor, and PID_ENTRY_VALID */
    uint16_t last;                    /* highest APIC ID that has an entry */
};

_Static_assert(sizeof(struct pid_table) <= PAGE_SIZE && offsetof(struct pid_table, entries) == 0, "one page");

/* An entry is valid while its vCPU's local APIC takes fixed interrupts. Any CPU may read it at any time. */
void pid_table_set(struct pid_table *t, uint32_t apic_id, const struct pid *pid);
void pid_table_clear(struct pid_table *t, uint32_t apic_id);

/* The mailbox of apic_id, or NULL where the processor would leave the guest instead of sending. */
struct pid *pid_table_find(const struct pid_table *t, uint32_t apic_id);
