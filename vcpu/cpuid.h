/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "arch/x86/cpu.h"
#include "core/vm/vm.h"

void vcpu_cpuid_init(void); /* once, before any guest runs: reads the machine's */

/* The guest's CPUID instruction. */
enum next vcpu_cpuid(struct vcpu *v);

/*
 * The answers for low leaves that are the same for all vCPUs and subleaves, which is most of what guests ask:
 * by the lowest bits of the leaf, which is compared with the one that is there. vmx/fastpath.asm reads them,
 * too.
 */
#define CPUID_LOW_LEAVES 32
extern struct low_leaf {
    struct cpuid answer;
    uint32_t leaf; /* or, where the answer is not complete, none that has its place here */
} vcpu_low_leaves[CPUID_LOW_LEAVES];

/* Bits of CR4 and XCR0 that go with what guests are told. */
uint64_t vcpu_cr4_allowed(void);
uint64_t vcpu_xcr0_allowed(void);
