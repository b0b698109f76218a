/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers: the bits of CR0 and CR4 that a guest does not own, CR8, and XCR0. */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "core/base/log.h"
#include "vmx/caps.h"
#include "vmx/cr3.h"
#include "vmx/qualification.h"

#define CR0_DEFINED \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR0_FORCED CR0_NE
#define CR0_HELD   (CR0_CD | CR0_NW) /* never set for real: the caches belong to all VMs */

static enum next protection_fault(struct vcpu *v)
{
    vmx_inject_fault(v, VECTOR_GP, 0);
    return NEXT_RESUME;
}

/* With PAE paging outside long mode, a MOV to CR0, CR3 or CR4 loads the PDPTEs ("PDPTE registers"). */
bool vmx_load_pdptes(struct vcpu *v)
{
    uint64_t entries[4];

    if (!guest_read(v->vm, gpa(vmcs_read(vmcs_guest_cr3) & UINT64_C(0xffffffe0)), entries, sizeof(entries)))
        return false;
    for (unsigned i = 0; i < 4; i++) {
        if ((entries[i] & 1) && (entries[i] & UINT64_C(0xfff00000000001e6)))
            return false;
    }
    for (unsigned i = 0; i < 4; i++)
        vmcs_write((struct vmcs_field){vmcs_guest_pdpte0.encoding + 2 * i}, entries[i]);
    return true;
}

/* Entering or leaving paging with EFER.LME set also changes LMA and the entry control that goes with it. */
static void set_long_mode(bool on)
{
    uint64_t efer = vmcs_read(vmcs_guest_efer), entry = vmcs_read(vmcs_entry_controls);

    vmcs_write(vmcs_guest_efer, on ? efer | EFER_LMA : efer & ~EFER_LMA);
    vmcs_write(vmcs_entry_controls, on ? entry | ENTRY_IA32E : entry & ~ENTRY_IA32E);
}

static bool cr0_valid(uint64_t value)
{
    return !(value >> 32) && (!(value & CR0_PG) || (value & CR0_PE)) &&
           (!(value & CR0_NW) || (value & CR0_CD));
}

static bool change_paging(struct vcpu *v, bool on)
{
    uint64_t efer = vmcs_read(vmcs_guest_efer), cr4 = vmcs_read(vmcs_guest_cr4);

    if (!on) {
        if ((efer & EFER_LMA) && (vmcs_read(vmcs_guest_cs_rights) & BIT(13)))
            return false;
        if (cr4 & CR4_PCIDE)
            return false;
        if (efer & EFER_LMA)
            set_long_mode(false);
        return true;
    }
    if (efer & EFER_LME) {
        if (!(cr4 & CR4_PAE) || (vmcs_read(vmcs_guest_cs_rights) & BIT(13)))
            return false;
        set_long_mode(true);
        return true;
    }
    return !(cr4 & CR4_PAE) || vmx_load_pdptes(v);
}

static enum next write_guest_cr0(struct vcpu *v, uint64_t value)
{
    uint64_t old = vmcs_read(vmcs_guest_cr0);

    if (!cr0_valid(value))
        return protection_fault(v);
    value = (value & CR0_DEFINED) | CR0_ET;
    if (((old ^ value) & CR0_PG) && !change_paging(v, value & CR0_PG))
        return protection_fault(v);
    vmcs_write(vmcs_cr0_shadow, value);
    vmcs_write(vmcs_guest_cr0, (value & ~CR0_HELD) | CR0_FORCED);
    return NEXT_SKIP_AND_RESUME;
}

static enum next write_guest_cr4(struct vcpu *v, uint64_t value)
{
    uint64_t efer = vmcs_read(vmcs_guest_efer), old = vmcs_read(vmcs_guest_cr4);

    /* Only bits the guest does not have lead here: unchanged they are harmless, changed they are reserved. */
    if ((value & ~vmx_of(v)->cr4_allowed) || ((efer & EFER_LMA) && !(value & CR4_PAE)))
        return protection_fault(v);
    vmcs_write(vmcs_cr4_shadow, value);
    vmcs_write(vmcs_guest_cr4, value | vmx_caps.cr4_fixed0);
    if (!(efer & EFER_LMA) && (value & CR4_PAE) && (vmcs_read(vmcs_guest_cr0) & CR0_PG) &&
        ((old ^ value) & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) && !vmx_load_pdptes(v)) {
        vmcs_write(vmcs_guest_cr4, old);
        return protection_fault(v);
    }
    return NEXT_SKIP_AND_RESUME;
}

static enum next write_guest_cr8(struct vcpu *v, uint64_t value)
{
    if (value >> 4)
        return protection_fault(v);
    vlapic_set_tpr_class(v, (unsigned)value);
    return NEXT_SKIP_AND_RESUME;
}

static enum next move_to(struct vcpu *v, unsigned cr, uint64_t value)
{
    if (!(vmcs_read(vmcs_entry_controls) & ENTRY_IA32E))
        value = (uint32_t)value;
    switch (cr) {
    case 0: return write_guest_cr0(v, value);
    case 3: return vmx_write_cr3(v, value);
    case 4: return write_guest_cr4(v, value);
    case 8: return write_guest_cr8(v, value);
    default: return protection_fault(v);
    }
}

enum next vmx_handle_cr(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification), cr0 = vmcs_read(vmcs_cr0_shadow);
    unsigned number = QUALIFIED_REGISTER(q);
    uint64_t visible =
        (vmcs_read(vmcs_guest_cr0) & ~vmcs_read(vmcs_cr0_mask)) | (cr0 & vmcs_read(vmcs_cr0_mask));

    switch (QUALIFIED_ACCESS(q)) {
    case TO_CR: return move_to(v, QUALIFIED_CR(q), vmx_read_gpr(v, number));
    case FROM_CR:
        vmx_write_gpr(v, number, vlapic_tpr_class(v));
        return NEXT_SKIP_AND_RESUME; /* only CR8 exits */
    case CLTS: return write_guest_cr0(v, visible & ~CR0_TS);
    default: /* LMSW cannot clear PE */
        return write_guest_cr0(v, (visible & ~UINT64_C(0xe)) | (q >> 16 & 0xf) | (visible & CR0_PE));
    }
}

/* SDM volume 1, "XSETBV": x87 is always on, AVX needs SSE, AVX-512 needs all its parts and AVX. */
static bool xcr0_valid(const struct vmx_vcpu *x, uint64_t value)
{
    const uint64_t avx = BIT(2), avx512 = BIT(5) | BIT(6) | BIT(7);

    if (!(value & 1) || (value & ~x->xcr0_allowed) || ((value & avx) && !(value & 2)))
        return false;
    return !(value & avx512) || ((value & avx512) == avx512 && (value & avx));
}

enum next vmx_handle_xsetbv(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    uint64_t value = (uint32_t)v->regs.rax | v->regs.rdx << 32;

    if ((uint32_t)v->regs.rcx != 0 || !xcr0_valid(x, value) || (vmcs_read(vmcs_guest_ss_rights) >> 5 & 3))
        return protection_fault(v);
    x->xcr0 = value;
    vmx_set_xcr0(value);
    return NEXT_SKIP_AND_RESUME;
}
