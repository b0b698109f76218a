/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCALL: the call number in RAX, arguments in RBX, RCX, RDX and RSI, the result in RAX. Skerry's own calls
 * (hypercall/abi.h) and KVM's (hypercall/kvm_abi.h) have numbers that do not meet.
 */
#pragma once

#include "core/vm.h"

struct call {
    uint64_t args[4];
    enum next next; /* NEXT_SKIP_AND_RESUME, for the call to change */
};

/* Checks every argument before it does anything. Returns the result; below 0: an error, and nothing was done.
 */
typedef int64_t call_handler(struct vcpu *v, struct call *call);

/* user: the caller's CPL is not 0. wide: it runs 64-bit code; else registers count for their lower half. */
enum next hypercall_dispatch(struct vcpu *v, bool user, bool wide);

/* The vCPU with this APIC ID, or NULL. */
struct vcpu *hypercall_target(const struct vcpu *v, uint64_t apic_id);

/* kvm_calls.c, skerry_calls.c: NULL where there is none. */
call_handler *kvm_call(const struct vm *vm, uint64_t number);
call_handler *skerry_call(uint64_t number);
