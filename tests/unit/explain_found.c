/* SPDX-License-Identifier: BSD-2-Clause */
/* The page's lines on what the firmware made of a machine, on CPUs that have the MSRs and on others. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include <string.h>

#define INTEL                                    \
    {                                            \
        0x16, 0x756e6547, 0x6c65746e, 0x49656e69 \
    }

static struct cpuid vendor, leaf_1;
static bool loads_microcode; /* leaf 1 does */
static uint32_t microcode;

static uint64_t *msr(uint32_t number)
{
    return fake_msr(number);
}

static struct cpuid leaf(uint32_t number)
{
    if (number == 1 && loads_microcode && msr(0x8b) && !*msr(0x8b))
        *msr(0x8b) = (uint64_t)microcode << 32;
    return number ? leaf_1 : vendor;
}

#define cpuid(number, subleaf) leaf(number)
#include "arch/x86/revision.c"
#include "core/report/explain_found.c"

#include "core/base/format.h"

struct machine machine;
static bool x2apic;
static char text[1024];

bool rdmsr_safe(uint32_t number, uint64_t *value)
{
    if (!msr(number))
        return false;
    *value = *msr(number);
    return true;
}

bool wrmsr_safe(uint32_t number, uint64_t value)
{
    if (msr(number))
        *msr(number) = value;
    return msr(number);
}

bool lapic_in_x2apic_mode(void)
{
    return x2apic;
}

void print(const char *fmt, ...)
{
    size_t n = strlen(text);
    va_list args;

    va_start(args, fmt);
    vformat(text + n, sizeof(text) - n, fmt, args);
    va_end(args);
}

static int set_up(void **state)
{
    (void)state;
    vendor = (struct cpuid)INTEL;
    leaf_1 = (struct cpuid){.eax = 0x50654};
    loads_microcode = true;
    microcode = 0x2007006;
    x2apic = false;
    fake_msr_count = 0;
    fake_msr_set(0x8b, 0x1234567800000000); /* of something else */
    fake_msr_set(0x34, 17);
    machine.mtrrs =
        (struct mtrrs){.present = true, .enabled = true, .default_type = CACHE_UC, .variable_count = 9};
    return 0;
}

static void assert_says(const char *expected)
{
    text[0] = 0;
    explain_found();
    assert_string_equal(text, expected);
}

static void skylake(void **state)
{
    (void)state;
    assert_says("  family 6, model 85, stepping 4 (50654), microcode 2007006\n"
                "  9 variable MTRR(s) in use, default type UC\n"
                "  local APIC in xAPIC mode, as the firmware left it\n"
                "  17 SMI(s) on the boot CPU since the reset\n");
}

/* Core 2, which counts no SMIs, and whose MSR 34h is not there. */
static void penryn(void **state)
{
    (void)state;
    leaf_1.eax = 0x1067a;
    fake_msr_count = 1;
    machine.mtrrs.default_type = CACHE_WB;
    x2apic = true;
    assert_says("  family 6, model 23, stepping 10 (1067a), microcode 2007006\n"
                "  9 variable MTRR(s) in use, default type WB\n"
                "  local APIC in x2APIC mode, as the firmware left it\n"
                "  SMIs are not counted here\n");
}

/* Another maker's: its MSRs are not asked. */
static void nobody_knows(void **state)
{
    (void)state;
    vendor.ebx = 0x68747541;
    leaf_1.eax = 0xa20f12;
    machine.mtrrs.enabled = false;
    assert_says("  family 25, model 33, stepping 2 (a20f12), microcode not told\n"
                "  MTRRs are off: all memory is UC\n"
                "  local APIC in xAPIC mode, as the firmware left it\n"
                "  SMIs are not counted here\n");
    assert_int_equal(*msr(0x8b) >> 32, 0x12345678);
    set_up(NULL);
    fake_msr_count = 0; /* none of them, though the model has them */
    machine.mtrrs = (struct mtrrs){0};
    assert_says("  family 6, model 85, stepping 4 (50654), microcode not told\n"
                "  MTRRs are absent: all memory is UC\n"
                "  local APIC in xAPIC mode, as the firmware left it\n"
                "  SMIs are not counted here\n");
}

/* An emulator without microcode; a hypervisor whose count is its own. */
static void not_a_machine(void **state)
{
    (void)state;
    loads_microcode = false;
    leaf_1.ecx = 1u << 31;
    assert_says("  family 6, model 85, stepping 4 (50654), microcode not told\n"
                "  9 variable MTRR(s) in use, default type UC\n"
                "  local APIC in xAPIC mode, as the firmware left it\n"
                "  SMIs are not counted here\n");
}

static void models_that_count(void **state)
{
    static const struct {
        uint32_t signature;
        bool counts;
    } rows[] = {{0x106a5, true},  {0x106e5, true}, {0x206a7, true}, {0x106c2, false}, {0x20661, false},
                {0x30661, false}, {0x30678, true}, {0x6f6, false},  {0xf43, false},   {0xb06a2, true}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        leaf_1.eax = rows[i].signature;
        assert_int_equal(cpu_counts_smis(), rows[i].counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(skylake, set_up),           cmocka_unit_test_setup(penryn, set_up),
        cmocka_unit_test_setup(nobody_knows, set_up),      cmocka_unit_test_setup(not_a_machine, set_up),
        cmocka_unit_test_setup(models_that_count, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
