/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/percpu.h"

#include "arch/x86/layout.h"

struct cpu *cpus[MAX_CPUS];
unsigned cpu_count;
uint64_t image_phys_base;
