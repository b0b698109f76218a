/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's timer in its three modes, against a clock of our own. */
#include "tests/unit/fake_apics.h"

static void one_shot(void **state)
{
    (void)state;
    write_reg(0, TIMER, 0x40);
    write_reg(0, LAPIC_TIMER_DCR, 0xb); /* by 1 */
    write_reg(0, LAPIC_TIMER_ICR, 5000);
    assert_int_equal(armed, fake_tsc + 5000);
    fake_tsc += 1234;
    assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 5000 - 1234);
    assert_int_equal(read_reg(0, LAPIC_TIMER_ICR), 5000);
    assert_int_equal(pending(0), -1);
    fake_tsc += 5000;
    assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 0);
    accept(0, 0x40);
    eoi(0);
    fake_tsc += 100000;
    assert_int_equal(pending(0), -1);
    /* Writing 0 stops it. */
    write_reg(0, LAPIC_TIMER_ICR, 5000);
    write_reg(0, LAPIC_TIMER_ICR, 0);
    assert_int_equal(armed, 0);
    fake_tsc += 100000;
    assert_int_equal(pending(0), -1);
}

static void divisors(void **state)
{
    static const struct {
        uint32_t dcr;
        unsigned by;
    } cases[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        write_reg(0, LAPIC_TIMER_ICR, 0);
        write_reg(0, LAPIC_TIMER_DCR, cases[i].dcr);
        write_reg(0, LAPIC_TIMER_ICR, 0xffffffff);
        assert_int_equal(armed, fake_tsc + UINT64_C(0xffffffff) * cases[i].by);
        fake_tsc += 1000 * cases[i].by;
        assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 0xffffffff - 1000);
    }
    /* Changed while it counts: what is left counts on at the new rate. */
    write_reg(0, LAPIC_TIMER_DCR, 0);
    assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 0xffffffff - 1000);
    fake_tsc += 2000;
    assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 0xffffffff - 2000);
}

static void periodic(void **state)
{
    uint64_t start = fake_tsc;

    (void)state;
    write_reg(0, LAPIC_TIMER_DCR, 0xb);
    write_reg(0, TIMER, LVT_PERIODIC | 0x40);
    write_reg(0, LAPIC_TIMER_ICR, 1000);
    for (unsigned i = 1; i <= 5; i++) {
        fake_tsc = start + i * 1000 + 10 * i; /* a little late each time: no drift */
        accept(0, 0x40);
        eoi(0);
        assert_int_equal(armed, start + (i + 1) * 1000);
        assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 1000 - 10 * i);
    }
    fake_tsc = start + 12345; /* missed ticks are one interrupt, the phase stays */
    accept(0, 0x40);
    eoi(0);
    assert_int_equal(pending(0), -1);
    assert_int_equal(armed, start + 13000);
}

/* However short its period, it comes 5000 times a second at most; a single shot comes when it is set. */
static void shortest_period(void **state)
{
    uint64_t start = fake_tsc;

    (void)state;
    machine.tsc_hz = 1000000000;
    write_reg(0, LAPIC_TIMER_DCR, 0xb);
    write_reg(0, TIMER, LVT_PERIODIC | 0x40);
    write_reg(0, LAPIC_TIMER_ICR, 1);
    assert_int_equal(armed, start + 200000);
    assert_int_equal(read_reg(0, LAPIC_TIMER_ICR), 1);
    assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 1);
    fake_tsc = start + 200000;
    accept(0, 0x40);
    eoi(0);
    assert_int_equal(armed, start + 400000);
    write_reg(0, LAPIC_TIMER_ICR, 300000);
    assert_int_equal(armed, fake_tsc + 300000);
    /* The same by another divisor, or by a mode that is changed while it counts. */
    write_reg(0, LAPIC_TIMER_DCR, 0); /* by 2 */
    write_reg(0, LAPIC_TIMER_ICR, 90000);
    assert_int_equal(armed, fake_tsc + 200000);
    write_reg(0, TIMER, 0x40);
    write_reg(0, LAPIC_TIMER_ICR, 10);
    assert_int_equal(armed, fake_tsc + 20);
    write_reg(0, TIMER, LVT_PERIODIC | 0x40);
    fake_tsc += 20;
    accept(0, 0x40);
    eoi(0);
    assert_int_equal(armed, fake_tsc + 200000);
    machine.tsc_hz = 0;
}

static void masked_timer(void **state)
{
    (void)state;
    write_reg(0, LAPIC_TIMER_DCR, 0xb);
    write_reg(0, TIMER, LVT_MASKED | 0x40);
    write_reg(0, LAPIC_TIMER_ICR, 1000);
    fake_tsc += 500;
    assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 500); /* counts, but silently */
    fake_tsc += 1000;
    assert_int_equal(pending(0), -1);
    write_reg(0, TIMER, 0x40);
    assert_int_equal(pending(0), -1);
}

static void tsc_deadline(void **state)
{
    const uint64_t offset = -UINT64_C(400000);

    (void)state;
    set_tsc_offset(0, offset);
    assert_true(write_msr(0, IA32_TSC_DEADLINE, 700000)); /* another mode: ignored */
    assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), 0);
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    assert_true(write_msr(0, IA32_TSC_DEADLINE, 700000));
    assert_int_equal(armed, 1100000);
    assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), 700000);
    write_reg(0, LAPIC_TIMER_ICR, 7); /* this register sleeps in this mode */
    assert_int_equal(armed, 1100000);
    assert_int_equal(read_reg(0, LAPIC_TIMER_CCR), 0);
    fake_tsc = 1099999;
    assert_int_equal(pending(0), -1);
    fake_tsc = 1100000;
    accept(0, 0x40);
    eoi(0);
    assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), 0);
    /* In the past: at once. 0: never. */
    assert_true(write_msr(0, IA32_TSC_DEADLINE, 5));
    accept(0, 0x40);
    eoi(0);
    assert_true(write_msr(0, IA32_TSC_DEADLINE, 800000));
    assert_true(write_msr(0, IA32_TSC_DEADLINE, 0));
    assert_int_equal(armed, 0);
    fake_tsc = 9000000;
    assert_int_equal(pending(0), -1);
}

static void deadline_follows_the_guest_tsc(void **state)
{
    (void)state;
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    assert_true(write_msr(0, IA32_TSC_DEADLINE, 2000000));
    assert_int_equal(armed, 2000000);
    set_tsc_offset(0, 300000);
    assert_int_equal(armed, 1700000);
    assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), 2000000);
}

static void mode_change_disarms(void **state)
{
    (void)state;
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    assert_true(write_msr(0, IA32_TSC_DEADLINE, 2000000));
    write_reg(0, TIMER, 0x40);
    assert_int_equal(armed, 0);
    write_reg(0, LAPIC_TIMER_ICR, 1000);
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    assert_int_equal(armed, 0);
    assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), 0);
    fake_tsc += 9000000;
    assert_int_equal(pending(0), -1);
}

/* An expiry that nobody has looked at yet is not lost when the timer is set anew. */
static void expiry_before_rearming(void **state)
{
    (void)state;
    write_reg(0, LAPIC_TIMER_DCR, 0xb);
    write_reg(0, TIMER, 0x40);
    write_reg(0, LAPIC_TIMER_ICR, 1000);
    fake_tsc += 2000;
    write_reg(0, LAPIC_TIMER_ICR, 100000);
    accept(0, 0x40);
    eoi(0);
    write_reg(0, TIMER, LVT_DEADLINE | 0x41);
    assert_true(write_msr(0, IA32_TSC_DEADLINE, fake_tsc + 1000));
    fake_tsc += 2000;
    assert_true(write_msr(0, IA32_TSC_DEADLINE, fake_tsc + 100000));
    accept(0, 0x41);
}

static void deadlines_at_the_end_of_time(void **state)
{
    (void)state;
    set_tsc_offset(0, -fake_tsc);
    write_reg(0, TIMER, LVT_DEADLINE | 0x40);
    assert_true(write_msr(0, IA32_TSC_DEADLINE, UINT64_MAX));
    assert_int_equal(armed, UINT64_MAX);
    assert_int_equal(pending(0), -1);
    assert_int_equal(read_msr(0, IA32_TSC_DEADLINE), UINT64_MAX);
}

static void illegal_vectors(void **state)
{
    (void)state;
    write_reg(0, 0x370, 0x60);
    write_reg(0, LAPIC_TIMER_DCR, 0xb);
    write_reg(0, TIMER, 3);
    write_reg(0, LAPIC_TIMER_ICR, 1000);
    fake_tsc += 2000;
    accept(0, 0x60); /* the LVT error entry */
    eoi(0);
    write_reg(0, 0x280, 0);
    assert_int_equal(read_reg(0, 0x280), 0x40);
    write_reg(0, LAPIC_ICR, 0x40000 | 5); /* to itself */
    accept(0, 0x60);
    write_reg(0, 0x280, 0);
    assert_int_equal(read_reg(0, 0x280), 0x20);
    /* Delivery status cannot be written, and the error entry has no delivery mode. */
    write_reg(0, LAPIC_LVT_LINT0, 0x1050);
    assert_int_equal(read_reg(0, LAPIC_LVT_LINT0), 0x50);
    write_reg(0, 0x370, 0x760);
    assert_int_equal(read_reg(0, 0x370), 0x60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        XAPIC(one_shot),
        XAPIC(divisors),
        XAPIC(periodic),
        XAPIC(shortest_period),
        XAPIC(masked_timer),
        XAPIC(tsc_deadline),
        XAPIC(deadline_follows_the_guest_tsc),
        XAPIC(mode_change_disarms),
        XAPIC(expiry_before_rearming),
        XAPIC(deadlines_at_the_end_of_time),
        XAPIC(illegal_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
