/* SPDX-License-Identifier: BSD-2-Clause */
/* What the profile nested-kvm shows, and that VM entry holds to it. */
#include "lib/vmm.h"

#define TICKS 3200u
#define SLACK 64u

const char guest_name[] = "vmx-knobs";

PAGE_OF(uint32_t, ept_root[1024]);
static struct vcpu vcpu;

static void guest_loop(void)
{
    for (;;)
        __asm__ volatile("");
}

static void guest_return(void)
{
    vmcall();
}

static void preemption_timer(unsigned shift)
{
    static const struct controls c = {.pin = PIN_TIMER};
    uint32_t reason, took, counts = TICKS >> shift;
    uint64_t start;

    vmm_prepare(&vcpu, &c, guest_loop);
    vmwrite(F_TIMER, counts);
    start = rdtsc();
    reason = vmm_run(&vcpu);
    took = (uint32_t)(rdtsc() - start);
    /* The first count comes with the next change of TSC bit `shift`, at once or a whole period later. */
    check(reason == EXIT_TIMER && took >= (counts - 1) << shift && took < (counts << shift) + SLACK,
          "the preemption timer counts once in %u ticks: %u counts took %u", 1u << shift, counts, took);
}

static void cr3_targets(unsigned most)
{
    static const struct controls c = {0};
    uint32_t result;

    vmm_prepare(&vcpu, &c, guest_return);
    vmwrite(F_CR3_TARGETS, most + 1);
    result = vmm_run(&vcpu);
    check(result == ENTRY_FAILED + 7, "%u CR3 targets fail the entry (%x)", most + 1, result);
    vmwrite(F_CR3_TARGETS, most);
    result = vmm_run(&vcpu);
    check(result == EXIT_VMCALL, "%u do not (%x)", most, result);
}

static void activity(uint32_t misc)
{
    static const struct controls c = {.pin = PIN_TIMER};
    uint32_t result;

    vmm_prepare(&vcpu, &c, guest_return);
    vmwrite(F_TIMER, 2);
    vmwrite(F_ACTIVITY, 2);
    result = vmm_run(&vcpu);
    check((result == EXIT_BAD_STATE) == !(misc & BIT(7)), "entry into SHUTDOWN by IA32_VMX_MISC (%x)",
          result);
}

static void ept_type(uint64_t shown)
{
    static const struct controls c = {.primary = PRIMARY_SECONDARY, .secondary = SECONDARY_EPT};
    uint32_t result;

    vmm_prepare(&vcpu, &c, guest_return);
    vmwrite64(F_EPTP, (uint32_t)ept_root | 3 << 3);
    result = vmm_run(&vcpu);
    check((result == ENTRY_FAILED + 7) == !(shown & BIT(8)), "EPT of type UC by IA32_VMX_EPT_VPID_CAP (%x)",
          result);
}

void guest_main(const struct boot_info *info)
{
    uint32_t misc;

    (void)info;
    if (!vmm_start())
        vmm_end();
    misc = (uint32_t)capability(0x485);
    say("misc %08x, pin %08x, primary %08x, secondary %08x, ept %llx, tertiary %llx", misc,
        (unsigned)(capability(0x481) >> 32), (unsigned)(capability(0x482) >> 32),
        (unsigned)(capability(0x48b) >> 32), capability(0x48c), capability(0x492));
    say("%s tertiary controls", offers(0x482, PRIMARY_TERTIARY) ? "has" : "no");
    preemption_timer(misc & 31);
    cr3_targets(misc >> 16 & 0x1ff);
    activity(misc);
    ept_type(capability(0x48c));
    vmm_end();
}
