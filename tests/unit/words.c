/* SPDX-License-Identifier: BSD-2-Clause */
/* What is typed in the monitor: words, numbers, and registers of flags in words. */
#include "tests/unit/unit.h"

#include "core/base/bit_names.h"
#include "core/base/words.h"

#include <string.h>

static void splitting(void **state)
{
    static const struct {
        const char *text;
        unsigned count;
        const char *first, *second, *third;
    } cases[] = {
        {"", 0, "", "", ""},
        {"   ", 0, "", "", ""},
        {"vm", 1, "vm", "", ""},
        {"  dump   regs  ", 2, "dump", "regs", ""},
        {"x alpha 1000", 3, "x", "alpha", "1000"},
        {"one two three four", 4, "one", "two", "three"}, /* counted, not kept */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *words[3];
        char text[64];

        strcpy(text, cases[i].text);
        assert_int_equal(words_split(text, words, 3), cases[i].count);
        assert_string_equal(words[0], cases[i].first);
        assert_string_equal(words[1], cases[i].second);
        assert_string_equal(words[2], cases[i].third);
    }
}

static void numbers(void **state)
{
    static const struct {
        const char *word;
        unsigned base;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"0", 10, true, 0},
        {"64", 10, true, 64},
        {"64", 16, true, 0x64},
        {"0x64", 10, true, 0x64},
        {"0XaF", 16, true, 0xaf},
        {"ffffffff81000000", 16, true, 0xffffffff81000000},
        {"ffffffffffffffff", 16, true, UINT64_MAX},
        {"18446744073709551615", 10, true, UINT64_MAX},
        {"18446744073709551616", 10, false, 0},
        {"10000000000000000", 16, false, 0},
        {"", 10, false, 0},
        {"0x", 16, false, 0},
        {"1f", 10, false, 0},
        {"fg", 16, false, 0},
        {"-1", 10, false, 0},
        {"1 ", 10, false, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t value = 0;

        assert_int_equal(words_number(cases[i].word, cases[i].base, &value), cases[i].ok);
        assert_int_equal(value, cases[i].value); /* untouched when it is none */
    }
}

static void finding(void **state)
{
    static const char *const list[] = {"info", "debug"};

    (void)state;
    assert_int_equal(words_find("info", list, 2), 0);
    assert_int_equal(words_find("debug", list, 2), 1);
    assert_int_equal(words_find("deb", list, 2), 2);
    assert_int_equal(words_find("", list, 2), 2);
}

static void flags(void **state)
{
    static const struct {
        enum flag_register which;
        uint64_t value;
        const char *names;
    } cases[] = {
        {FLAGS_RFLAGS, 2, ""},
        {FLAGS_RFLAGS, 0x246, "IF ZF PF"},
        {FLAGS_RFLAGS, 0x7ed7, "NT OF DF IF SF ZF AF PF CF"},
        {FLAGS_RFLAGS, 0x10102, "RF TF"},
        {FLAGS_RFLAGS, UINT64_C(1) << 40 | 8, "bit 40 bit 3"},
        {FLAGS_CR0, 0x80050033, "PG AM WP NE ET MP PE"},
        {FLAGS_CR4, 0x2020, "VMXE PAE"},
        {FLAGS_EFER, 0xd01, "NXE LMA LME SCE"},
    };
    char text[BIT_NAMES];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(bit_names(cases[i].which, cases[i].value, text), cases[i].names);
    bit_names(FLAGS_RFLAGS, UINT64_MAX, text); /* too much for the text: it ends, somewhere */
    assert_in_range(strlen(text), 100, BIT_NAMES - 1);
    for (unsigned which = FLAGS_RFLAGS; which <= FLAGS_EFER; which++) /* all that has a name fits */
        assert_in_range(strlen(bit_names((enum flag_register)which, 0x3ff6ffff, text)), 10, BIT_NAMES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting),
        cmocka_unit_test(numbers),
        cmocka_unit_test(finding),
        cmocka_unit_test(flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
