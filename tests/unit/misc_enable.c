/* SPDX-License-Identifier: BSD-2-Clause */
/* IA32_MISC_ENABLE as a CPU whose CPUID follows it: what the firmware hid is there again, and nothing else is
 * written. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "arch/x86/msr.h"

#define OTHER_BITS (BIT(0) | BIT(16) | BIT(18))

static bool intel;
static unsigned writes;

static struct cpuid hiding_cpuid(uint32_t leaf)
{
    uint64_t m = fake_msr(IA32_MISC_ENABLE) ? *fake_msr(IA32_MISC_ENABLE) : 0;

    if (leaf == 0x80000001)
        return (struct cpuid){.edx = m & MISC_ENABLE_XD_DISABLE ? 0 : (uint32_t)BIT(20)};
    assert_int_equal(leaf, 0);
    return (struct cpuid){
        .eax = m & MISC_ENABLE_LIMIT_CPUID ? 2 : 0x16,
        .ebx = intel ? 0x756e6547 : 0x68747541,
        .edx = 0x49656e69,
        .ecx = 0x6c65746e,
    };
}

static void count_wrmsr(uint32_t msr, uint64_t value)
{
    writes++;
    fake_msr_set(msr, value);
}

#define cpuid(leaf, subleaf) hiding_cpuid(leaf)
#define wrmsr(msr, value)    count_wrmsr(msr, value)
#include "arch/x86/misc_enable.c"

static int set_up(void **unused)
{
    (void)unused;
    fake_msr_count = 0;
    writes = 0;
    intel = true;
    return 0;
}

static void shown_again(uint64_t hidden)
{
    fake_msr_set(IA32_MISC_ENABLE, OTHER_BITS | hidden);
    writes = 0;
    misc_enable_show_features();
    assert_int_equal(*fake_msr(IA32_MISC_ENABLE), OTHER_BITS);
    assert_int_equal(writes, 1);
}

static void what_is_hidden(void **unused)
{
    (void)unused;
    shown_again(BIT(34));
    shown_again(BIT(22));
    shown_again(BIT(34) | BIT(22));
}

/* rdmsr() of an MSR that is not there ends the test. */
static void nothing_hidden(void **unused)
{
    (void)unused;
    misc_enable_show_features();
    assert_int_equal(writes, 0);
}

static void of_another_maker(void **unused)
{
    (void)unused;
    intel = false;
    fake_msr_set(IA32_MISC_ENABLE, BIT(34));
    misc_enable_show_features();
    assert_int_equal(writes, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(what_is_hidden), TEST(nothing_hidden), TEST(of_another_maker)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
