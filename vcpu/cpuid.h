/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/vm.h"

void vcpu_cpuid_init(void); /* once, before any guest runs: reads the machine's */

/* The guest's CPUID instruction. */
enum next vcpu_cpuid(struct vcpu *v);

/* Bits of CR4 and XCR0 that go with what guests are told. */
uint64_t vcpu_cr4_allowed(void);
uint64_t vcpu_xcr0_allowed(void);
