/* SPDX-License-Identifier: BSD-2-Clause */
/* The TSC's rate, by timers that count, stand still, or are not there. */
#include "tests/unit/unit.h"

#define inb   real_inb
#define inl   real_inl
#define outb  real_outb
#define rdtsc real_rdtsc
#define cpuid real_cpuid
#include "arch/x86/cpu.h"
#undef inb
#undef inl
#undef outb
#undef rdtsc
#undef cpuid

#define PM_PORT 0x608

enum answer { COUNTS, STANDS_STILL, READS_ONES };

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static uint64_t tsc, rate, pit_start;
static enum answer pm, pit;
static struct cpuid leaf_15, leaf_16;

static uint64_t rdtsc(void)
{
    return tsc += 50;
}

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    if (leaf == 0)
        return (struct cpuid){0x16, 0, 0, 0};
    return leaf == 0x15 ? leaf_15 : leaf_16;
}

static uint32_t inl(uint16_t port)
{
    assert_int_equal(port, PM_PORT);
    tsc += 1000;
    if (pm == READS_ONES)
        return UINT32_MAX;
    return pm == COUNTS ? (uint32_t)((unsigned __int128)tsc * 3579545 / rate) : 1234;
}

static uint8_t inb(uint16_t port)
{
    assert_int_equal(port, 0x61);
    tsc += 1000;
    if (pit == READS_ONES)
        return 0xff;
    return pit == COUNTS && tsc - pit_start >= rate / 50 ? 0x20 : 0;
}

static void outb(uint16_t port, uint8_t value)
{
    (void)value;
    if (port == 0x42)
        pit_start = tsc;
}

#include "arch/x86/clock.c"

#include <string.h>

static int set_up(void **state)
{
    (void)state;
    tsc = UINT64_C(123456789012);
    rate = UINT64_C(2900000000);
    pm = pit = COUNTS;
    leaf_15 = leaf_16 = (struct cpuid){0, 0, 0, 0};
    return 0;
}

static void expect_rate(uint16_t port, const char *by)
{
    const char *source;
    uint64_t hz = clock_measure_tsc(port, &source);

    assert_in_range(hz, rate - rate / 1000, rate + rate / 1000);
    assert_non_null(strstr(source, by));
}

static void each_timer(void **state)
{
    static const uint64_t rates[] = {UINT64_C(100000000), UINT64_C(2100000000), UINT64_C(6000000000)};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        rate = rates[i];
        expect_rate(PM_PORT, "ACPI");
        expect_rate(0, "8254");
    }
}

/* A FADT that names a timer which is switched off. */
static void dead_acpi_timer(void **state)
{
    (void)state;
    pm = STANDS_STILL;
    expect_rate(PM_PORT, "8254");
    pm = READS_ONES;
    expect_rate(PM_PORT, "8254");
}

/* "Time is over" at once, or never. */
static void dead_8254(void **state)
{
    (void)state;
    leaf_15 = (struct cpuid){2, 232, 25000000, 0};
    pit = READS_ONES;
    expect_rate(0, "CPUID");
    pit = STANDS_STILL;
    expect_rate(0, "CPUID");
    leaf_15.ecx = 0;
    leaf_16.eax = 2900;
    expect_rate(0, "CPUID");
}

static void nothing_counts(void **state)
{
    const char *source;

    (void)state;
    pm = pit = STANDS_STILL;
    assert_int_equal(clock_measure_tsc(PM_PORT, &source), 0);
    pit = READS_ONES;
    assert_int_equal(clock_measure_tsc(PM_PORT, &source), 0);
    leaf_16.eax = 1; /* 1 MHz */
    assert_int_equal(clock_measure_tsc(PM_PORT, &source), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_timer, set_up),
        cmocka_unit_test_setup(dead_acpi_timer, set_up),
        cmocka_unit_test_setup(dead_8254, set_up),
        cmocka_unit_test_setup(nothing_counts, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
