/* SPDX-License-Identifier: BSD-2-Clause */
/* The TSC's rate, by timers that count, stand still, or are not there; and the time of day. */
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

static uint64_t tsc, rate, pit_start, pit_count;
static unsigned reads, jump_at, read_cost; /* jump_at: the read behind which the CPU is away for a while */
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

/* Before the timer is read, and behind that. */
static void pass(void)
{
    tsc += read_cost / 2;
    if (++reads == jump_at)
        tsc += rate / 1000;
}

static uint32_t read_pm(void)
{
    if (pm == READS_ONES)
        return UINT32_MAX;
    return pm == COUNTS ? (uint32_t)((unsigned __int128)tsc * 3579545 / rate) : 1234;
}

static uint32_t inl(uint16_t port)
{
    uint32_t value;

    assert_int_equal(port, PM_PORT);
    pass();
    value = read_pm();
    pass();
    return value;
}

static uint8_t read_pit(void)
{
    if (pit == READS_ONES)
        return 0xff;
    return pit == COUNTS && tsc - pit_start >= rate * pit_count / 1193182 ? 0x20 : 0;
}

static uint8_t cmos_registers[128], cmos_index;
static unsigned cmos_reads,
    ticks_at; /* the read before which a second ends: 59 to 0, with all that follows */

static uint8_t read_cmos(void)
{
    if (cmos_index < 10 && ++cmos_reads == ticks_at) {
        cmos_registers[0] = 0;
        cmos_registers[2] = 0;
        cmos_registers[4] = 0;
        cmos_registers[7]++;
    }
    return cmos_registers[cmos_index];
}

static uint8_t inb(uint16_t port)
{
    uint8_t value;

    if (port == 0x71)
        return read_cmos();
    assert_int_equal(port, 0x61);
    pass();
    value = read_pit();
    pass();
    return value;
}

static void outb(uint16_t port, uint8_t value)
{
    if (port == 0x70)
        cmos_index = value;
    if (port != 0x42)
        return;
    pass();
    pit_count = pit_count >> 8 | (unsigned)value << 8;
    pit_start = tsc;
    pass();
}

#include "arch/x86/clock.c"

#include <string.h>

static int set_up(void **state)
{
    (void)state;
    tsc = UINT64_C(123456789012);
    rate = UINT64_C(2900000000);
    pm = pit = COUNTS;
    reads = jump_at = 0;
    read_cost = 1000;
    leaf_15 = leaf_16 = (struct cpuid){0, 0, 0, 0};
    return 0;
}

static void expect_rate(uint16_t port, const char *timer)
{
    struct tsc_source by = {0};
    uint64_t begin = tsc, hz = clock_measure_tsc(port, &by);

    assert_in_range(hz, rate - rate / 1000, rate + rate / 1000);
    assert_int_equal(by.cpuid, !timer);
    if (!timer) {
        assert_null(by.timer);
        return;
    }
    assert_non_null(strstr(by.timer, timer));
    assert_true(by.spread_ppm < 1000 || jump_at);
    assert_true(pm != COUNTS || tsc - begin < rate / 1000 * 60);
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
    expect_rate(0, NULL);
    pit = STANDS_STILL;
    expect_rate(0, NULL);
    leaf_15.ecx = 0;
    leaf_16.eax = 2900;
    expect_rate(0, NULL);
}

/* Wherever an SMI of a millisecond falls, two of three samples are free of it. */
static void away_for_a_while(uint16_t port, const char *timer)
{
    unsigned last;

    read_cost = 20000;
    expect_rate(port, timer);
    last = reads;
    assert_true(last > 1000);
    for (unsigned i = 1; i <= last; i++) {
        reads = 0;
        jump_at = i;
        expect_rate(port, timer);
    }
}

static void interrupted(void **state)
{
    (void)state;
    away_for_a_while(PM_PORT, "ACPI");
    set_up(NULL);
    away_for_a_while(0, "8254");
}

/* The timer of this machine counts; what it makes of CPUID 15h. */
static void told(void **state)
{
    struct tsc_source by = {0};

    (void)state;
    leaf_15 = (struct cpuid){2, 230, 25000000, 0}; /* 0.9 % less */
    assert_int_equal(clock_measure_tsc(PM_PORT, &by), 2875000000);
    assert_true(by.cpuid && by.timer);
    leaf_15.ecx = 24000000;
    leaf_16.eax = 2900; /* whole MHz are not better than a measurement */
    by = (struct tsc_source){0};
    expect_rate(PM_PORT, "ACPI");
    leaf_15.ecx = 26000000;
    expect_rate(0, "8254");
    leaf_15.ecx = 0;
    expect_rate(PM_PORT, "ACPI");
}

/* A jump at the end of one sample shows in the spread, by half of what it is, though not in the rate. */
static void spread(void **state)
{
    struct tsc_source by = {0};

    (void)state;
    clock_measure_tsc(0, &by);
    jump_at = reads / SAMPLES - 1;
    reads = 0;
    clock_measure_tsc(0, &by);
    assert_in_range(by.spread_ppm, 30000, 35000);
}

static void nothing_counts(void **state)
{
    struct tsc_source source = {0};

    (void)state;
    pm = pit = STANDS_STILL;
    assert_int_equal(clock_measure_tsc(PM_PORT, &source), 0);
    pit = READS_ONES;
    assert_int_equal(clock_measure_tsc(PM_PORT, &source), 0);
    leaf_16.eax = 1; /* 1 MHz */
    assert_int_equal(clock_measure_tsc(PM_PORT, &source), 0);
}

static void set_cmos(unsigned mode, const uint8_t t[6])
{
    static const uint8_t registers[] = {0, 2, 4, 7, 8, 9};

    memset(cmos_registers, 0, sizeof(cmos_registers));
    cmos_reads = ticks_at = 0;
    cmos_registers[0x0b] = (uint8_t)mode;
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        cmos_registers[registers[i]] = t[i];
}

/* Both ways to count hours, and to write numbers. */
static void time_of_day(void **state)
{
    static const struct {
        unsigned mode;
        uint8_t t[6];
        uint64_t seconds;
    } rows[] = {{6, {58, 59, 23, 29, 2, 24}, 1709251198},
                {2, {0x58, 0x59, 0x23, 0x29, 0x02, 0x24}, 1709251198},
                {4, {58, 59, 0x80 | 11, 29, 2, 24}, 1709251198},
                {0, {0x58, 0x59, 0x91, 0x29, 0x02, 0x24}, 1709251198},
                {0, {0, 0, 0x12, 0x01, 0x03, 0x24}, 1709251200}, /* midnight is 12 */
                {0, {0, 0, 0x92, 0x01, 0x03, 0x24}, 1709294400}, /* noon, too */
                {4, {0, 0, 12, 1, 3, 24}, 1709251200},
                {4, {0, 0, 0x80 | 1, 1, 3, 24}, 1709298000},
                {6, {0, 0, 0, 1, 13, 24}, 0}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        set_cmos(rows[i].mode, rows[i].t);
        assert_int_equal(clock_read_cmos(), rows[i].seconds);
    }
}

/* Wherever midnight falls between the reads. */
static void time_goes_on(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 30; i++) {
        set_cmos(6, (const uint8_t[6]){59, 59, 23, 28, 2, 24});
        ticks_at = i;
        assert_in_range(clock_read_cmos(), 1709164799, 1709164800);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_timer, set_up),     cmocka_unit_test_setup(dead_acpi_timer, set_up),
        cmocka_unit_test_setup(dead_8254, set_up),      cmocka_unit_test_setup(interrupted, set_up),
        cmocka_unit_test_setup(told, set_up),           cmocka_unit_test_setup(spread, set_up),
        cmocka_unit_test_setup(time_of_day, set_up),    cmocka_unit_test_setup(time_goes_on, set_up),
        cmocka_unit_test_setup(nothing_counts, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
