/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's paravirtual interface, as guests know it (Linux: Documentation/virt/kvm/x86/cpuid.rst, msr.rst and
 * hypercalls.rst). Leaf KVM_CPUID_BASE + 1 has the features in EAX and the hints in EDX.
 */
#pragma once

#include "arch/x86/types.h"

#define KVM_CPUID_BASE     0x40000100u
#define KVM_CPUID_FEATURES 0x40000101u

/* Features (EAX). */
#define KVM_CLOCKSOURCE        BIT(0)
#define KVM_NOP_IO_DELAY       BIT(1)
#define KVM_CLOCKSOURCE2       BIT(3)
#define KVM_STEAL_TIME         BIT(5)
#define KVM_PV_EOI             BIT(6)
#define KVM_PV_UNHALT          BIT(7)
#define KVM_PV_TLB_FLUSH       BIT(9)
#define KVM_PV_SEND_IPI        BIT(11)
#define KVM_POLL_CONTROL       BIT(12)
#define KVM_PV_SCHED_YIELD     BIT(13)
#define KVM_MSI_EXT_DEST_ID    BIT(15)
#define KVM_CLOCKSOURCE_STABLE BIT(24)

/* Hints (EDX): vCPUs are never preempted. */
#define KVM_HINT_REALTIME BIT(0)

/* MSRs; the clock's have two numbers each. */
#define MSR_KVM_WALL_CLOCK      0x11u
#define MSR_KVM_SYSTEM_TIME     0x12u
#define MSR_KVM_WALL_CLOCK_NEW  0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u
#define MSR_KVM_STEAL_TIME      0x4b564d03u
#define MSR_KVM_PV_EOI          0x4b564d04u
#define MSR_KVM_POLL_CONTROL    0x4b564d05u
#define MSR_KVM_ENABLE          BIT(0) /* in all but the wall clock's; of POLL_CONTROL it is all there is */

/* Numbers of calls, in RAX. */
#define KVM_CALL_VAPIC_POLL_IRQ 1u
#define KVM_CALL_KICK_CPU       5u
#define KVM_CALL_SEND_IPI       10u
#define KVM_CALL_SCHED_YIELD    11u

/* Results below 0. */
#define KVM_EPERM  (-1)
#define KVM_EINVAL (-22)
#define KVM_ENOSYS (-1000)

struct pvclock_wall_clock {
    uint32_t version; /* odd while it is changed */
    uint32_t sec, nsec;
};

#define PVCLOCK_TSC_STABLE    1u /* all vCPUs show one line */
#define PVCLOCK_GUEST_STOPPED 2u /* it was paused since the guest cleared this */

struct pvclock {
    uint32_t version; /* odd while it is changed */
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time; /* ns when the guest's TSC was tsc_timestamp */
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};
_Static_assert(sizeof(struct pvclock) == 32, "fixed by KVM's ABI");
_Static_assert(sizeof(struct pvclock_wall_clock) == 12 && offsetof(struct pvclock, tsc_to_system_mul) == 24,
               "so those");

#define KVM_VCPU_PREEMPTED 1u
#define KVM_VCPU_FLUSH_TLB 2u

struct kvm_steal_time {
    uint64_t steal;   /* ns in which the vCPU could run and did not */
    uint32_t version; /* odd while it is changed */
    uint32_t flags;
    uint8_t preempted;
    uint8_t pad0[3];
    uint32_t pad[11];
};
_Static_assert(sizeof(struct kvm_steal_time) == 64, "fixed by KVM's ABI");
_Static_assert(offsetof(struct kvm_steal_time, preempted) == 16, "so that");
