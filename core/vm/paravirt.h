/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a vCPU has told the hypervisor through KVM's paravirtual MSRs (hypercall/kvm_abi.h): the addresses as
 * written, and the guest's RAM behind them, which stays where it is for as long as the VM lives. All of it is
 * forgotten at reset and INIT.
 */
#pragma once

#include "arch/x86/types.h"

struct pvclock;
struct kvm_steal_time;

struct paravirt {
    uint64_t clock_msr, wall_clock_msr, steal_msr, eoi_msr, poll_msr;
    struct pvclock *clock;        /* NULL: not registered; so for the others */
    struct kvm_steal_time *steal; /* read before and after each turn on a CPU */
    uint32_t *eoi;
    uint64_t clock_stamp;   /* this vCPU's TSC when the clock of its VM was 0 */
    volatile bool unhalted; /* ASKED_UNHALT was taken outside HLT: the next one does not begin */
};
