/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt ladder: each combination of capabilities, settings of a VM and boot options. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "vmx/ladder.c"

#include <stdarg.h>
#include <string.h>

struct vmx_caps vmx_caps;

static bool off_at_boot[4]; /* in the order of the keys */
static bool below_kvm;
static char printed[200];
static const char *const keys[] = {"tpr-shadow", "apicv", "posted", "ipiv"};

void print(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(printed + strlen(printed), sizeof(printed) - strlen(printed), fmt, args);
    va_end(args);
}

bool cpu_below_kvm(void)
{
    return below_kvm;
}

bool config_is_off(const struct vm_config *c, const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!strcmp(keys[i], name))
            return c->off[i];
    }
    fail_msg("no switch %s", name);
    return false;
}

bool machine_option_off(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (!strcmp(name, keys[i]))
            return off_at_boot[i];
    fail_msg("no boot option %s=off", name);
    return false;
}

/* --- what must come out, written once more and without the code's table --- */

enum {
    HAS_TPR,
    HAS_ACCESSES,
    HAS_REGISTERS,
    HAS_DELIVERY,
    HAS_X2APIC,
    HAS_POSTED,
    HAS_TERTIARY,
    HAS_IPIV,
    HAS_ALL
};

static const struct {
    enum control_word word;
    uint64_t bit;
} capabilities[HAS_ALL] = {
    [HAS_TPR] = {WORD_PROC, BIT(21)},       [HAS_ACCESSES] = {WORD_PROC2, BIT(0)},
    [HAS_REGISTERS] = {WORD_PROC2, BIT(8)}, [HAS_DELIVERY] = {WORD_PROC2, BIT(9)},
    [HAS_X2APIC] = {WORD_PROC2, BIT(4)},    [HAS_POSTED] = {WORD_PIN, BIT(7)},
    [HAS_TERTIARY] = {WORD_PROC, BIT(17)},  [HAS_IPIV] = {WORD_PROC3, BIT(4)},
};

struct step {
    const char *name, *key;
    bool there, wanted, allowed; /* by the CPU, the configuration, the boot options */
    bool deaf;                   /* below KVM, to what should end a guest's own HLT */
};

/* set: a bit per capability. */
static void describe(struct step steps[RUNG_COUNT], unsigned set, const struct vm_config *c)
{
#define BOTH(a, b) ((set >> (a)&1) && (set >> (b)&1))
    steps[0] = (struct step){"software local APIC", NULL, true, true, true};
    steps[1] = (struct step){"TPR shadow", keys[0], BOTH(HAS_TPR, HAS_ACCESSES), !c->off[0], !off_at_boot[0]};
    steps[2] = (struct step){"virtual-interrupt delivery", keys[1], BOTH(HAS_REGISTERS, HAS_DELIVERY),
                             !c->off[1], !off_at_boot[1]};
    steps[3] =
        (struct step){"x2APIC virtualization", NULL, !c->x2apic || (set >> HAS_X2APIC & 1), true, true};
    steps[4] = (struct step){"posted interrupts", keys[2],         set >> HAS_POSTED & 1,
                             !c->off[2],          !off_at_boot[2], below_kvm && !c->hlt_exits};
    steps[5] = (struct step){"IPI virtualization", keys[3], BOTH(HAS_TERTIARY, HAS_IPIV), !c->off[3],
                             !off_at_boot[3]};
#undef BOTH
}

static unsigned highest(const struct step steps[RUNG_COUNT])
{
    unsigned at = 0;

    for (unsigned i = 1; i < RUNG_COUNT; i++) {
        if (!steps[i].there || !steps[i].wanted || !steps[i].allowed || steps[i].deaf)
            break;
        at = i;
    }
    return at;
}

/* The first thing that is in the way: a CPU without it, then the configuration, then a boot option. */
static void expected_line(char *line, size_t size, const struct step steps[RUNG_COUNT], unsigned at,
                          bool x2apic)
{
    int n = snprintf(line, size, "    interrupts by %s (%s)", steps[at].name,
                     x2apic ? "xAPIC and x2APIC" : "xAPIC only");
    const struct step *next = &steps[at + 1];

    if (at + 1 < RUNG_COUNT) {
        n += snprintf(line + n, size - (size_t)n, ", not %s: ", next->name);
        if (!next->there)
            n += snprintf(line + n, size - (size_t)n, "this CPU has none");
        else if (!next->wanted)
            n += snprintf(line + n, size - (size_t)n, "%s=off", next->key);
        else if (!next->allowed)
            n += snprintf(line + n, size - (size_t)n, "boot option %s=off", next->key);
        else
            n += snprintf(line + n, size - (size_t)n, "KVM may lose wake-ups with hlt-exits = off");
    }
    snprintf(line + n, size - (size_t)n, "\n");
}

static void set_capabilities(unsigned set, uint64_t others)
{
    for (unsigned word = 0; word < WORD_COUNT; word++)
        vmx_caps.allowed1[word] = others;
    for (unsigned i = 0; i < HAS_ALL; i++) {
        uint64_t *word = &vmx_caps.allowed1[capabilities[i].word];

        *word = set >> i & 1 ? *word | capabilities[i].bit : *word & ~capabilities[i].bit;
    }
}

static unsigned reached[RUNG_COUNT];

static void check(unsigned set, const struct vm_config *c)
{
    struct step steps[RUNG_COUNT];
    char line[200];
    unsigned at;

    describe(steps, set, c);
    at = highest(steps);
    reached[at]++;
    if (vmx_rung(c) != at)
        fail_msg("capabilities %x: rung %u, expected %u", set, vmx_rung(c), at);
    printed[0] = 0;
    vmx_rung_explain(c);
    expected_line(line, sizeof(line), steps, at, c->x2apic);
    assert_string_equal(printed, line);
}

/* All capabilities there are, in any combination; what else the CPU has does not matter. */
static void every_combination(void **state)
{
    static const uint64_t others[] = {0, UINT64_MAX};
    unsigned long cases = 0;

    (void)state;
    memset(reached, 0, sizeof(reached));
    for (unsigned set = 0; set < 1u << HAS_ALL; set++) {
        for (unsigned switches = 0; switches < 1u << 11; switches++, cases++) {
            struct vm_config c = {.off[0] = !(switches & 1),
                                  .off[1] = !(switches & 2),
                                  .off[2] = !(switches & 4),
                                  .off[3] = !(switches & 8),
                                  .x2apic = switches & 16,
                                  .hlt_exits = switches & 512};

            below_kvm = switches & 1024;
            for (unsigned i = 0; i < ARRAY_SIZE(off_at_boot); i++)
                off_at_boot[i] = switches >> (5 + i) & 1;
            set_capabilities(set, others[cases & 1]);
            check(set, &c);
        }
    }
    for (unsigned i = 0; i < RUNG_COUNT; i++)
        assert_true(reached[i] > 0);
    print_message("%lu combinations\n", cases);
}

/* One thing missing at a time, as the page at the start says it. */
static void in_words(void **state)
{
    static const struct {
        unsigned without; /* a capability, or HAS_ALL + a key, or + 4 for the boot option */
        const char *line;
    } cases[] = {
        {HAS_TPR, "software local APIC (xAPIC and x2APIC), not TPR shadow: this CPU has none\n"},
        {HAS_ACCESSES, "software local APIC (xAPIC and x2APIC), not TPR shadow: this CPU has none\n"},
        {HAS_REGISTERS, "TPR shadow (xAPIC and x2APIC), not virtual-interrupt delivery: this CPU has none\n"},
        {HAS_DELIVERY, "TPR shadow (xAPIC and x2APIC), not virtual-interrupt delivery: this CPU has none\n"},
        {HAS_X2APIC,
         "virtual-interrupt delivery (xAPIC and x2APIC), not x2APIC virtualization: this CPU has none\n"},
        {HAS_POSTED, "x2APIC virtualization (xAPIC and x2APIC), not posted interrupts: this CPU has none\n"},
        {HAS_TERTIARY, "posted interrupts (xAPIC and x2APIC), not IPI virtualization: this CPU has none\n"},
        {HAS_IPIV, "posted interrupts (xAPIC and x2APIC), not IPI virtualization: this CPU has none\n"},
        {HAS_ALL, "software local APIC (xAPIC and x2APIC), not TPR shadow: tpr-shadow=off\n"},
        {HAS_ALL + 1, "TPR shadow (xAPIC and x2APIC), not virtual-interrupt delivery: apicv=off\n"},
        {HAS_ALL + 2, "x2APIC virtualization (xAPIC and x2APIC), not posted interrupts: posted=off\n"},
        {HAS_ALL + 3, "posted interrupts (xAPIC and x2APIC), not IPI virtualization: ipiv=off\n"},
        {HAS_ALL + 4, "software local APIC (xAPIC and x2APIC), not TPR shadow: boot option tpr-shadow=off\n"},
        {HAS_ALL + 7, "posted interrupts (xAPIC and x2APIC), not IPI virtualization: boot option ipiv=off\n"},
        {HAS_ALL + 8, "IPI virtualization (xAPIC and x2APIC)\n"},
    };

    (void)state;
    below_kvm = false;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned without = cases[i].without;
        struct vm_config c = {.off[0] = without == HAS_ALL,
                              .off[1] = without == HAS_ALL + 1,
                              .off[2] = without == HAS_ALL + 2,
                              .off[3] = without == HAS_ALL + 3,
                              .x2apic = true};

        for (unsigned k = 0; k < ARRAY_SIZE(off_at_boot); k++)
            off_at_boot[k] = without == HAS_ALL + 4 + k;
        set_capabilities(~(without < HAS_ALL ? 1u << without : 0), 0);
        printed[0] = 0;
        vmx_rung_explain(&c);
        assert_int_equal(strncmp(printed, "    interrupts by ", 18), 0);
        assert_string_equal(printed + 18, cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_combination), cmocka_unit_test(in_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
