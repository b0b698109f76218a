/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers: the bits of CR0 and CR4 that a guest does not own, CR8, and XCR0. */
#include "vcpu/cr.h"
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "vcpu/context.h"
#include "vcpu/event.h"
#include "vcpu/state.h"

#define CR0_DEFINED \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define TSS_16_BUSY 3 /* type of a segment */

/* With PAE paging outside long mode, a MOV to CR0, CR3 or CR4 loads the PDPTEs ("PDPTE registers"). */
bool vcpu_load_pdptes(struct vcpu *v, uint64_t cr3)
{
    uint64_t entries[4];

    if (!guest_read(v->vm, gpa(cr3 & UINT64_C(0xffffffe0)), entries, sizeof(entries)))
        return false;
    for (unsigned i = 0; i < 4; i++) {
        if ((entries[i] & 1) && (entries[i] & backend.pdpte_reserved))
            return false;
    }
    backend.set_pdptes(v, entries);
    return true;
}

static bool cr0_valid(uint64_t value)
{
    return !(value >> 32) && (!(value & CR0_PG) || (value & CR0_PE)) &&
           (!(value & CR0_NW) || (value & CR0_CD));
}

/* Entering or leaving paging with EFER.LME set also changes LMA. */
static bool change_paging(struct vcpu *v, bool on)
{
    uint64_t efer = backend.get(v, GUEST_EFER), cr4 = backend.get(v, GUEST_CR4);
    struct guest_mode m;

    backend.get_mode(v, &m);
    if (!on) {
        if (m.bits == 64 || (cr4 & CR4_PCIDE))
            return false;
        backend.set(v, GUEST_EFER, efer & ~EFER_LMA);
        return true;
    }
    if (efer & EFER_LME) {
        if (!(cr4 & CR4_PAE) || m.code_l || (backend.get(v, GUEST_TR_RIGHTS) & 15) == TSS_16_BUSY)
            return false;
        backend.set(v, GUEST_EFER, efer | EFER_LMA);
    }
    return true;
}

static bool pae_paging(const struct vcpu *v, uint64_t cr0)
{
    return (cr0 & CR0_PG) && (backend.get(v, GUEST_CR4) & CR4_PAE) &&
           !(backend.get(v, GUEST_EFER) & EFER_LMA);
}

enum next vcpu_write_cr0(struct vcpu *v, uint64_t value)
{
    uint64_t changed;

    if (!cr0_valid(value))
        return vcpu_protection_fault(v);
    value = (value & CR0_DEFINED) | CR0_ET;
    changed = backend.get(v, GUEST_CR0) ^ value;
    if ((changed & CR0_PG) && !change_paging(v, value & CR0_PG))
        return vcpu_protection_fault(v);
    if ((changed & (CR0_CD | CR0_NW | CR0_PG)) && pae_paging(v, value) &&
        !vcpu_load_pdptes(v, backend.get(v, GUEST_CR3)))
        return vcpu_protection_fault(v);
    backend.set(v, GUEST_CR0, value);
    if (changed & CR0_PG) /* SDM volume 3, "Operations that Invalidate TLBs and Paging-Structure Caches" */
        backend.flush_linear(v);
    return NEXT_SKIP_AND_RESUME;
}

enum next vcpu_write_cr4(struct vcpu *v, uint64_t value)
{
    uint64_t efer = backend.get(v, GUEST_EFER), old = backend.get(v, GUEST_CR4);

    /* Only bits the guest does not have lead here: unchanged they are harmless, changed they are reserved. */
    if ((value & ~state_of(v)->cr4_allowed) || ((efer & EFER_LMA) && !(value & CR4_PAE)))
        return vcpu_protection_fault(v);
    backend.set(v, GUEST_CR4, value);
    if (!(efer & EFER_LMA) && (value & CR4_PAE) && (backend.get(v, GUEST_CR0) & CR0_PG) &&
        ((old ^ value) & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) &&
        !vcpu_load_pdptes(v, backend.get(v, GUEST_CR3))) {
        backend.set(v, GUEST_CR4, old);
        return vcpu_protection_fault(v);
    }
    return NEXT_SKIP_AND_RESUME;
}

enum next vcpu_write_cr8(struct vcpu *v, uint64_t value)
{
    if (value >> 4)
        return vcpu_protection_fault(v);
    vlapic_set_tpr_class(v, (unsigned)value);
    return NEXT_SKIP_AND_RESUME;
}

/* SDM volume 1, "XSETBV": x87 is always on, AVX needs SSE, AVX-512 needs all its parts and AVX. */
static bool xcr0_valid(const struct vcpu_state *x, uint64_t value)
{
    const uint64_t avx = BIT(2), avx512 = BIT(5) | BIT(6) | BIT(7);

    if (!(value & 1) || (value & ~x->xcr0_allowed) || ((value & avx) && !(value & 2)))
        return false;
    return !(value & avx512) || ((value & avx512) == avx512 && (value & avx));
}

enum next vcpu_xsetbv(struct vcpu *v, unsigned cpl)
{
    struct vcpu_state *x = state_of(v);
    uint64_t value = (uint32_t)v->regs.rax | v->regs.rdx << 32;

    if ((uint32_t)v->regs.rcx != 0 || !xcr0_valid(x, value) || cpl)
        return vcpu_protection_fault(v);
    x->xcr0 = value;
    vcpu_set_xcr0(value);
    return NEXT_SKIP_AND_RESUME;
}
