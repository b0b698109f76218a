/* SPDX-License-Identifier: BSD-2-Clause */
/* What svm/ keeps per CPU, per VM and per vCPU. */
#pragma once

#include "arch/x86/layout.h"
#include "core/base/panic.h"
#include "sched/sched.h"
#include "sched/vm_run.h"
#include "svm/vmcb.h"
#include "vcpu/second_level.h"
#include "vcpu/state.h"

struct svm_cpu {
    hpa_t host_state; /* a VMCB for VMSAVE and VMLOAD: what VMRUN does not switch of the host */
    hpa_t save_area;  /* the processor's own (VM_HSAVE_PA) */
    uint32_t next_asid;
    uint64_t tsc_ratio;  /* that is loaded; 0: not known */
    uint64_t asid_round; /* how often all ASIDs were given out; 0: never yet */
};

struct svm_vm {
    struct second_level npt;
    uint8_t *msr_map;
};

typedef bool svm_on_exit(struct vcpu *v); /* true: the guest goes on right away */

struct svm_vcpu {
    struct vcpu_state state; /* first: vcpu/state.h */
    struct vmcb *vmcb;
    hpa_t vmcb_at;
    struct cpu *last_cpu;  /* NULL: it has not run since its reset */
    uint64_t asid_round;   /* of last_cpu, in which its ASID was given to it */
    uint64_t tables_seen;  /* generation of second-level tables that it has an ASID for */
    svm_on_exit *on_exit;  /* what to call for each exit (observe.c); NULL: not chosen yet */
    bool traced;           /* the VM's, when this was chosen */
    bool fresh;            /* it has not run since it was reset */
    bool window;           /* it exits when an interrupt can be delivered */
    bool looks_soon;       /* the host's timer ends the entry, as no window can */
    uint8_t tpr;           /* the class that the VMCB was given */
    bool nmi_in_service;   /* from its delivery to its IRET */
    bool steps_by_monitor; /* one instruction (step.c) */
    bool steps_over_iret;  /* with TF set for us, and what the guest had of TF: */
    uint64_t guest_tf;
    uint64_t cr0_held; /* CD and NW as the guest has them: never set for real */
    bool mce;          /* CR4.MCE, which is always set for real */
};

_Static_assert(offsetof(struct svm_vcpu, state) == 0, "state_of()");

static inline struct svm_vcpu *svm_of(const struct vcpu *v)
{
    return v->backend;
}

static inline struct vmcb *vmcb_of(const struct vcpu *v)
{
    return svm_of(v)->vmcb;
}

static inline struct svm_cpu *svm_cpu(void)
{
    return this_cpu()->virtualization;
}

/* The processor may keep what did not change: this did. */
static inline void svm_dirty(struct vmcb *b, uint64_t what)
{
    b->clean &= ~(uint32_t)what;
}
