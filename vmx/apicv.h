/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor's help with a guest's local APIC (SDM volume 3, "APIC virtualization and virtual
 * interrupts"). */
#pragma once

#include "hypercall/kvm.h"
#include "vmx/state.h"

/* ladder.c: each rung includes those before it. */
enum vmx_rung {
    RUNG_SOFTWARE,   /* every access and every interrupt is ours */
    RUNG_TPR_SHADOW, /* CR8 and the page's TPR without exits */
    RUNG_APICV,  /* registers read from the page, interrupts delivered and ended by the processor: xAPIC mode
                  */
    RUNG_X2APIC, /* the same in x2APIC mode */
    RUNG_POSTED, /* mail collected without an exit */
    RUNG_IPIV,   /* IPIs sent without an exit */
    RUNG_COUNT
};
enum vmx_rung vmx_rung(const struct vm_config *config);
void vmx_rung_explain(const struct vm_config *config);
/* What guests on it need not ask the hypervisor for. */
struct kvm_needless vmx_needless(const struct vm_config *config);

/* apicv.c */

/* Opens in an MSR bitmap what the processor answers in x2APIC mode on this rung. */
void vmx_apicv_open_msrs(uint8_t *bitmap, enum vmx_rung rung);

/* Writes what the rung and the APIC's mode ask for into the current VMCS. After each change of mode. */
void vmx_apicv_configure(struct vcpu *v);

/* Hands IRR and ISR over to the processor (RVI, SVI, EOI-exit bitmap). With virtual-interrupt delivery only.
 */
void vmx_apicv_sync(struct vcpu *v);

/* One more vector is in IRR. */
void vmx_apicv_request(unsigned vector);

/* Makes the processor exit once the guest's TPR lets vector through; -1: never. With TPR shadow only. */
void vmx_apicv_set_threshold(struct vcpu *v, int vector);

enum next vmx_handle_apic_write(struct vcpu *v);
enum next vmx_handle_virtual_eoi(struct vcpu *v);
