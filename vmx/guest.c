/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/guest.h"
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "vmx/caps.h"

#define CR0_FORCED CR0_NE
#define CR0_HELD   (CR0_CD | CR0_NW) /* never set for real: the caches belong to all VMs */

static const struct vmcs_field fields[GUEST_REGISTERS] = {
    [GUEST_RIP] = vmcs_guest_rip,
    [GUEST_RSP] = vmcs_guest_rsp,
    [GUEST_RFLAGS] = vmcs_guest_rflags,
    [GUEST_CR0] = vmcs_guest_cr0,
    [GUEST_CR3] = vmcs_guest_cr3,
    [GUEST_CR4] = vmcs_guest_cr4,
    [GUEST_EFER] = vmcs_guest_efer,
    [GUEST_PAT] = vmcs_guest_pat,
    [GUEST_DR7] = vmcs_guest_dr7,
    [GUEST_DEBUGCTL] = vmcs_guest_debugctl,
    [GUEST_DS_BASE] = vmcs_guest_ds_base,
    [GUEST_ES_BASE] = vmcs_guest_es_base,
    [GUEST_SS_BASE] = vmcs_guest_ss_base,
    [GUEST_FS_BASE] = vmcs_guest_fs_base,
    [GUEST_GS_BASE] = vmcs_guest_gs_base,
    [GUEST_SS_RIGHTS] = vmcs_guest_ss_rights,
    [GUEST_TR_RIGHTS] = vmcs_guest_tr_rights,
};

_Static_assert(ARRAY_SIZE(fields) == GUEST_TR_RIGHTS + 1, "each has its field");

uint64_t vmx_cr4_forced(void)
{
    return vmx_caps.cr4_fixed0 | CR4_MCE;
}

uint64_t vmx_cr4_mask(uint64_t allowed)
{
    return ~allowed | CR4_MCE;
}

/* A bit that the mask owns is read from the shadow (SDM volume 3, "Guest/host masks and read shadows"). */
static uint64_t visible(struct vmcs_field real, struct vmcs_field mask, struct vmcs_field shadow)
{
    uint64_t owned = vmcs_read(mask);

    return (vmcs_read(real) & ~owned) | (vmcs_read(shadow) & owned);
}

uint64_t vmx_get(const struct vcpu *v UNUSED, enum guest_register which)
{
    if (which == GUEST_CR0)
        return visible(vmcs_guest_cr0, vmcs_cr0_mask, vmcs_cr0_shadow);
    if (which == GUEST_CR4)
        return visible(vmcs_guest_cr4, vmcs_cr4_mask, vmcs_cr4_shadow);
    return vmcs_read(fields[which]);
}

/* An entry control goes with LMA. */
static void set_efer(uint64_t value)
{
    uint64_t entry = vmcs_read(vmcs_entry_controls);

    vmcs_write(vmcs_guest_efer, value);
    vmcs_write(vmcs_entry_controls, value & EFER_LMA ? entry | ENTRY_IA32E : entry & ~ENTRY_IA32E);
}

COLD void vmx_set(struct vcpu *v UNUSED, enum guest_register which, uint64_t value)
{
    switch (which) {
    case GUEST_CR0:
        vmcs_write(vmcs_cr0_shadow, value);
        vmcs_write(vmcs_guest_cr0, (value & ~CR0_HELD) | CR0_FORCED);
        break;
    case GUEST_CR4:
        vmcs_write(vmcs_cr4_shadow, value);
        vmcs_write(vmcs_guest_cr4, value | vmx_cr4_forced());
        break;
    case GUEST_EFER: set_efer(value); break;
    default: vmcs_write(fields[which], value); break;
    }
}

INLINED void vmx_get_mode(const struct vcpu *v UNUSED, struct guest_mode *out)
{
    uint64_t rights = vmcs_read(vmcs_guest_cs_rights);

    out->rip = vmcs_read(vmcs_guest_rip);
    out->cs_base = vmcs_read(vmcs_guest_cs_base);
    out->rflags = vmcs_read(vmcs_guest_rflags);
    out->cr0 = vmcs_read(vmcs_guest_cr0);
    out->cr3 = vmcs_read(vmcs_guest_cr3);
    out->cr4 = vmcs_read(vmcs_guest_cr4);
    out->efer = vmcs_read(vmcs_guest_efer);
    out->cpl = vmx_cpl();
    out->code_l = rights & RIGHTS_L;
    if ((out->efer & EFER_LMA) && out->code_l)
        out->bits = 64;
    else
        out->bits = (rights & RIGHTS_D) && (out->cr0 & CR0_PE) ? 32 : 16;
}

#define EACH_MODE_WORD(F) \
    F(0, cr3) F(1, cs_rights) F(2, ss_rights) F(3, cs_base) F(4, cr0) F(5, cr4) F(6, efer)

void vmx_note_mode(const struct vcpu *v UNUSED, struct mode_note *out)
{
#define NOTE_WORD(n, field) out->word[n] = vmcs_read(vmcs_guest_##field);
    EACH_MODE_WORD(NOTE_WORD)
#undef NOTE_WORD
}

bool vmx_is_mode(const struct vcpu *v UNUSED, const struct mode_note *note)
{
#define IS_WORD(n, field)                               \
    if (vmcs_read(vmcs_guest_##field) != note->word[n]) \
        return false;
    EACH_MODE_WORD(IS_WORD)
#undef IS_WORD
    return true;
}

void vmx_set_pdptes(struct vcpu *v UNUSED, const uint64_t entries[4])
{
    _Static_assert(FIELD_guest_pdpte3 == FIELD_guest_pdpte0 + 2 * 3, "one behind the other");
    for (unsigned i = 0; i < 4; i++)
        vmcs_write((struct vmcs_field){vmcs_guest_pdpte0.encoding + 2 * i}, entries[i]);
}

void vmx_write_tsc_offset(struct vcpu *v UNUSED, uint64_t offset)
{
    vmcs_write(vmcs_tsc_offset, offset);
}

/*
 * What the end of an instruction does to debuggers: RF, which the exit of an access to memory has left set,
 * goes, and a step over it is to be taken, unless steps are from branch to branch.
 */
static COLD void end_instruction(uint64_t flags)
{
    vmcs_write(vmcs_guest_rflags, flags & ~RFLAGS_RF);
    if ((flags & RFLAGS_TF) && !(vmcs_read(vmcs_guest_debugctl) & DEBUGCTL_BTF))
        vmcs_write(vmcs_guest_pending_debug, vmcs_read(vmcs_guest_pending_debug) | PENDING_STEP);
}

static inline void skip_bytes(uint64_t length)
{
    uint64_t blocking = vmcs_read(vmcs_guest_interruptibility), flags = vmcs_read(vmcs_guest_rflags);

    vmcs_write(vmcs_guest_rip, vmcs_read(vmcs_guest_rip) + length);
    if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS))
        vmcs_write(vmcs_guest_interruptibility, blocking & ~(BLOCKING_STI | BLOCKING_MOV_SS));
    if (unlikely(flags & (RFLAGS_TF | RFLAGS_RF)))
        end_instruction(flags);
}

INLINED void vmx_skip_instruction(void)
{
    skip_bytes(vmcs_read(vmcs_exit_instruction_length));
}

void vmx_skip(struct vcpu *v UNUSED, unsigned length)
{
    skip_bytes(length);
}
