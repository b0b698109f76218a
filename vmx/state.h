/* SPDX-License-Identifier: BSD-2-Clause */
/* What vmx/ keeps per VM and per vCPU. */
#pragma once

#include "arch/x86/layout.h"
#include "core/base/panic.h"
#include "sched/sched.h"
#include "sched/vm_run.h"
#include "vcpu/second_level.h"
#include "vcpu/state.h"
#include "vmx/vmcs.h"

struct vmx_vm {
    struct second_level ept;
    struct page_table ept_apic; /* with the page of the local APIC: for xAPIC mode on upper rungs */
    uint64_t ept_pointer, ept_pointer_apic;
    void *apic_access; /* the page that stands for local-APIC registers: from upper rungs on */
    uint8_t *msr_bitmap, *msr_bitmap_x2apic; /* SDM volume 3, "MSR-bitmap address" */
    unsigned rung;                           /* enum vmx_rung (vmx/apicv.h) */
    uint16_t first_vpid;
};

#define CR3_TARGETS 4 /* as many as there are fields */

_Static_assert(FIELD_cr3_target3 == FIELD_cr3_target0 + 2 * (CR3_TARGETS - 1), "fields by slot");

typedef bool vmx_on_exit(struct vcpu *v, uint32_t reason); /* true: the guest goes on right away */
enum vmx_entry { VMX_EXITED, VMX_FAIL_INVALID, VMX_FAIL_VALID };
typedef enum vmx_entry vmx_stub(struct vcpu *v, bool launched, vmx_on_exit *exited);

struct vmx_vcpu {
    struct vcpu_state state; /* first: vcpu/state.h */
    hpa_t vmcs;              /* page */
    struct cpu *active_on;   /* whose current VMCS this is; NULL: it is clear */
    struct cpu *last_cpu;    /* that the host state in the VMCS is of; NULL: it has not run since its reset */
    bool fresh;              /* it has not run since it was reset */
    bool traced;             /* the VM's, when this was chosen: */
    vmx_stub *enter;         /* by its VM's guards (entry.asm) */
    vmx_on_exit *on_exit;    /* what to call for each exit (observe.c); NULL: not chosen yet, */
    const char *exit_point;  /* and HOST_RIP for it */
    bool launched;
    uint64_t pin, proc; /* controls, without those that come and go */
    bool interrupt_window, nmi_window;
    bool tpr_shadow, virtual_delivery; /* in the current mode of the local APIC */
    bool handed_over;                  /* SVI and the EOI-exit bitmap are those of the page */
    uint8_t tpr_threshold;
    uint64_t cr3_targets[CR3_TARGETS]; /* by slot, */
    uint8_t cr3_targets_used;          /* a bit each */
};

_Static_assert(offsetof(struct vmx_vcpu, state) == 0, "state_of()");
_Static_assert(CR3_TARGETS <= 8 * sizeof(((struct vmx_vcpu *)NULL)->cr3_targets_used), "a bit each");

static inline struct vmx_vcpu *vmx_of(const struct vcpu *v)
{
    return v->backend;
}

/* True unless the instruction, which takes the physical address of a page from memory, fails. */
#define POINTER_INSTRUCTION(instruction, at)                                       \
    ({                                                                             \
        bool ok_;                                                                  \
                                                                                   \
        __asm__ volatile(instruction " %1" : "=@cca"(ok_) : "m"((at)) : "memory"); \
        ok_;                                                                       \
    })

static inline void vmx_vmclear(const struct vmx_vcpu *x)
{
    shadow_vmclear(phys_to_virt(x->vmcs));
    ASSERT(POINTER_INSTRUCTION("vmclear", x->vmcs));
}

static inline void vmx_vmptrld(const struct vmx_vcpu *x)
{
    shadow_vmptrld(phys_to_virt(x->vmcs));
    ASSERT(POINTER_INSTRUCTION("vmptrld", x->vmcs));
}
