/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's paravirtual interface for unmodified guests (hypercall/kvm_abi.h): which features a VM is offered,
 * its MSRs, and what happens when a vCPU gets a CPU and loses it. On the vCPU's CPU.
 */
#pragma once

#include "core/vm/vm.h"

/* What the processor does by itself: then the guest is not told to ask the hypervisor for it. */
struct kvm_needless {
    bool eoi;  /* virtual-interrupt delivery in every mode of the local APIC */
    bool ipis; /* IPI virtualization */
};

/* Features for leaf +1 EAX, by the VM's configuration; hints for EDX. */
uint32_t kvm_features(const struct vm_config *config, struct kvm_needless needless);
uint32_t kvm_hints(const struct vm_config *config);
/* The row of the explain page: what there is, and why not more. */
void kvm_explain(const struct vm_config *config, struct kvm_needless needless);

/* RDMSR and WRMSR of the numbers above. False is #GP: the feature is not offered, or not RAM. */
bool kvm_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool kvm_write_msr(struct vcpu *v, uint32_t msr, uint64_t value);

/* Whether a vCPU has registered something there that is written to again and again. Under vm->sharing. */
bool kvm_writes_to(const struct vm *vm, gpa_t at, uint64_t size);

/*
 * Registers n bytes for that by what the guest has written to *msr, or with bit 0 clear nothing: *place is
 * NULL then. False, with nothing done: they are not RAM, or closed.
 */
bool kvm_register(struct vcpu *v, uint64_t *msr, uint64_t value, size_t n, void **place);

/* All of it forgotten: reset and INIT. */
void kvm_reset(struct vcpu *v);

/* The vCPU's TSC has another distance to the VM's clock. */
void kvm_clock_set_stamp(struct vcpu *v, uint64_t stamp);
/* The VM goes on after a pause: its guest is told. */
void kvm_clock_was_stopped(const struct vm *vm);

/* Steal time, for a vCPU that has registered it (v->pv.steal). True: its translations must be flushed. */
bool kvm_steal_in(struct vcpu *v);
void kvm_steal_out(struct vcpu *v);

/* kvm_clock.c, kvm_steal.c: the MSRs. */
bool kvm_clock_write(struct vcpu *v, uint64_t value);
bool kvm_wall_clock_write(struct vcpu *v, uint64_t value);
bool kvm_steal_write(struct vcpu *v, uint64_t value);

/* Around a change of what a guest reads by its version: the order of stores is what it relies on. */
static inline void kvm_update_begin(uint32_t *version)
{
    __atomic_store_n(version, *version | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void kvm_update_end(uint32_t *version)
{
    __atomic_store_n(version, *version + 1, __ATOMIC_RELEASE);
}
