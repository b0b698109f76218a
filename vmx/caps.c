/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/caps.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "core/format.h"
#include "core/log.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

#define BASIC_TRUE_CONTROLS BIT(55)
#define MISC_STORES_LMA     BIT(5)

struct vmx_caps vmx_caps;

enum use { NEED, LIKE, PER_VM, SHOW };

/* One table for the resolution and for the explain page. NEED: the floor. PER_VM:
 * for those VMs that want it. SHOW: known, not used yet. */
static const struct control {
    enum control_word word;
    uint64_t bit;
    enum use use;
    const char *name;
    const char *instead; /* LIKE and SHOW: what happens without it */
} controls[] = {
    {WORD_PIN, PIN_EXTERNAL_INTERRUPT, NEED, "external-interrupt exiting", NULL},
    {WORD_PIN, PIN_NMI, NEED, "NMI exiting", NULL},
    {WORD_PIN, PIN_VIRTUAL_NMI, NEED, "virtual NMIs", NULL},
    {WORD_PROC, PROC_TSC_OFFSET, NEED, "TSC offsetting", NULL},
    {WORD_PROC, PROC_HLT, NEED, "HLT exiting", NULL},
    {WORD_PROC, PROC_MWAIT, NEED, "MWAIT exiting", NULL},
    {WORD_PROC, PROC_MONITOR, NEED, "MONITOR exiting", NULL},
    {WORD_PROC, PROC_RDPMC, NEED, "RDPMC exiting", NULL},
    {WORD_PROC, PROC_CR8_LOAD, NEED, "CR8-load exiting", NULL},
    {WORD_PROC, PROC_CR8_STORE, NEED, "CR8-store exiting", NULL},
    {WORD_PROC, PROC_IO_BITMAPS, NEED, "I/O bitmaps", NULL},
    {WORD_PROC, PROC_MSR_BITMAPS, NEED, "MSR bitmaps", NULL},
    {WORD_PROC, PROC_SECONDARY, NEED, "secondary controls", NULL},
    {WORD_PROC2, PROC2_EPT, NEED, "EPT", NULL},
    {WORD_PROC2, PROC2_UNRESTRICTED, NEED, "unrestricted guest", NULL},
    {WORD_PROC2, PROC2_VPID, NEED, "VPID", NULL},
    {WORD_EXIT, EXIT_SAVE_DEBUG, NEED, "save debug controls", NULL},
    {WORD_EXIT, EXIT_HOST_64, NEED, "64-bit host", NULL},
    {WORD_EXIT, EXIT_ACK_INTERRUPT, NEED, "acknowledge interrupt on exit", NULL},
    {WORD_EXIT, EXIT_SAVE_PAT, NEED, "save IA32_PAT", NULL},
    {WORD_EXIT, EXIT_LOAD_PAT, NEED, "load IA32_PAT on exit", NULL},
    {WORD_EXIT, EXIT_SAVE_EFER, NEED, "save IA32_EFER", NULL},
    {WORD_EXIT, EXIT_LOAD_EFER, NEED, "load IA32_EFER on exit", NULL},
    {WORD_ENTRY, ENTRY_LOAD_DEBUG, NEED, "load debug controls", NULL},
    {WORD_ENTRY, ENTRY_LOAD_PAT, NEED, "load IA32_PAT on entry", NULL},
    {WORD_ENTRY, ENTRY_LOAD_EFER, NEED, "load IA32_EFER on entry", NULL},
    {WORD_PROC2, PROC2_RDTSCP, LIKE, "RDTSCP in guests", "hidden from guests"},
    {WORD_PROC2, PROC2_INVPCID, LIKE, "INVPCID in guests", "hidden from guests"},
    {WORD_PROC2, PROC2_XSAVES, LIKE, "XSAVES in guests", "hidden from guests"},
    {WORD_PROC2, PROC2_WBINVD, LIKE, "WBINVD exiting", "guests may flush the caches"},
    {WORD_PROC, PROC_TPR_SHADOW, PER_VM, "TPR shadow", "software local APIC"},
    {WORD_PROC2, PROC2_VIRTUALIZE_APIC, PER_VM, "virtualize APIC accesses", "software local APIC"},
    {WORD_PROC2, PROC2_APIC_REGISTER, PER_VM, "APIC-register virtualization", "software registers"},
    {WORD_PROC2, PROC2_VIRTUAL_DELIVERY, PER_VM, "virtual-interrupt delivery", "injection"},
    {WORD_PROC2, PROC2_X2APIC, PER_VM, "virtualize x2APIC mode", "software x2APIC mode"},
    {WORD_PIN, PIN_POSTED_INTERRUPTS, PER_VM, "posted interrupts", "kick and injection"},
    {WORD_PIN, PIN_PREEMPTION_TIMER, PER_VM, "preemption timer", "host timer"},
    {WORD_PROC, PROC_TERTIARY, PER_VM, "tertiary controls", "none"},
    {WORD_PROC3, PROC3_IPI, PER_VM, "IPI virtualization", "software IPIs"},
    {WORD_PROC2, PROC2_PAUSE_LOOP, PER_VM, "PAUSE-loop exiting", "none"},
    {WORD_PROC2, PROC2_TSC_SCALING, PER_VM, "TSC scaling", "guests see the host's TSC rate"},
};

/* Bits that are switched while a guest runs: they must be allowed both ways. */
#define DYNAMIC_PROC  (PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW | PROC_MOV_DR)
#define DYNAMIC_ENTRY ENTRY_IA32E
/* Bits that must be allowed to be 0: without the TRUE MSRs, CR3 accesses would always exit. */
#define CLEAR_PROC (PROC_CR3_LOAD | PROC_CR3_STORE)

bool vmx_control_resolve(uint32_t allowed0, uint32_t allowed1, uint32_t need, uint32_t like, uint32_t *out)
{
    *out = ((need | like) & allowed1) | allowed0;
    return (need & ~allowed1) == 0;
}

static uint64_t wanted(enum control_word word, enum use use)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
        if (controls[i].word == word && controls[i].use == use)
            bits |= controls[i].bit;
    }
    return bits;
}

static const char *missing_name(enum control_word word, uint64_t allowed1)
{
    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
        if (controls[i].word == word && controls[i].use == NEED && !(controls[i].bit & allowed1))
            return controls[i].name;
    }
    return "a VMX control";
}

static bool resolve_word(struct vmx_caps *caps, enum control_word word, uint32_t msr, const char **missing)
{
    uint64_t value = rdmsr(msr);
    uint32_t resolved;
    bool complete =
        vmx_control_resolve((uint32_t)value, (uint32_t)(value >> 32), (uint32_t)wanted(word, NEED),
                            (uint32_t)wanted(word, LIKE), &resolved);

    caps->allowed1[word] = value >> 32;
    caps->controls[word] = resolved;
    if (complete)
        return true;
    *missing = missing_name(word, caps->allowed1[word]);
    return false;
}

static bool check_rest(const struct vmx_caps *c, const char **missing)
{
    const struct {
        bool ok;
        const char *name;
    } checks[] = {
        {(c->allowed1[WORD_PROC] & DYNAMIC_PROC) == DYNAMIC_PROC,
         "interrupt-window, NMI-window and MOV-DR exiting"},
        {c->allowed1[WORD_ENTRY] & DYNAMIC_ENTRY, "64-bit guests"},
        {!(c->controls[WORD_PROC] & CLEAR_PROC), "CR3 access without exits"},
        {c->ept_vpid & EPT_WALK_4, "4-level EPT"},
        {c->ept_vpid & EPT_TYPE_WB, "write-back EPT structures"},
        {(c->ept_vpid & EPT_INVEPT) && (c->ept_vpid & EPT_INVEPT_ALL), "INVEPT"},
        {(c->ept_vpid & VPID_INVVPID) && (c->ept_vpid & VPID_ALL), "INVVPID"},
        {c->misc & MISC_STORES_LMA, "storing of EFER.LMA on exit"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
        if (!checks[i].ok) {
            *missing = checks[i].name;
            return false;
        }
    }
    return true;
}

bool vmx_caps_read(struct vmx_caps *c, const char **missing)
{
    uint64_t basic = rdmsr(IA32_VMX_BASIC);
    bool exact = basic & BASIC_TRUE_CONTROLS;

    *c = (struct vmx_caps){.revision = (uint32_t)basic & 0x7fffffff, .misc = rdmsr(IA32_VMX_MISC)};
    c->cr0_fixed0 = rdmsr(IA32_VMX_CR0_FIXED0);
    c->cr0_fixed1 = rdmsr(IA32_VMX_CR0_FIXED1);
    c->cr4_fixed0 = rdmsr(IA32_VMX_CR4_FIXED0);
    c->cr4_fixed1 = rdmsr(IA32_VMX_CR4_FIXED1);
    if (!resolve_word(c, WORD_PIN, exact ? IA32_VMX_TRUE_PIN : IA32_VMX_PINBASED, missing) ||
        !resolve_word(c, WORD_PROC, exact ? IA32_VMX_TRUE_PROC : IA32_VMX_PROCBASED, missing) ||
        !resolve_word(c, WORD_PROC2, IA32_VMX_PROCBASED2, missing) ||
        !resolve_word(c, WORD_EXIT, exact ? IA32_VMX_TRUE_EXIT : IA32_VMX_EXIT, missing) ||
        !resolve_word(c, WORD_ENTRY, exact ? IA32_VMX_TRUE_ENTRY : IA32_VMX_ENTRY, missing))
        return false;
    c->ept_vpid = rdmsr(IA32_VMX_EPT_VPID);
    if (c->allowed1[WORD_PROC] & PROC_TERTIARY)
        c->allowed1[WORD_PROC3] = rdmsr(IA32_VMX_PROCBASED3);
    return check_rest(c, missing);
}

bool vmx_caps_match(const struct vmx_caps *boot, const struct vmx_caps *other, const char **why)
{
    uint64_t lacks = 0;

    for (unsigned i = 0; i < WORD_COUNT; i++) {
        if (boot->controls[i] != other->controls[i]) {
            *why = "its VMX controls differ from the boot CPU's";
            return false;
        }
    }
    for (unsigned i = 0; i < WORD_COUNT; i++) {
        lacks |= wanted((enum control_word)i, PER_VM) & boot->allowed1[i] & ~other->allowed1[i];
    }
    if (lacks) {
        *why = "it lacks controls that the boot CPU has";
        return false;
    }
    if (boot->revision != other->revision || boot->ept_vpid != other->ept_vpid) {
        *why = "its VMCS revision or EPT capabilities differ from the boot CPU's";
        return false;
    }
    return true;
}

void vmx_controls_print(enum control_word word, uint64_t value)
{
    static const char *const names[WORD_COUNT] = {"pin-based", "primary",  "secondary",
                                                  "VM-exit",   "VM-entry", "tertiary"};

    char text[512];
    size_t n =
        (size_t)format(text, sizeof(text), "  %s controls %llx:", names[word], (unsigned long long)value);

    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
        if (controls[i].word == word && (value & controls[i].bit)) {
            n += (size_t)format(text + n, sizeof(text) - n, " %s,", controls[i].name);
            n = MIN(n, sizeof(text) - 1);
            value &= ~controls[i].bit;
        }
    }
    print("%s others %llx\n", text, (unsigned long long)value);
}

static void row(const char *name, bool present, const char *used)
{
    print("  %-32s %-8s %s\n", name, present ? "present" : "absent", used);
}

void vmx_caps_explain(const struct vmx_caps *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
        const struct control *k = &controls[i];
        bool present = c->allowed1[k->word] & k->bit;

        if (k->bit == PIN_PREEMPTION_TIMER && k->word == WORD_PIN && present && !vmx_hv_timer_usable())
            row(k->name, present, "host timer: this CPU's is known to be broken");
        else if (k->use == LIKE || k->use == PER_VM)
            row(k->name, present, present ? "used" : k->instead);
        else if (k->use == SHOW)
            row(k->name, present, present ? "not used yet" : k->instead);
    }
    row("EPT 1 GiB pages", c->ept_vpid & EPT_PAGE_1G, c->ept_vpid & EPT_PAGE_1G ? "used" : "2 MiB pages");
    row("EPT 2 MiB pages", c->ept_vpid & EPT_PAGE_2M, c->ept_vpid & EPT_PAGE_2M ? "used" : "4 KiB pages");
}
