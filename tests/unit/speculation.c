/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that a guest chooses: what they pick, and what they are cut to (arch/x86/speculation.h). That
 * nothing goes ahead of the arithmetic is what Intel says of it. */
#include "tests/unit/unit.h"

#include "hypercall/hypercall.c"

#include <string.h>

static int64_t answers(struct vcpu *v, struct call *call)
{
    (void)v, (void)call;
    return 7;
}

const struct call_row skerry_calls[CALL_ROWS] = {
    {answers, SKERRY_CALL_NOP, 0}, [3] = {answers, SKERRY_CALL_NOP + 3, 0}};
const struct call_row kvm_calls[CALL_ROWS] = {[3] = {answers, 3, BIT(2)}, [5] = {answers, 5, BIT(1)}};

static void cuts_to_the_table(void **state)
{
    static const uint64_t sizes[] = {0, 1, 2, 17, 64, 256, 3 * GIB, UINT64_MAX};
    static const uint64_t ends[] = {0, 1, 2, 1000, UINT64_C(1) << 31, UINT64_C(1) << 63};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t n = sizes[i];

        for (unsigned k = 0; k < ARRAY_SIZE(ends); k++) {
            for (unsigned side = 0; side < 2; side++) {
                uint64_t at = side ? n + ends[k] : n - 1 - ends[k];

                assert_int_equal(index_nospec(at, n), at < n ? at : 0);
            }
        }
    }
}

static int64_t call_of(const struct vm *vm, uint64_t number)
{
    struct vcpu v = {.vm = (struct vm *)vm, .regs.rax = number};

    assert_int_equal(hypercall_dispatch(&v, false, true), NEXT_SKIP_AND_RESUME);
    return (int64_t)v.regs.rax;
}

/* The lowest bits of a number pick a row; all of them must be its. */
static void calls_have_one_number(void **state)
{
    const struct vm vm = {.kvm_features = BIT(2)};

    (void)state;
    for (unsigned bit = 4; bit < 64; bit++) {
        assert_int_equal(call_of(&vm, SKERRY_CALL_NOP ^ BIT(bit)), SKERRY_ENOSYS);
        assert_int_equal(call_of(&vm, 3 ^ BIT(bit)), SKERRY_ENOSYS);
    }
    assert_int_equal(call_of(&vm, SKERRY_CALL_NOP), 7);
    assert_int_equal(call_of(&vm, SKERRY_CALL_NOP + 3), 7);
    assert_int_equal(call_of(&vm, 3), 7);
    assert_int_equal(call_of(&vm, 0), SKERRY_ENOSYS); /* rows that are not used */
    assert_int_equal(call_of(&vm, 4), SKERRY_ENOSYS);
    assert_int_equal(call_of(&vm, 5), SKERRY_ENOSYS); /* not offered */
    assert_int_equal(call_of(&vm, SKERRY_CALL_NOP + 5), SKERRY_ENOSYS);
}

static void targets_are_the_vms(void **state)
{
    struct vcpu own = {.apic_id = 0}, *vcpus[] = {&own, &own};
    struct vm vm = {.vcpu_count = 1};
    struct vcpu v = {.vm = &vm};

    (void)state;
    memcpy(vm.vcpus, vcpus, sizeof(vcpus));
    assert_ptr_equal(hypercall_target(&v, 0), &own);
    assert_null(hypercall_target(&v, 1));
    assert_null(hypercall_target(&v, BIT(32)));
    assert_null(hypercall_target(&v, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_to_the_table),
        cmocka_unit_test(calls_have_one_number),
        cmocka_unit_test(targets_are_the_vms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
