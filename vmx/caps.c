/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/caps.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "core/base/format.h"
#include "core/base/panic.h"
#include "vmx/vmcs.h"

struct vmx_caps vmx_caps;

const struct vmx_bit vmx_bits[] = {
#define BIT_ROW(word, symbol, number, use, name, instead) {WORD_##word, BIT(number), use, name, instead},
    CONTROL_BITS(BIT_ROW) CAPABILITY_BITS(BIT_ROW)
#undef BIT_ROW
};
const unsigned vmx_bit_count = ARRAY_SIZE(vmx_bits);

bool vmx_control_resolve(uint32_t allowed0, uint32_t allowed1, uint32_t need, uint32_t like, uint32_t *out)
{
    *out = ((need | like) & allowed1) | allowed0;
    return (need & ~allowed1) == 0;
}

static uint64_t wanted(enum control_word word, enum bit_use use)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < vmx_bit_count; i++) {
        if (vmx_bits[i].word == word && vmx_bits[i].use == use)
            bits |= vmx_bits[i].bit;
    }
    return bits;
}

/* The first one of this use that the processor lacks, or NULL. */
static const char *lacks(enum control_word word, enum bit_use use, uint64_t present)
{
    for (unsigned i = 0; i < vmx_bit_count; i++) {
        if (vmx_bits[i].word == word && vmx_bits[i].use == use && !(vmx_bits[i].bit & present))
            return vmx_bits[i].name;
    }
    return NULL;
}

uint64_t vmx_caps_present(const struct vmx_caps *c, enum control_word word)
{
    switch (word) {
    case WORD_BASIC: return c->basic;
    case WORD_MISC: return c->misc;
    case WORD_EPT:
    case WORD_VPID: return c->ept_vpid;
    default: return c->allowed1[word];
    }
}

static bool resolve_word(struct vmx_caps *caps, enum control_word word, uint32_t msr, const char **missing)
{
    uint64_t value = rdmsr(msr);
    uint32_t resolved;
    bool complete =
        vmx_control_resolve((uint32_t)value, (uint32_t)(value >> 32), (uint32_t)wanted(word, NEED),
                            (uint32_t)wanted(word, LIKE), &resolved);

    caps->must_be_1[word] = (uint32_t)value;
    caps->allowed1[word] = value >> 32;
    caps->controls[word] = resolved;
    if (complete)
        return true;
    *missing = lacks(word, NEED, caps->allowed1[word]);
    ASSERT(*missing);
    return false;
}

/* What the resolution of the words has not seen to: the first that is missing, or NULL. */
static const char *missing_rest(const struct vmx_caps *c)
{
    for (unsigned i = 0; i < WORD_ALL; i++) {
        enum control_word word = (enum control_word)i;
        uint64_t present = vmx_caps_present(c, word);
        const char *name = lacks(word, SWITCHED, present);

        if (!name && word >= WORD_COUNT)
            name = lacks(word, NEED, present);
        if (name)
            return name;
    }
    /* As without the TRUE MSRs. */
    return c->controls[WORD_PROC] & wanted(WORD_PROC, OFF) ? "CR3 access without exits" : NULL;
}

bool vmx_caps_read(struct vmx_caps *c, const char **missing)
{
    uint64_t basic = rdmsr(IA32_VMX_BASIC);
    bool exact = basic & BASIC_TRUE_CONTROLS;
    const char *rest;

    *c = (struct vmx_caps){
        .revision = (uint32_t)basic & 0x7fffffff, .misc = rdmsr(IA32_VMX_MISC), .basic = basic};
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
    rest = missing_rest(c);
    if (rest)
        *missing = rest;
    return !rest;
}

/* What VMCSs have in a word by the boot CPU's capabilities: always, and where a VM wants it. */
static uint64_t in_use(const struct vmx_caps *boot, enum control_word word)
{
    return boot->controls[word] | (wanted(word, PER_VM) & boot->allowed1[word]);
}

/* Bits that are asked for where they are there: the boot CPU's answer was taken for all. */
static uint64_t relied_on(const struct vmx_caps *boot, enum control_word word)
{
    return (wanted(word, NEED) | wanted(word, LIKE) | wanted(word, PER_VM) | wanted(word, SWITCHED)) &
           vmx_caps_present(boot, word);
}

/* One CPU at a time asks. */
static const char *lacks_one_of(enum control_word word, uint64_t bits)
{
    static char text[96];
    const char *name = "a VMX control without a name";

    for (unsigned i = 0; i < vmx_bit_count; i++) {
        if (vmx_bits[i].word == word && (vmx_bits[i].bit & bits))
            name = vmx_bits[i].name;
    }
    format(text, sizeof(text), "it lacks %s, which the boot CPU has", name);
    return text;
}

static const char *mismatch(const struct vmx_caps *boot, const struct vmx_caps *other)
{
    for (unsigned i = 0; i < WORD_ALL; i++) {
        enum control_word word = (enum control_word)i;
        bool control = word < WORD_COUNT;
        uint64_t needs = control ? in_use(boot, word) : relied_on(boot, word);

        if (needs & ~vmx_caps_present(other, word))
            return lacks_one_of(word, needs & ~vmx_caps_present(other, word));
        if (control && (other->must_be_1[word] & ~boot->controls[word]))
            return "it has VMX controls always on that the boot CPU has not";
    }
    if (boot->revision != other->revision)
        return "its VMCS revision differs from the boot CPU's";
    if (MISC_TIMER_SHIFT(boot->misc) != MISC_TIMER_SHIFT(other->misc))
        return "its preemption timer has another rate than the boot CPU's";
    return MISC_CR3_TARGETS(other->misc) < MISC_CR3_TARGETS(boot->misc)
               ? "it takes fewer CR3 targets than the boot CPU"
               : NULL;
}

bool vmx_caps_match(const struct vmx_caps *boot, const struct vmx_caps *other, const char **why)
{
    *why = mismatch(boot, other);
    return !*why;
}
