/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX capabilities and control words in words. */
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "vmx/caps.h"
#include "vmx/hv_timer.h"
#include "vmx/state.h"

#define WIDTH 100 /* of a line of names */

static const char *const word_names[WORD_ALL] = {
    [WORD_PIN] = "pin-based controls",         [WORD_PROC] = "primary controls",
    [WORD_PROC2] = "secondary controls",       [WORD_EXIT] = "VM-exit controls",
    [WORD_ENTRY] = "VM-entry controls",        [WORD_PROC3] = "tertiary controls",
    [WORD_BASIC] = "IA32_VMX_BASIC",           [WORD_MISC] = "IA32_VMX_MISC",
    [WORD_EPT] = "IA32_VMX_EPT_VPID_CAP, EPT", [WORD_VPID] = "IA32_VMX_EPT_VPID_CAP, VPID",
};

_Static_assert(ARRAY_SIZE(word_names) == WORD_VPID + 1, "each has its name");

/* Names that are put one behind the other, in lines of their own. */
struct names {
    char text[WIDTH + 48];
    size_t used;
};

static void put_name(struct names *n, const char *name)
{
    if (n->used + strlen(name) + 2 > WIDTH) {
        print("    %s\n", n->text);
        n->used = 0;
    }
    n->used +=
        (size_t)format(n->text + n->used, sizeof(n->text) - n->used, "%s%s", n->used ? ", " : "", name);
    ASSERT(n->used < sizeof(n->text));
}

void vmx_controls_print(enum control_word word, uint64_t value)
{
    struct names names = {.used = 0};
    char number[24];

    print("  %s %llx:\n", word_names[word], (unsigned long long)value);
    for (unsigned i = 0; i < vmx_bit_count; i++) {
        if (vmx_bits[i].word == word && (value & vmx_bits[i].bit)) {
            put_name(&names, vmx_bits[i].name);
            value &= ~vmx_bits[i].bit;
        }
    }
    if (value) {
        format(number, sizeof(number), "others %llx", (unsigned long long)value);
        put_name(&names, number);
    }
    if (names.used)
        print("    %s\n", names.text);
}

static void print_bit_row(const char *name, bool present, const char *used)
{
    print("  %-38s %-8s %s\n", name, present ? "present" : "absent", used);
}

/* What comes of a bit that is taken where it is there. */
static const char *outcome(const struct vmx_bit *b, bool present, const char *used)
{
    if (b->word == WORD_PIN && b->bit == PIN_PREEMPTION_TIMER && present && !vmx_hv_timer_usable())
        return "host timer: this CPU's is known to be broken";
    return present ? used : b->instead;
}

void vmx_caps_explain(const struct vmx_caps *c)
{
    for (unsigned i = 0; i < vmx_bit_count; i++) {
        const struct vmx_bit *b = &vmx_bits[i];
        bool present = vmx_caps_present(c, b->word) & b->bit;
        bool page_size = b->word == WORD_EPT && (b->bit & (EPT_PAGES_1G | EPT_PAGES_2M));

        if (page_size || (b->word < WORD_COUNT && (b->use == LIKE || b->use == PER_VM)))
            print_bit_row(b->name, present, outcome(b, present, "used"));
    }
}

static const char *use_of(const struct vmx_bit *b, bool present)
{
    switch (b->use) {
    case NEED: return "required";
    case SWITCHED: return "required, on when it is wanted";
    case OFF: return "off, unless a VM asks for it";
    case SPARE: return "not used";
    case DEBUG: return outcome(b, present, "used by 'step'");
    case PER_VM: return outcome(b, present, "used by VMs, see below");
    default: return outcome(b, present, "used");
    }
}

static void print_word(const struct vmx_caps *c, enum control_word word)
{
    uint64_t has = vmx_caps_present(c, word);

    char always[40] = "";

    if (word < WORD_COUNT)
        format(always, sizeof(always), ", set for every VM %llx", (unsigned long long)c->controls[word]);
    print("%s: %llx%s\n", word_names[word], (unsigned long long)has, always);
    for (unsigned i = 0; i < vmx_bit_count; i++) {
        const struct vmx_bit *b = &vmx_bits[i];

        if (b->word == word)
            print_bit_row(b->name, has & b->bit, use_of(b, has & b->bit));
    }
}

void vmx_caps_print(const struct vmx_caps *c)
{
    print("VMCS revision %x of %u bytes, %u CR3 targets, preemption-timer shift %u, MSR lists of up to %u\n",
          c->revision, (unsigned)(c->basic >> 32) & 0x1fff, MISC_CR3_TARGETS(c->misc),
          MISC_TIMER_SHIFT(c->misc), MISC_MSR_LIST(c->misc));
    for (unsigned word = 0; word < WORD_ALL; word++)
        print_word(c, (enum control_word)word);
}
