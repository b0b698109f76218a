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

static void past_deadlines_exit_at_once(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 32; shift++) {
        assert_int_equal(vmx_hv_timer_count(1000, 1000, shift), 0);
        assert_int_equal(vmx_hv_timer_count(1, UINT64_MAX, shift), 0);
    }
}

/* Never early, and late by less than one count. */
static void rounds_up(void **state)
{
    const uint64_t now = UINT64_C(0x123456789abcdef);

    (void)state;
    for (unsigned shift = 0; shift < 32; shift++) {
        for (uint64_t ticks = 1; ticks < 100000; ticks = ticks * 3 + 1) {
            uint64_t runs = (uint64_t)vmx_hv_timer_count(now + ticks, now, shift) << shift;

            assert_true(runs >= ticks);
            assert_true(runs - ticks < UINT64_C(1) << shift);
        }
    }
}

static void far_deadlines_are_cut(void **state)
{
    (void)state;
    assert_int_equal(vmx_hv_timer_count(UINT64_MAX, 1, 0), UINT32_MAX);
    assert_int_equal(vmx_hv_timer_count(UINT64_MAX, 1, 31), UINT32_MAX);
    assert_int_equal(vmx_hv_timer_count(UINT64_C(1) << 32, 1, 0), UINT32_MAX);
    assert_int_equal(vmx_hv_timer_count(UINT64_C(1) << 36, 0, 5), UINT64_C(1) << 31);
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
