/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall/kvm.h"

#include "apic/vlapic.h"
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "hypercall/kvm_abi.h"

#define CLOCK (KVM_CLOCKSOURCE | KVM_CLOCKSOURCE2)

/* A vCPU whose HLT does not exit cannot be kicked out of it. */
static uint32_t for_those_who_share(const struct vm_config *c)
{
    return c->hlt_exits ? KVM_PV_UNHALT : 0;
}

/* The configuration calls each feature by a name, and has its bit from KVM's documentation as we have it. */
/* vCPUs move between CPUs, and have one clock. */
static uint32_t for_one_tsc(void)
{
    return machine.tsc_warp ? 0 : KVM_CLOCKSOURCE_STABLE;
}

static void check_names(void)
{
    const uint32_t named = CLOCK | KVM_NOP_IO_DELAY | KVM_STEAL_TIME | KVM_PV_EOI | KVM_PV_UNHALT |
                           KVM_PV_TLB_FLUSH | KVM_PV_SEND_IPI | KVM_POLL_CONTROL | KVM_PV_SCHED_YIELD |
                           KVM_MSI_EXT_DEST_ID;
    uint32_t bits = 0;

    for (const struct choice *f = config_kvm_features; f->name; f++)
        bits |= f->value;
    ASSERT(bits == named);
}

uint32_t kvm_features(const struct vm_config *c, struct kvm_needless needless)
{
    uint32_t all = CLOCK | for_one_tsc() | KVM_NOP_IO_DELAY | KVM_STEAL_TIME | KVM_PV_TLB_FLUSH |
                   KVM_PV_SCHED_YIELD | KVM_POLL_CONTROL | KVM_MSI_EXT_DEST_ID | for_those_who_share(c);

    check_names();
    if (!needless.eoi)
        all |= KVM_PV_EOI;
    if (!needless.ipis)
        all |= KVM_PV_SEND_IPI;
    return c->pv == PV_KVM ? all & ~c->pv_off : 0;
}

uint32_t kvm_hints(const struct vm_config *c)
{
    return c->pv == PV_KVM && c->sched == SCHED_DEDICATED ? KVM_HINT_REALTIME : 0;
}

static const char *why_not(const struct vm_config *c, uint32_t feature)
{
    if (c->pv_off & feature)
        return "pv-off";
    return feature == KVM_PV_UNHALT ? "hlt-exits=off" : "the processor does that";
}

void kvm_explain(const struct vm_config *c, struct kvm_needless needless)
{
    uint32_t offered = kvm_features(c, needless);
    char text[512];
    int used = 0;

    if (c->pv != PV_KVM) {
        print("    %s\n", c->pv == PV_NONE ? "no paravirtual interface: pv=none"
                                           : "paravirtual interface: Skerry's, not KVM's: pv=skerry");
        return;
    }
    text[0] = 0;
    for (const struct choice *f = config_kvm_features; f->name; f++) {
        if (!(offered & f->value))
            used += format(text + used, sizeof(text) - (size_t)used, ", not %s: %s", f->name,
                           why_not(c, f->value));
    }
    ASSERT(used < (int)sizeof(text));
    print("    paravirtual interface: Skerry's and KVM's%s\n", text);
}

/* --- MSRs --- */

/* PROTECT finds it in *msr, or has closed it before we look. */
bool kvm_register(struct vcpu *v, uint64_t *msr, uint64_t value, size_t n, void **place)
{
    bool on = value & MSR_KVM_ENABLE, done;

    spin_lock(&v->vm->sharing);
    *place = on ? guest_map_open(v->vm, gpa(value & ~MSR_KVM_ENABLE), n) : NULL;
    done = *place || !on;
    if (done)
        *msr = value;
    spin_unlock(&v->vm->sharing);
    return done;
}

static bool lies_in(uint64_t msr, size_t n, gpa_t at, uint64_t size)
{
    uint64_t from = msr & ~MSR_KVM_ENABLE;

    return (msr & MSR_KVM_ENABLE) && from < at.value + size && at.value < from + n;
}

bool kvm_writes_to(const struct vm *vm, gpa_t at, uint64_t size)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct paravirt *pv = &vm->vcpus[i]->pv;

        if (lies_in(pv->clock_msr, sizeof(struct pvclock), at, size) ||
            lies_in(pv->steal_msr, sizeof(struct kvm_steal_time), at, size) ||
            lies_in(pv->eoi_msr, sizeof(*pv->eoi), at, size))
            return true;
    }
    return false;
}

static bool eoi_write(struct vcpu *v, uint64_t value)
{
    void *place;

    if ((value & 2) || !kvm_register(v, &v->pv.eoi_msr, value, sizeof(*v->pv.eoi), &place))
        return false;
    vlapic_pv_eoi_register(v, place);
    return true;
}

/* Whether the hypervisor may poll before it lets a vCPU wait: this one never does. */
static bool poll_write(struct vcpu *v, uint64_t value)
{
    if (value & ~MSR_KVM_ENABLE)
        return false;
    v->pv.poll_msr = value;
    return true;
}

static const struct {
    uint32_t msr;
    uint32_t feature;
    size_t value; /* in struct paravirt */
    bool (*write)(struct vcpu *v, uint64_t value);
} msrs[] = {
    {MSR_KVM_WALL_CLOCK, KVM_CLOCKSOURCE, offsetof(struct paravirt, wall_clock_msr), kvm_wall_clock_write},
    {MSR_KVM_SYSTEM_TIME, KVM_CLOCKSOURCE, offsetof(struct paravirt, clock_msr), kvm_clock_write},
    {MSR_KVM_WALL_CLOCK_NEW, KVM_CLOCKSOURCE2, offsetof(struct paravirt, wall_clock_msr),
     kvm_wall_clock_write},
    {MSR_KVM_SYSTEM_TIME_NEW, KVM_CLOCKSOURCE2, offsetof(struct paravirt, clock_msr), kvm_clock_write},
    {MSR_KVM_STEAL_TIME, KVM_STEAL_TIME, offsetof(struct paravirt, steal_msr), kvm_steal_write},
    {MSR_KVM_PV_EOI, KVM_PV_EOI, offsetof(struct paravirt, eoi_msr), eoi_write},
    {MSR_KVM_POLL_CONTROL, KVM_POLL_CONTROL, offsetof(struct paravirt, poll_msr), poll_write},
};

/* Its place in msrs; their number: the guest has no such MSR. */
static unsigned find_msr(const struct vcpu *v, uint32_t msr)
{
    unsigned i = 0;

    while (i < ARRAY_SIZE(msrs) && (msrs[i].msr != msr || !(v->vm->kvm_features & msrs[i].feature)))
        i++;
    return i;
}

bool kvm_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    unsigned i = find_msr(v, msr);

    if (i == ARRAY_SIZE(msrs))
        return false;
    *value = *(const uint64_t *)((const uint8_t *)&v->pv + msrs[i].value);
    return true;
}

bool kvm_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    unsigned i = find_msr(v, msr);

    return i < ARRAY_SIZE(msrs) && msrs[i].write(v, value);
}

void kvm_reset(struct vcpu *v)
{
    v->pv = (struct paravirt){.poll_msr = MSR_KVM_ENABLE};
}
