/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's time-stamp counter that runs at another rate than the host's, and timers that go by it. */
#include "tests/unit/fake_apics.h"

#define ONE BIT(GUEST_TSC_FRACTION) /* the multiplier of a guest as fast as its host */

typedef unsigned __int128 wide;

static uint64_t random64(void)
{
    return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

/* Of any size: as many bits as chance says. */
static uint64_t random_size(void)
{
    return random64() >> rand() % 64;
}

/* Rates of two clocks in kHz, and those that come out even. */
static uint64_t random_multiplier(void)
{
    switch (rand() % 4) {
    case 0: return ONE;
    case 1: return ONE << rand() % 8 >> rand() % 8;
    case 2:
        return (uint64_t)((wide)(1000 + (unsigned)rand() % 20000000) * ONE /
                          (1000 + (unsigned)rand() % 20000000));
    default: return random_size() | 1;
    }
}

/* --- the arithmetic --- */

static void same_rate(void **state)
{
    const struct guest_tsc plain = {0, 0}, one = {ONE, 0};

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t ticks[] = {BIT(i), BIT(i) - 1, UINT64_MAX - BIT(i)};

        for (unsigned n = 0; n < ARRAY_SIZE(ticks); n++) {
            assert_int_equal(guest_tsc_scale(&plain, ticks[n]), ticks[n]);
            assert_int_equal(guest_tsc_unscale(&plain, ticks[n]), ticks[n]);
            assert_int_equal(guest_tsc_scale(&one, ticks[n]), ticks[n]);
            assert_int_equal(guest_tsc_unscale(&one, ticks[n]), ticks[n]);
        }
    }
}

/* "TSC scaling": the product of the counter and the multiplier, shifted right by 48, cut to 64 bits. */
static void scaling(void **state)
{
    (void)state;
    srand(21);
    for (unsigned i = 0; i < 500000; i++) {
        struct guest_tsc t = {random_multiplier(), random64()};
        uint64_t host = random_size();
        wide product = (wide)host * t.multiplier >> 48;

        assert_int_equal(guest_tsc_scale(&t, host), (uint64_t)product);
        assert_int_equal(guest_tsc_at(&t, host), (uint64_t)(product + t.offset));
    }
}

static void division(void **state)
{
    (void)state;
    srand(22);
    for (unsigned i = 0; i < 500000; i++) {
        uint64_t numerator = random_size(), denominator = random_size() | (rand() % 2 ? 1 : BIT(63));
        wide quotient = (((wide)numerator << 48) + denominator - 1) / denominator;

        assert_int_equal(guest_tsc_divide(numerator, denominator),
                         quotient > UINT64_MAX ? UINT64_MAX : (uint64_t)quotient);
    }
}

static void limits_of_division(void **state)
{
    (void)state;
    assert_int_equal(guest_tsc_divide(0, 1), 0);
    assert_int_equal(guest_tsc_divide(1, 1), ONE);
    assert_int_equal(guest_tsc_divide(1, UINT64_MAX), 1); /* rounded up */
    assert_int_equal(guest_tsc_divide(0xffff, 1), UINT64_C(0xffff) << 48);
    assert_int_equal(guest_tsc_divide(0x10000, 1), UINT64_MAX);
    assert_int_equal(guest_tsc_divide(UINT64_MAX, 1), UINT64_MAX);
    assert_int_equal(guest_tsc_divide(UINT64_MAX, UINT64_MAX), ONE);
    assert_int_equal(guest_tsc_divide(UINT64_MAX, BIT(48)), UINT64_MAX); /* it just fits */
    assert_int_equal(guest_tsc_divide(UINT64_MAX, BIT(48) - 1), UINT64_MAX);
    assert_int_equal(guest_tsc_divide(UINT64_MAX - 1, BIT(48)), UINT64_MAX - 1);
    /* With a rest. */
    assert_int_equal(guest_tsc_divide(BIT(63), BIT(47) + 1), UINT64_C(0xfffffffffffe0001));
    assert_int_equal(guest_tsc_divide(0x1ffff, 2), UINT64_C(0xffff800000000000));
    assert_int_equal(guest_tsc_divide(UINT64_C(0xffffffffffffffff), UINT64_C(0x1000000000001)),
                     UINT64_C(0xffffffffffff0000));
}

/* So many host ticks and not one less: never early, never later than a host tick can say. */
static void there_and_back(void **state)
{
    (void)state;
    srand(23);
    for (unsigned i = 0; i < 500000; i++) {
        struct guest_tsc t = {random_multiplier(), 0};
        uint64_t guest = random_size(), host = guest_tsc_unscale(&t, guest);

        if (host == UINT64_MAX) { /* later than can be said */
            assert_true((wide)(UINT64_MAX - 1) * t.multiplier >> 48 <= guest);
            continue;
        }
        assert_true((wide)host * t.multiplier >> 48 >= guest);
        if (host)
            assert_true((wide)(host - 1) * t.multiplier >> 48 < guest);
    }
}

/* --- deadlines --- */

static void set_line(uint64_t multiplier, uint64_t offset)
{
    struct guest_tsc tsc = {multiplier, offset};

    vlapic_set_tsc(&vcpus[0], &tsc);
}

static uint64_t guest_now(void)
{
    return guest_tsc_at(&apics[0].tsc, fake_tsc);
}

/* Guest ticks in a host tick, rounded up. */
static uint64_t grain(void)
{
    return (apics[0].tsc.multiplier >> 48) + 1;
}

/* The interrupt comes when the guest's counter has reached the deadline, and within a tick of the coarser
 * clock. */
static void expect_shot_at(uint64_t deadline)
{
    uint64_t when = armed;

    assert_true(when > fake_tsc);
    fake_tsc = when - 1;
    assert_int_equal(pending(0), -1);
    fake_tsc = when;
    assert_true(guest_now() >= deadline && guest_now() - deadline <= grain());
    accept(0, 0x40);
    eoi(0);
    assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), 0);
}

/* Rates from a thousandth to a thousand of the host's, host clocks of any age. */
static uint64_t usual_multiplier(void)
{
    return guest_tsc_divide(1000 + (uint64_t)rand() % 20000000, 20000 + (uint64_t)rand() % 1000000);
}

static void deadlines(void **state)
{
    (void)state;
    srand(24);
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t deadline;

        fake_tsc = random64() >> (10 + rand() % 40);
        set_line(usual_multiplier(), random64() >> (2 + rand() % 62));
        deadline = guest_now() + 1 + (random64() >> (24 + rand() % 40));
        assert_true(write_msr(0, IA32_TSC_DEADLINE, deadline));
        assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), deadline);
        expect_shot_at(deadline);
    }
}

/* At the guest's own now and before, a deadline fires in the write. */
static void past_deadlines(void **state)
{
    (void)state;
    srand(25);
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t deadline;

        fake_tsc = random64() >> (10 + rand() % 40);
        set_line(usual_multiplier(), random64() >> (2 + rand() % 62));
        deadline = i & 1 ? guest_now() : guest_now() - random64() % guest_now();
        assert_true(write_msr(0, IA32_TSC_DEADLINE, deadline));
        assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), 0);
        accept(0, 0x40);
        eoi(0);
        assert_int_equal(pending(0), -1);
        assert_int_equal(apics[0].expires, 0);
    }
}

/* What the guest's counter never reaches, and what the host's cannot. */
static void deadlines_that_never_come(void **state)
{
    (void)state;
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    for (unsigned shift = 0; shift < 48; shift += 4) {
        set_line(ONE >> shift, 0);
        assert_true(write_msr(0, IA32_TSC_DEADLINE, UINT64_MAX));
        assert_int_equal(armed, UINT64_MAX);
        assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), UINT64_MAX);
        assert_int_equal(pending(0), -1);
        assert_true(write_msr(0, IA32_TSC_DEADLINE, 0));
        assert_int_equal(armed, 0);
    }
}

/* IA32_TSC and IA32_TSC_ADJUST move the line under a deadline that is armed. */
static void moved_lines(void **state)
{
    (void)state;
    srand(26);
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t deadline, multiplier = usual_multiplier();

        fake_tsc = random64() >> (10 + rand() % 40);
        set_line(multiplier, 1000000);
        deadline = guest_now() + 1000000 + (uint64_t)rand();
        assert_true(write_msr(0, IA32_TSC_DEADLINE, deadline));
        fake_tsc += (armed - fake_tsc) / 3;
        set_line(multiplier, 1000000 - (uint64_t)rand() % 1000000); /* back: later */
        assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), deadline);
        set_line(multiplier, (uint64_t)rand() % 2000000); /* on: sooner, perhaps now */
        if (guest_now() < deadline)
            expect_shot_at(deadline);
        else
            accept(0, 0x40), eoi(0);
        assert_int_equal(pending(0), -1);
    }
}

/* --- counts --- */

static void one_shots(void **state)
{
    (void)state;
    srand(27);
    write_reg(0, TIMER, 0x40);
    for (unsigned i = 0; i < 50000; i++) {
        static const uint32_t codes[] = {11, 0, 1, 2, 3, 8, 9, 10};
        unsigned shift = (unsigned)rand() % 8;
        uint32_t count = (uint32_t)random_size() | 1;
        uint64_t ticks = (uint64_t)count << shift, start;

        fake_tsc = random64() >> (10 + rand() % 40);
        set_line(usual_multiplier(), random64() >> 2);
        write_reg(0, LAPIC_TIMER_DCR, codes[shift]);
        write_reg(0, LAPIC_TIMER_ICR, count);
        start = fake_tsc++; /* the first count is over when the host's clock has moved */
        assert_true(read_reg(0, LAPIC_TIMER_CCR) <= count);
        fake_tsc = armed - 1;
        assert_int_equal(pending(0), -1);
        assert_true(read_reg(0, LAPIC_TIMER_CCR) <= (grain() >> shift) + 1);
        fake_tsc = armed;
        assert_true(guest_tsc_scale(&apics[0].tsc, fake_tsc - start) >= ticks);
        assert_true(guest_tsc_scale(&apics[0].tsc, fake_tsc - start) - ticks <= grain());
        assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 0);
        accept(0, 0x40);
        eoi(0);
    }
}

/* Each period is the same number of host ticks, not one short. */
static void periods(void **state)
{
    (void)state;
    srand(28);
    write_reg(0, LAPIC_TIMER_DCR, 0xb);
    write_reg(0, TIMER, LVT_PERIODIC | 0x40);
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t count = 1000 + (uint32_t)rand() % 10000000;
        uint64_t start, period;

        set_line(usual_multiplier(), random64() >> 2);
        fake_tsc = random64() >> (10 + rand() % 40);
        write_reg(0, LAPIC_TIMER_ICR, count);
        start = fake_tsc;
        period = armed - start;
        for (unsigned n = 1; n <= 50; n++) {
            fake_tsc = armed;
            assert_int_equal(fake_tsc, start + n * period);
            assert_true(guest_tsc_scale(&apics[0].tsc, fake_tsc - start) >= (uint64_t)n * count);
            assert_true(guest_tsc_scale(&apics[0].tsc, fake_tsc - start) - (uint64_t)n * count <=
                        n * grain());
            accept(0, 0x40);
            eoi(0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_rate),
        cmocka_unit_test(scaling),
        cmocka_unit_test(division),
        cmocka_unit_test(limits_of_division),
        cmocka_unit_test(there_and_back),
        XAPIC(deadlines),
        XAPIC(past_deadlines),
        XAPIC(deadlines_that_never_come),
        XAPIC(moved_lines),
        XAPIC(one_shots),
        XAPIC(periods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
