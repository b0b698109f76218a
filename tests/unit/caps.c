/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX capabilities: how a control word comes about, and what a processor below the floor is told to lack. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "vmx/caps.c"
#include "vmx/caps_print.c"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static unsigned rows_printed;
static char printed[4096];

void print(const char *fmt, ...)
{
    size_t used = strlen(printed);
    va_list args;

    rows_printed++;
    va_start(args, fmt);
    vsnprintf(printed + used, sizeof(printed) - used, fmt, args);
    va_end(args);
}

bool vmx_hv_timer_usable(void)
{
    return false;
}

/* A processor that can do everything: all bits may be 1, those that always are 1 must. */
static int set_up(void **state)
{
    static const uint32_t words[] = {IA32_VMX_TRUE_PIN,  IA32_VMX_TRUE_PROC,  IA32_VMX_PROCBASED2,
                                     IA32_VMX_TRUE_EXIT, IA32_VMX_TRUE_ENTRY, IA32_VMX_PROCBASED3};

    (void)state;
    fake_msr_count = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        fake_msr_set(words[i], UINT64_C(0xffffffff00000000));
    fake_msr_set(IA32_VMX_TRUE_PIN, UINT64_C(0xffffffff00000016));
    fake_msr_set(IA32_VMX_BASIC, BASIC_TRUE_CONTROLS | 0x12345678);
    fake_msr_set(IA32_VMX_MISC, MISC_STORES_LMA);
    fake_msr_set(IA32_VMX_CR0_FIXED0, 0x80000021);
    fake_msr_set(IA32_VMX_CR0_FIXED1, UINT32_MAX);
    fake_msr_set(IA32_VMX_CR4_FIXED0, 0x2000);
    fake_msr_set(IA32_VMX_CR4_FIXED1, 0x7fffff);
    fake_msr_set(IA32_VMX_EPT_VPID, UINT64_MAX);
    fake_msr_set(IA32_VMX_PROCBASED3, PROC3_IPI);
    return 0;
}

static void resolve_random(void **state)
{
    (void)state;
    srand(3);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t allowed1 = (uint32_t)rand() << 1 ^ (uint32_t)rand(), allowed0 = allowed1 & (uint32_t)rand();
        uint32_t need = (uint32_t)(rand() & rand() & rand()), like = (uint32_t)rand(), out;
        bool ok = vmx_control_resolve(allowed0, allowed1, need, like, &out), possible = true;

        for (unsigned bit = 0; bit < 32; bit++) {
            uint32_t b = UINT32_C(1) << bit;
            bool wanted = (need | like) & b;

            if (allowed0 & b)
                assert_true(out & b);
            else if (allowed1 & b)
                assert_int_equal(!!(out & b), wanted);
            else
                assert_false(out & b);
            if ((need & b) && !(allowed1 & b))
                possible = false;
        }
        assert_int_equal(ok, possible);
    }
}

static void all_there(void **state)
{
    const char *missing = "nothing";
    struct vmx_caps c;

    (void)state;
    assert_true(vmx_caps_read(&c, &missing));
    assert_string_equal(missing, "nothing");
    assert_int_equal(c.revision, 0x12345678);
    assert_int_equal(c.controls[WORD_PIN], 0x16 | PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI);
    assert_true(c.controls[WORD_PROC2] & PROC2_RDTSCP);
    assert_int_equal(c.allowed1[WORD_PROC3], PROC3_IPI);
    /* What is switched while a guest runs, and what is only shown, is not set. */
    assert_false(c.controls[WORD_PROC] &
                 (PROC_INTERRUPT_WINDOW | PROC_NMI_WINDOW | PROC_MOV_DR | PROC_CR3_LOAD | PROC_CR3_STORE |
                  PROC_TPR_SHADOW | PROC_TERTIARY | PROC_MTF));
    assert_false(c.controls[WORD_ENTRY] & ENTRY_IA32E);
    assert_false(c.controls[WORD_PROC2] & (PROC2_VIRTUALIZE_APIC | PROC2_X2APIC | PROC2_VIRTUAL_DELIVERY));
}

static uint32_t msr_of(enum control_word word)
{
    static const uint32_t msrs[] = {
        IA32_VMX_TRUE_PIN,   IA32_VMX_TRUE_PROC, IA32_VMX_PROCBASED2, IA32_VMX_TRUE_EXIT, IA32_VMX_TRUE_ENTRY,
        IA32_VMX_PROCBASED3, IA32_VMX_BASIC,     IA32_VMX_MISC,       IA32_VMX_EPT_VPID,  IA32_VMX_EPT_VPID};

    return msrs[word];
}

/* Without one bit at a time: needed ones are named, the others are done without. */
static void each_one_missing(void **state)
{
    for (unsigned i = 0; i < vmx_bit_count; i++) {
        const struct vmx_bit *b = &vmx_bits[i];
        bool needed = b->use == NEED || b->use == SWITCHED;
        const char *missing = NULL;
        struct vmx_caps c;

        set_up(state);
        *fake_msr(msr_of(b->word)) &=
            b->word >= WORD_PROC3 ? ~b->bit : ~(b->bit << 32 | b->bit); /* the others have two halves */
        if (b->word == WORD_BASIC) /* what says which MSRs there are is a test of its own */
            continue;
        assert_int_equal(vmx_caps_read(&c, &missing), !needed);
        if (needed)
            assert_string_equal(missing, b->name);
        if (b->use == LIKE || b->use == PER_VM || b->use == DEBUG)
            assert_non_null(b->instead);
        assert_false(vmx_caps_present(&c, b->word) & b->bit);
    }
}

/* A bit stands in one row, and names tell bits of a word apart. */
static void rows_differ(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmx_bit_count; i++) {
        for (unsigned k = 0; k < i; k++) {
            if (vmx_bits[i].word != vmx_bits[k].word)
                continue;
            assert_int_not_equal(vmx_bits[i].bit, vmx_bits[k].bit);
            assert_string_not_equal(vmx_bits[i].name, vmx_bits[k].name);
        }
    }
}

static void rest_of_the_floor(void **state)
{
    static const struct {
        uint32_t msr;
        uint64_t clear, set;
        const char *missing;
    } cases[] = {
        {IA32_VMX_EPT_VPID, EPT_WALK_4, 0, "4-level EPT"},
        {IA32_VMX_EPT_VPID, EPT_TYPE_WB, 0, "write-back EPT structures"},
        {IA32_VMX_EPT_VPID, EPT_INVEPT, 0, "INVEPT"},
        {IA32_VMX_EPT_VPID, EPT_INVEPT_ALL, 0, "INVEPT, all contexts"},
        {IA32_VMX_EPT_VPID, VPID_INVVPID, 0, "INVVPID"},
        {IA32_VMX_EPT_VPID, VPID_ALL, 0, "INVVPID, all contexts"},
        {IA32_VMX_MISC, MISC_STORES_LMA, 0, "storing of EFER.LMA on exit"},
        {IA32_VMX_TRUE_PROC, 0, PROC_CR3_LOAD, "CR3 access without exits"},
        {IA32_VMX_TRUE_PROC, PROC_NMI_WINDOW << 32, 0, "NMI-window exiting"},
        {IA32_VMX_TRUE_ENTRY, ENTRY_IA32E << 32, 0, "IA-32e-mode guest"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *missing = NULL;
        struct vmx_caps c;

        set_up(state);
        *fake_msr(cases[i].msr) = (*fake_msr(cases[i].msr) & ~cases[i].clear) | cases[i].set;
        assert_false(vmx_caps_read(&c, &missing));
        assert_string_equal(missing, cases[i].missing);
    }
}

/* Old processors: no TRUE MSRs, no secondary controls. MSRs they do not have are not read (that aborts). */
static void first_generation(void **state)
{
    const char *missing = NULL;
    struct vmx_caps c;

    (void)state;
    fake_msr_count = 0;
    fake_msr_set(IA32_VMX_BASIC, 0x0d);
    fake_msr_set(IA32_VMX_MISC, 0);
    for (uint32_t msr = IA32_VMX_CR0_FIXED0; msr <= IA32_VMX_CR4_FIXED1; msr++)
        fake_msr_set(msr, 0);
    fake_msr_set(IA32_VMX_PINBASED, UINT64_C(0x3f00000016));
    fake_msr_set(IA32_VMX_PROCBASED, UINT64_C(0x77b9fffe0401e172));
    assert_false(vmx_caps_read(&c, &missing));
    assert_string_equal(missing, "secondary controls");
}

/* Each bit of each word, hidden on the other CPU: it is left out for what is used, and for nothing else. */
static void other_cpus_lack(const struct vmx_caps *boot, enum control_word word, uint64_t bit)
{
    struct vmx_caps other = *boot;
    bool used = false;
    const char *why;

    for (unsigned i = 0; i < vmx_bit_count; i++) {
        const struct vmx_bit *b = &vmx_bits[i];

        if (b->word == word && b->bit == bit)
            used |= b->use == NEED || b->use == LIKE || b->use == PER_VM ||
                    (b->use == SWITCHED && word >= WORD_COUNT);
    }
    if (word < WORD_COUNT) {
        used |= boot->controls[word] & bit;
        other.allowed1[word] &= ~bit;
    } else if (word == WORD_BASIC) {
        other.basic &= ~bit;
    } else if (word == WORD_MISC) {
        other.misc &= ~bit;
    } else {
        other.ept_vpid &= ~bit;
    }
    assert_int_equal(vmx_caps_match(boot, &other, &why), !(used && (vmx_caps_present(boot, word) & bit)));
}

static void other_cpus(void **state)
{
    const char *missing, *why = "";
    struct vmx_caps boot, other;

    (void)state;
    assert_true(vmx_caps_read(&boot, &missing));
    other = boot;
    assert_true(vmx_caps_match(&boot, &other, &why));
    assert_null(why);
    for (unsigned i = 0; i < vmx_bit_count; i++)
        other_cpus_lack(&boot, vmx_bits[i].word, vmx_bits[i].bit);
    other.must_be_1[WORD_EXIT] = (uint32_t)~boot.controls[WORD_EXIT];
    assert_false(vmx_caps_match(&boot, &other, &why));
    assert_non_null(strstr(why, "always on"));
    other = boot;
    other.revision++;
    assert_false(vmx_caps_match(&boot, &other, &why));
    assert_non_null(strstr(why, "revision"));
    other = boot;
    other.misc ^= 5; /* the shift */
    assert_false(vmx_caps_match(&boot, &other, &why));
    assert_non_null(strstr(why, "rate"));
    other = boot;
    other.misc |= 2 << 16; /* more is no harm */
    assert_true(vmx_caps_match(&boot, &other, &why));
    assert_false(vmx_caps_match(&other, &boot, &why));
    assert_non_null(strstr(why, "CR3 targets"));
}

/* The page at boot shows what is optional, the monitor all there is. */
static void explain_rows(void **state)
{
    unsigned optional = 0;
    const char *missing;
    struct vmx_caps c;

    (void)state;
    assert_true(vmx_caps_read(&c, &missing));
    for (unsigned i = 0; i < vmx_bit_count; i++)
        optional += vmx_bits[i].word < WORD_COUNT && (vmx_bits[i].use == LIKE || vmx_bits[i].use == PER_VM);
    rows_printed = 0;
    vmx_caps_explain(&c);
    assert_int_equal(rows_printed, optional + 2);
    rows_printed = 0;
    vmx_caps_print(&c);
    assert_int_equal(rows_printed, 1 + WORD_ALL + vmx_bit_count);
}

/* The bits of a control word by name, what has no name by number. */
static void decoding(void **state)
{
    (void)state;
    printed[0] = 0;
    vmx_controls_print(WORD_PIN, PIN_NMI | PIN_EXTERNAL_INTERRUPT | 0x16);
    assert_string_equal(printed, "  pin-based controls 1f:\n"
                                 "    external-interrupt exiting, NMI exiting, others 16\n");
    printed[0] = 0;
    vmx_controls_print(WORD_PROC3, 0);
    assert_string_equal(printed, "  tertiary controls 0:\n");
    printed[0] = 0;
    vmx_controls_print(WORD_PROC2, UINT64_MAX); /* all of them, on lines that fit */
    for (char *at = printed, *end; (end = strchr(at, '\n')); at = end + 1)
        assert_in_range(end - at, 1, 104);
    for (unsigned i = 0; i < vmx_bit_count; i++)
        assert_true(vmx_bits[i].word != WORD_PROC2 || strstr(printed, vmx_bits[i].name));
    assert_non_null(strstr(printed, "others ffffffff20000000"));
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(resolve_random),    TEST(all_there),        TEST(each_one_missing),
        TEST(rest_of_the_floor), TEST(first_generation), TEST(other_cpus),
        TEST(explain_rows),      TEST(rows_differ),      TEST(decoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
