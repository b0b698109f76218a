/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steal time: how long a vCPU waited for a CPU, and whether it has one now. Other vCPUs read the latter, and
 * instead of interrupting one that has none ask for a flush of its translations before it runs again.
 */
#include "core/base/machine.h"
#include "core/base/ticks.h"
#include "hypercall/kvm.h"
#include "hypercall/kvm_abi.h"

#define STEAL_RESERVED UINT64_C(0x3e)

_Static_assert((STEAL_RESERVED | MSR_KVM_ENABLE) == sizeof(struct kvm_steal_time) - 1, "aligned to its size");

static void write_steal(const struct vcpu *v)
{
    struct kvm_steal_time *s = v->pv.steal;

    kvm_update_begin(&s->version);
    s->steal = ticks_to_ns(machine.tsc_scale, v->stats->counts[COUNT_STEAL]);
    kvm_update_end(&s->version);
}

bool kvm_steal_in(struct vcpu *v)
{
    uint8_t asked = __atomic_exchange_n(&v->pv.steal->preempted, 0, __ATOMIC_SEQ_CST);

    write_steal(v);
    if (!(asked & KVM_VCPU_FLUSH_TLB))
        return false;
    v->stats->counts[COUNT_PV_FLUSH]++;
    return true;
}

void kvm_steal_out(struct vcpu *v)
{
    __atomic_store_n(&v->pv.steal->preempted, KVM_VCPU_PREEMPTED, __ATOMIC_SEQ_CST);
}

bool kvm_steal_write(struct vcpu *v, uint64_t value)
{
    void *place;

    if ((value & STEAL_RESERVED) || !kvm_register(v, &v->pv.steal_msr, value, sizeof(*v->pv.steal), &place))
        return false;
    v->pv.steal = place;
    if (place) {
        v->pv.steal->preempted = 0;
        write_steal(v);
    }
    return true;
}
