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

/* By the lowest bits of their numbers, so that no number picks anything behind a table. A row without a
 * number has no handler. */
#define CALL_ROWS 16
struct call_row {
    call_handler *handler;
    uint32_t number;
    uint32_t feature; /* of KVM's, which offers it */
};
extern const struct call_row kvm_calls[CALL_ROWS], skerry_calls[CALL_ROWS];
