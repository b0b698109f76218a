/* SPDX-License-Identifier: BSD-2-Clause */
/* What the VMX preemption timer is loaded with, at every rate that IA32_VMX_MISC can say. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "vmx/hv_timer.c"

struct vmx_caps vmx_caps;
struct machine machine;

uint64_t vlapic_backend_deadline(const struct vcpu *v)
{
    (void)v;
    return 0;
}

void lapic_timer_set(enum timer_user user, uint64_t tsc)
{
    (void)user;
    (void)tsc;
}

bool config_is_off(const struct vm_config *c, const char *name)
{
    (void)c;
    (void)name;
    return false;
}

bool machine_option_off(const char *name)
{
    (void)name;
    return false;
}

/* The counts that the timer is loaded with for a deadline, when so many ticks have passed since it was set.
 */
static uint32_t counts(uint64_t deadline, uint64_t now, uint64_t passed)
{
    return vmx_hv_timer_count(vmx_hv_timer_low(deadline, now), (uint32_t)(now + passed));
}

static void set_shift(unsigned shift)
{
    vmx_caps.misc = shift;
    vmx_hv_timer_init();
}

static void past_deadlines_exit_at_once(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= COARSEST; shift++) {
        set_shift(shift);
        assert_int_equal(counts(1000, 1000, 0), 0);
        assert_int_equal(counts(1, UINT64_MAX, 0), 0);
        assert_int_equal(counts(1001, 1000, 1), 0);
        assert_int_equal(counts(1001, 1000, FASTPATH_AHEAD), 0);
    }
}

/* Never early, and late by less than one count, whenever it is loaded. */
static void rounds_up(void **state)
{
    const uint64_t nows[] = {UINT64_C(0x123456789abcdef), UINT64_C(0x7fffff00), UINT64_C(0xffffff00), 0};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(nows); i++) {
        for (unsigned shift = 0; shift <= COARSEST; shift++) {
            set_shift(shift);
            for (uint64_t ticks = 1; ticks < FASTPATH_AHEAD; ticks = ticks * 3 + 1) {
                for (uint64_t passed = 0; passed < ticks; passed = passed * 2 + 1) {
                    uint64_t left = ticks - passed;
                    uint64_t runs = (uint64_t)counts(nows[i] + ticks, nows[i], passed) << shift;

                    assert_true(runs >= left);
                    assert_true(runs - left < UINT64_C(1) << shift);
                }
            }
        }
    }
}

/* They only wake us to look again: not late, and not at once. */
static void far_deadlines_are_cut(void **state)
{
    const uint64_t far[] = {UINT64_MAX, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1, UINT64_C(1) << 31};

    (void)state;
    for (unsigned shift = 0; shift <= COARSEST; shift++) {
        set_shift(shift);
        for (unsigned i = 0; i < ARRAY_SIZE(far); i++) {
            uint64_t runs = (uint64_t)counts(far[i], 1, 0) << shift;

            assert_true(runs >= FASTPATH_AHEAD && runs < FASTPATH_AHEAD + (UINT64_C(1) << shift));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(past_deadlines_exit_at_once),
        cmocka_unit_test(rounds_up),
        cmocka_unit_test(far_deadlines_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
