/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/cr3.h"

#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/msr.h"
#include "vcpu/cr.h"
#include "vcpu/event.h"
#include "vmx/caps.h"
#include "vmx/tlb.h"

#define CR3_NO_FLUSH BIT(63) /* with PCIDs: translations of the new one may stay */

unsigned vmx_cr3_slots(const struct vm_config *c)
{
    return c->cr3_exits ? MIN(MISC_CR3_TARGETS(vmx_caps.misc), CR3_TARGETS) : 0;
}

unsigned vmx_cr3_targets(const struct vm *vm)
{
    return vmx_cr3_slots(vm->config);
}

/* The processor looks at the first of its fields, as many as the count says: those in use stand there. */
void vmx_set_cr3_target(struct vcpu *v, unsigned slot, const uint64_t *value)
{
    struct vmx_vcpu *x = vmx_of(v);
    unsigned used = 0;

    x->cr3_targets[slot] = value ? *value : 0;
    x->cr3_targets_used =
        (uint8_t)(value ? x->cr3_targets_used | BIT(slot) : x->cr3_targets_used & ~BIT(slot));
    for (unsigned i = 0; i < CR3_TARGETS; i++) {
        if (x->cr3_targets_used >> i & 1)
            vmcs_write((struct vmcs_field){vmcs_cr3_target0.encoding + 2 * used++}, x->cr3_targets[i]);
    }
    vmcs_write(vmcs_cr3_target_count, used);
}

static bool cr3_allowed(uint64_t value)
{
    uint64_t allowed =
        (BIT(cpu_physical_bits()) - 1) | (vmcs_read(vmcs_guest_cr4) & CR4_PCIDE ? CR3_NO_FLUSH : 0);

    return !(vmcs_read(vmcs_entry_controls) & ENTRY_IA32E) || !(value & ~allowed);
}

static bool pae_paging(void)
{
    return (vmcs_read(vmcs_guest_cr0) & CR0_PG) && (vmcs_read(vmcs_guest_cr4) & CR4_PAE) &&
           !(vmcs_read(vmcs_guest_efer) & EFER_LMA);
}

/* "MOV - Move to/from control registers": what it checks and flushes. */
enum next vmx_write_cr3(struct vcpu *v, uint64_t value)
{
    uint64_t old = vmcs_read(vmcs_guest_cr3);

    v->stats->counts[COUNT_CR3_LOAD]++;
    if (!cr3_allowed(value)) {
        return vcpu_protection_fault(v);
    }
    vmcs_write(vmcs_guest_cr3, value & ~CR3_NO_FLUSH);
    if (pae_paging() && !vcpu_load_pdptes(v, value)) {
        vmcs_write(vmcs_guest_cr3, old);
        return vcpu_protection_fault(v);
    }
    if (!(value & CR3_NO_FLUSH))
        vmx_flush_vpid_non_global((uint16_t)vmcs_read(vmcs_vpid));
    return NEXT_SKIP_AND_RESUME;
}
