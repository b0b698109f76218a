/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU features outside VMX that Skerry looks at: one row each, shown by the explain page. */
#pragma once

#include "arch/x86/types.h"

enum cpu_feature {
    FEATURE_VMX,
    FEATURE_SVM,
    FEATURE_NX,
    FEATURE_PAGE_1G,
    FEATURE_SMEP,
    FEATURE_SMAP,
    FEATURE_X2APIC,
    FEATURE_TSC_DEADLINE,
    FEATURE_INVARIANT_TSC,
    FEATURE_XSAVE,
    FEATURE_XSAVES,
    FEATURE_RDTSCP,
    FEATURE_MTRR,
    FEATURE_SPEC_CTRL,
    FEATURE_COUNT
};

bool feature_present(enum cpu_feature f);

/* Short name, and what is used instead when it is absent. */
const char *feature_name(enum cpu_feature f);
const char *feature_instead(enum cpu_feature f);

/* This machine is a guest of KVM's (Linux, Documentation/virt/kvm/x86/cpuid.rst). */
bool cpu_below_kvm(void);
/* QEMU executes the instructions itself. */
bool cpu_below_tcg(void);

/* Bits of a physical address (CPUID 80000008h). */
unsigned cpu_physical_bits(void);
/* The processor's brand string, NUL-terminated; 49 bytes. */
void cpu_brand(char name[49]);

/* CR0, CR4, EFER and PAT of root mode on this CPU: NX, write protection, SMEP/SMAP, OSXSAVE, machine checks.
 */
void cpu_enable_protections(void);
