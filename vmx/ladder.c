/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of a guest's local APIC the processor does: a ladder, each rung on top of the one below. A VM
 * stands on the highest that the CPU has and neither its configuration nor the boot command line switches
 * off.
 */
#include "arch/x86/features.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "vmx/apicv.h"
#include "vmx/caps.h"

struct need {
    enum control_word word;
    uint64_t bits;
};

static const struct rung {
    const char *name;
    const char *key; /* of the configuration, and of the boot option KEY=off; NULL: none of its own */
    struct need needs[2];
} rungs[RUNG_COUNT] = {
    [RUNG_SOFTWARE] = {"software local APIC", NULL, {{WORD_PIN, 0}, {WORD_PIN, 0}}},
    [RUNG_TPR_SHADOW] = {"TPR shadow",
                         "tpr-shadow",
                         {{WORD_PROC, PROC_TPR_SHADOW}, {WORD_PROC2, PROC2_VIRTUALIZE_APIC}}},
    [RUNG_APICV] = {"virtual-interrupt delivery",
                    "apicv",
                    {{WORD_PROC2, PROC2_APIC_REGISTER | PROC2_VIRTUAL_DELIVERY}, {WORD_PIN, 0}}},
    [RUNG_X2APIC] = {"x2APIC virtualization", NULL, {{WORD_PROC2, PROC2_X2APIC}, {WORD_PIN, 0}}},
    [RUNG_POSTED] = {"posted interrupts", "posted", {{WORD_PIN, PIN_POSTED_INTERRUPTS}, {WORD_PIN, 0}}},
    [RUNG_IPIV] = {"IPI virtualization", "ipiv", {{WORD_PROC, PROC_TERTIARY}, {WORD_PROC3, PROC3_IPI}}},
};

_Static_assert(RUNG_SOFTWARE == 0 && RUNG_IPIV + 1 == RUNG_COUNT,
               "from the lowest, which any CPU has, to the highest");

static bool present(const struct rung *r, const struct vm_config *c)
{
    if (r == &rungs[RUNG_X2APIC] && !c->x2apic)
        return true; /* nothing to virtualize */
    for (unsigned i = 0; i < ARRAY_SIZE(r->needs); i++) {
        if (!vmx_can(r->needs[i].word, r->needs[i].bits))
            return false;
    }
    return true;
}

static bool configured(const struct rung *r, const struct vm_config *c)
{
    return !r->key || !config_is_off(c, r->key);
}

/*
 * KVM before 6.11 does not take a pending posted interrupt for a reason to wake a guest of ours that halts by
 * itself (Linux, "KVM: nVMX: Check for pending posted interrupts when looking for nested events"), and does
 * not tell its version.
 */
static bool loses_wakeups(const struct rung *r, const struct vm_config *c)
{
    return r == &rungs[RUNG_POSTED] && !c->hlt_exits && cpu_below_kvm();
}

static bool forbidden_at_boot(const struct rung *r)
{
    return r->key && machine_option_off(r->key);
}

enum vmx_rung vmx_rung(const struct vm_config *c)
{
    enum vmx_rung at = RUNG_SOFTWARE;

    while (at + 1 < RUNG_COUNT && present(&rungs[at + 1], c) && configured(&rungs[at + 1], c) &&
           !forbidden_at_boot(&rungs[at + 1]) && !loses_wakeups(&rungs[at + 1], c))
        at++;
    return at;
}

struct kvm_needless vmx_needless(const struct vm_config *c)
{
    enum vmx_rung at = vmx_rung(c);

    return (struct kvm_needless){.eoi = at >= (c->x2apic ? RUNG_X2APIC : RUNG_APICV),
                                 .ipis = at >= RUNG_IPIV};
}

void vmx_rung_explain(const struct vm_config *c)
{
    enum vmx_rung at = vmx_rung(c);
    const struct rung *next = &rungs[at + 1];

    const char *modes = c->x2apic ? "xAPIC and x2APIC" : "xAPIC only";

    if (at + 1 == RUNG_COUNT)
        print("    interrupts by %s (%s)\n", rungs[at].name, modes);
    else if (!present(next, c))
        print("    interrupts by %s (%s), not %s: this CPU has none\n", rungs[at].name, modes, next->name);
    else if (configured(next, c) && !forbidden_at_boot(next))
        print("    interrupts by %s (%s), not %s: KVM may lose wake-ups with hlt-exits = off\n",
              rungs[at].name, modes, next->name);
    else
        print("    interrupts by %s (%s), not %s: %s%s=off\n", rungs[at].name, modes, next->name,
              configured(next, c) ? "boot option " : "", next->key);
}
