/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvmclock. A VM's clock is 0 when its TSCs are, and stands still when they do, in a pause: one line for all
 * vCPUs and for good, so that nothing has to be written again. Only a guest that moves the TSC of one vCPU
 * gets another stamp there.
 */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/machine.h"
#include "core/base/ticks.h"
#include "hypercall/kvm.h"
#include "hypercall/kvm_abi.h"

static uint8_t flags(const struct vcpu *v)
{
    return v->vm->kvm_features & KVM_CLOCKSOURCE_STABLE && !v->pv.clock_stamp ? PVCLOCK_TSC_STABLE : 0;
}

static void write_clock(struct vcpu *v)
{
    struct tick_scale scale = tick_scale(vm_tsc_hz(v->vm));
    struct pvclock *c = v->pv.clock;

    kvm_update_begin(&c->version);
    c->tsc_timestamp = v->pv.clock_stamp;
    c->system_time = 0;
    c->tsc_to_system_mul = scale.mul;
    c->tsc_shift = scale.shift;
    c->flags = flags(v);
    kvm_update_end(&c->version);
}

bool kvm_clock_write(struct vcpu *v, uint64_t value)
{
    void *place;

    if ((value & MSR_KVM_ENABLE && value & 2) ||
        !kvm_register(v, &v->pv.clock_msr, value, sizeof(*v->pv.clock), &place))
        return false;
    v->pv.clock = place;
    if (place)
        write_clock(v);
    return true;
}

void kvm_clock_set_stamp(struct vcpu *v, uint64_t stamp)
{
    v->pv.clock_stamp = stamp;
    if (v->pv.clock)
        write_clock(v);
}

/* The guest's watchdogs forgive what happened meanwhile. */
void kvm_clock_was_stopped(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct pvclock *c = vm->vcpus[i]->pv.clock;

        if (c)
            __atomic_fetch_or(&c->flags, PVCLOCK_GUEST_STOPPED, __ATOMIC_RELAXED);
    }
}

/* When the VM's clock was 0, by the clock of the machine. */
bool kvm_wall_clock_write(struct vcpu *v, uint64_t value)
{
    struct pvclock_wall_clock *w = guest_map_open(v->vm, gpa(value), sizeof(*w));
    uint64_t gone, now;

    if (!w || value & 3)
        return false;
    now = machine_time_ns();
    gone = ticks_to_ns(tick_scale(vm_tsc_hz(v->vm)), vlapic_tsc(v) - v->pv.clock_stamp);
    v->pv.wall_clock_msr = value;
    kvm_update_begin(&w->version);
    w->sec = (uint32_t)((now - gone) / NANOSECONDS);
    w->nsec = (uint32_t)((now - gone) % NANOSECONDS);
    kvm_update_end(&w->version);
    return true;
}
