/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCALL: the call number in RAX, arguments in RBX, RCX, RDX and RSI, the result in RAX. Skerry's own calls
 * (hypercall/abi.h) and KVM's (hypercall/kvm_abi.h) have numbers that do not meet.
 */
#pragma once

#include "core/vm/vm.h"

struct call {
    uint64_t mask;  /* of the registers that count */
    enum next next; /* NEXT_SKIP_AND_RESUME, for the call to change */
};

/* Arguments 0 to 3 of the call that v makes. */
static inline uint64_t call_argument(const struct vcpu *v, const struct call *call, unsigned n)
{
    const struct guest_regs *r = &v->regs;
    const uint64_t in[] = {r->rbx, r->rcx, r->rdx, r->rsi};

    return in[n] & call->mask;
}

/* Checks every argument before it does anything. Returns the result; below 0: an error, and nothing was done.
 */
typedef int64_t call_handler(struct vcpu *v, struct call *call);

/* user: the caller's CPL is not 0. wide: it runs 64-bit code; else registers count for their lower half. */
enum next hypercall_dispatch(struct vcpu *v, bool user, bool wide);

/* The vCPU with this APIC ID, or NULL. */
struct vcpu *hypercall_target(const struct vcpu *v, uint64_t apic_id);

/* By number, from 0 and from SKERRY_CALL_NOP; NULL where there is none. KVM's with the feature that offers
 * it. */
#define KVM_CALLS 12
struct kvm_call {
    call_handler *handler;
    uint32_t feature;
};
extern const struct kvm_call kvm_calls[KVM_CALLS];
#define SKERRY_CALLS 11
extern call_handler *const skerry_calls[SKERRY_CALLS];
