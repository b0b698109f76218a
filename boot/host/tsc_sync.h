/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One TSC for all CPUs. Firmware that wrote to some CPU's has left its distance in IA32_TSC_ADJUST, which is
 * made the boot CPU's; then the two are compared, as they may differ for other reasons, too.
 */
#pragma once

#include "arch/x86/types.h"

/* On the boot CPU, before each of the others starts. */
void tsc_sync_expect(void);

/* On the CPU that starts: its IA32_TSC_ADJUST, first; and once it is online, while the boot CPU compares. */
void tsc_sync_adjust(void);
void tsc_sync_answer(void);

/* On the boot CPU: by how many ticks the later of two readings was less at most, 0 as a rule. *adjusted: the
 * other CPU's IA32_TSC_ADJUST was another. */
uint64_t tsc_sync_compare(bool *adjusted);
