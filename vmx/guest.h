/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's registers in the current VMCS, as vcpu/ asks for them (core/vm/backend.h). */
#pragma once

#include "vmx/state.h"

#define RIGHTS_L BIT(13) /* of a code segment: 64-bit code, if EFER.LMA is 1 */
#define RIGHTS_D BIT(14) /* 32-bit code, if not */

/*
 * CR4 bits that are 1 whatever the guest thinks, and that it owns no more than those beyond its CPUID: what
 * the processor wants, and MCE, without which a machine check is the machine's end and no exit (SDM volume 3,
 * "Machine-check architecture").
 */
uint64_t vmx_cr4_forced(void);
uint64_t vmx_cr4_mask(uint64_t allowed);

uint64_t vmx_get(const struct vcpu *v, enum guest_register which);
void vmx_set(struct vcpu *v, enum guest_register which, uint64_t value);
void vmx_get_mode(const struct vcpu *v, struct guest_mode *out);
void vmx_note_mode(const struct vcpu *v, struct mode_note *out);
bool vmx_is_mode(const struct vcpu *v, const struct mode_note *note);
void vmx_set_pdptes(struct vcpu *v, const uint64_t entries[4]);
void vmx_write_tsc_offset(struct vcpu *v, uint64_t offset);

void vmx_skip_instruction(void);                /* the one that exited */
void vmx_skip(struct vcpu *v, unsigned length); /* where the processor does not tell the length */

static inline unsigned vmx_cpl(void)
{
    return vmcs_read(vmcs_guest_ss_rights) >> 5 & 3;
}
