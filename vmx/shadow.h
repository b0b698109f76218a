/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `make DEBUG=1`: a second book of which VMCS is active on which CPU, kept where VMPTRLD, VMCLEAR and VMXOFF
 * are executed. Panics when a VMCS is made active in two places, or two on one CPU, when one is cleared from
 * elsewhere, when VMREAD or VMWRITE find none, and when VMXOFF leaves one behind (SDM volume 3, "Managing
 * VMCS regions and pointers").
 */
#pragma once

#include "arch/x86/types.h"

#ifdef SKERRY_DEBUG
void shadow_vmptrld(const void *vmcs);
void shadow_vmclear(const void *vmcs);
void shadow_access(void);
void shadow_vmxoff(void);
#else
static inline void shadow_vmptrld(const void *vmcs UNUSED)
{
}
static inline void shadow_vmclear(const void *vmcs UNUSED)
{
}
static inline void shadow_access(void)
{
}
static inline void shadow_vmxoff(void)
{
}
#endif
