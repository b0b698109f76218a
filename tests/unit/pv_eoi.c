/* SPDX-License-Identifier: BSD-2-Clause */
/* EOIs by a word in memory: when they are offered, and that what is in service is right whenever it is looked
 * at. */
#include "tests/unit/fake_apics.h"

static uint32_t word;

static int fresh(void **state)
{
    set_up(state);
    statistics[0] = (struct vcpu_statistics){{0}, {0}};
    word = 0;
    vlapic_pv_eoi_register(&vcpus[0], &word);
    return 0;
}

static void take(unsigned vector, bool level)
{
    vlapic_post(&vcpus[0], vector, level);
    vlapic_update(&vcpus[0]);
    assert_int_equal(vlapic_pending(&vcpus[0]), vector);
    vlapic_accept(&vcpus[0], vector);
}

static bool offered(void)
{
    vcpus[0].due = 0;
    vlapic_pv_eoi_offer(&vcpus[0]);
    assert_int_equal(word & 1, (vcpus[0].due & DUE_EOI) / DUE_EOI);
    return word & 1;
}

static void guest_takes_it(void **state)
{
    (void)state;
    take(0x51, false);
    assert_true(offered());
    word &= ~1u;
    vlapic_update(&vcpus[0]);
    assert_int_equal(vlapic_in_service(&vcpus[0]), -1);
    assert_int_equal(statistics[0].counts[COUNT_PV_EOI], 1);
}

static void guest_does_not(void **state)
{
    (void)state;
    word = 0xfffffffe; /* only its bit is ours */
    take(0x51, false);
    assert_true(offered());
    vlapic_update(&vcpus[0]);
    assert_int_equal(word, 0xfffffffe);
    assert_int_equal(vlapic_in_service(&vcpus[0]), 0x51);
    write_reg(0, LAPIC_EOI, 0);
    assert_int_equal(vlapic_in_service(&vcpus[0]), -1);
}

static void not_for_level(void **state)
{
    (void)state;
    take(0x51, true);
    assert_false(offered());
}

static void not_when_one_waits(void **state)
{
    (void)state;
    take(0x61, false);
    vlapic_post(&vcpus[0], 0x51, false);
    vlapic_update(&vcpus[0]);
    assert_false(offered());
}

static void not_without_service(void **state)
{
    (void)state;
    assert_false(offered());
}

/* Only the upper one is ended. */
static void nested(void **state)
{
    (void)state;
    take(0x51, false);
    take(0x61, false);
    assert_true(offered());
    word &= ~1u;
    assert_int_equal(read_reg(0, REG_ISR + 0x61 / 32 * 16), 0); /* reading settles */
    assert_int_equal(vlapic_in_service(&vcpus[0]), 0x51);
}

static void unregistered_while_offered(void **state)
{
    (void)state;
    take(0x51, false);
    assert_true(offered());
    word &= ~1u;
    vlapic_pv_eoi_register(&vcpus[0], NULL);
    assert_int_equal(vlapic_in_service(&vcpus[0]), -1);
    vlapic_update(&vcpus[0]);
}

/* INIT forgets the word as well: what was offered by it must not be looked for. */
static void init_while_offered(void **state)
{
    (void)state;
    take(0x51, false);
    assert_true(offered());
    vlapic_init(&vcpus[0]);
    vcpus[0].pv.eoi = NULL;
    vlapic_update(&vcpus[0]);
    assert_int_equal(vlapic_in_service(&vcpus[0]), -1);
    assert_int_equal(statistics[0].counts[COUNT_PV_EOI], 0);
}

/* Whatever comes in whatever order, the guest and we agree on what is in service. */
static void random_orders(void **state)
{
    unsigned stack[16], depth = 0, ended = 0;
    uint64_t random = 0x5eed;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        switch (random >> 60) {
        case 0: vlapic_post(&vcpus[0], 0x30 + (random >> 40 & 0xf) * 0x0c, false); break;
        case 1 ... 6:
            vlapic_update(&vcpus[0]);
            if (vlapic_pending(&vcpus[0]) >= 0) {
                stack[depth++] = (unsigned)vlapic_pending(&vcpus[0]);
                vlapic_accept(&vcpus[0], stack[depth - 1]);
            }
            vlapic_pv_eoi_offer(&vcpus[0]);
            break;
        default:
            if (!depth)
                break;
            depth--;
            ended++;
            if (word & 1)
                word &= ~1u;
            else
                write_reg(0, LAPIC_EOI, 0);
            break;
        }
        if (random >> 50 & 1) {
            vlapic_update(&vcpus[0]);
            assert_int_equal(vlapic_in_service(&vcpus[0]), depth ? (int)stack[depth - 1] : -1);
        }
    }
    assert_true(statistics[0].counts[COUNT_PV_EOI] > 1000 && ended > statistics[0].counts[COUNT_PV_EOI]);
}

#define FRESH(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(guest_takes_it),
        FRESH(guest_does_not),
        FRESH(not_for_level),
        FRESH(not_when_one_waits),
        FRESH(not_without_service),
        FRESH(nested),
        FRESH(unregistered_while_offered),
        FRESH(init_while_offered),
        FRESH(random_orders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
