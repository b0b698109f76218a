/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interprocessor interrupts that the processor leaves to software, where the manual has more to say than
 * ipiv.c asks of every ICR ("Issuing interprocessor interrupts").
 */
#include "tests/unit/fake_apics.h"

#define LOWEST_VECTOR 0x51

static void send(unsigned from, uint32_t destination, uint32_t low)
{
    if (vlapic_mmio_enabled(&vcpus[from])) {
        write_reg(from, LAPIC_ICR_HIGH, destination << 24);
        write_reg(from, LAPIC_ICR, low);
    } else {
        assert_true(write_msr(from, IA32_X2APIC_BASE + LAPIC_ICR / 16, (uint64_t)destination << 32 | low));
    }
}

static void set_priority(unsigned cpu, uint32_t tpr)
{
    if (vlapic_mmio_enabled(&vcpus[cpu]))
        write_reg(cpu, REG_TPR, tpr);
    else
        assert_true(write_msr(cpu, IA32_X2APIC_BASE + REG_TPR / 16, tpr));
}

/* A bit per CPU that an NMI came to. */
static unsigned who_got_nmi(void)
{
    unsigned set = 0;

    for (unsigned i = 0; i < CPUS; i++)
        set |= (unsigned)take_nmi(&vcpus[i]) << i;
    return set;
}

/* "The local APIC can still issue IPIs" while software has disabled it. */
static void disabled_sender(void **state)
{
    (void)state;
    write_reg(0, LAPIC_SVR, 0xff);
    send(0, 1, 0x51);
    assert_int_equal(who_gets(0x51), 1 << 1);
    send(0, 0, ICR_ALL_BUT_SELF | 0x51);
    assert_int_equal(who_gets(0x51), 0xe);
    send(0, 2, ICR_NMI);
    assert_int_equal(who_got_nmi(), 1 << 2);
    send(0, 0, 0x51); /* not to itself */
    assert_int_equal(who_gets(0x51), 0);
}

/* Exactly one takes it: of the others, or of all where it "can be redirected back to the issuing APIC". */
static void lowest_priority_to_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++)
        set_priority(i, (4 - i) << 4);
    send(0, 0, ICR_ALL_BUT_SELF | LOWEST << 8 | LOWEST_VECTOR);
    assert_int_equal(who_gets(LOWEST_VECTOR), 1 << 3);
    set_priority(2, 0);
    send(0, 0, ICR_ALL_BUT_SELF | LOWEST << 8 | LOWEST_VECTOR);
    assert_int_equal(who_gets(LOWEST_VECTOR), 1 << 2);
}

/* With TPR shadow the guest changes its TPR in the page, and nobody hears of it. */
static void lowest_priority_by_the_shadow(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        vlapic_use_tpr_shadow(&vcpus[i], true);
        set(&apics[i], REG_TPR, i == 2 ? 0x10 : 0x40);
    }
    send(0, 0xff, LOWEST << 8 | LOWEST_VECTOR);
    assert_int_equal(who_gets(LOWEST_VECTOR), 1 << 2);
}

/* "Setting all destination bits to one guarantees a match on all clusters." */
static void broadcast_to_clusters(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        write_reg(i, REG_DFR, 0);
        write_reg(i, REG_LDR, (i / 2) << 28 | 1u << (24 + i % 2));
    }
    send(0, 0xff, LOGICAL | 0x51);
    assert_int_equal(who_gets(0x51), 0xf);
    send(0, 0xff, LOGICAL | ICR_NMI);
    assert_int_equal(who_got_nmi(), 0xf);
    send(0, 0x0f, LOGICAL | 0x51); /* all of one cluster */
    assert_int_equal(who_gets(0x51), 3);
}

/* While a system starts, the sender may be in x2APIC mode and the others not yet: its IDs have 32 bits. */
static void mixed_modes(void **state)
{
    static const struct {
        uint32_t destination;
        unsigned set;
    } sends[] = {{1, 1 << 1},  {3, 1 << 3},     {UINT32_MAX, 0xf}, {0x101, 0},
                 {0x10003, 0}, {0x80000003, 0}, {0x1ff, 0}};

    (void)state;
    to_x2apic(0);
    for (unsigned n = 0; n < ARRAY_SIZE(sends); n++) {
        send(0, sends[n].destination, ICR_NMI);
        assert_int_equal(who_got_nmi(), sends[n].set);
        send(0, sends[n].destination, 0x51);
        assert_int_equal(who_gets(0x51), sends[n].set);
    }
}

/* --- routes: a message whose way is found before it is sent --- */

static struct msi message_to(uint32_t destination, uint32_t how, uint32_t data)
{
    return (struct msi){(uint32_t)(MSI_BASE | (destination & 0xff) << 12 | (destination >> 8) << 5 | how),
                        data};
}

/* Who gets it by its route alone: 0 if that is not known. */
static unsigned by_route(struct msi m)
{
    union msi_route route = vm_find_route(&vm, m);
    bool posted = vm_post_route(&vm, route);

    assert_int_equal(posted, route.direct);
    return who_gets((int)(m.data & 0xff));
}

static void routes_to_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(by_route(message_to(i, 0, 0x51)), 1u << i);
        assert_int_equal(by_route(message_to(i, 0, LOWEST << 8 | 0x51)), 1u << i);
    }
    assert_int_equal(by_route(message_to(CPUS, 0, 0x51)), 0);
    assert_int_equal(by_route(message_to(0x102, 0, 0x51)), 0);
    assert_int_equal(by_route(message_to(1, 0, NMI << 8 | 0x51)), 0);
    assert_int_equal(by_route(message_to(1, 0, 15)), 0);
    assert_int_equal(by_route(message_to(1, 0, (uint32_t)MSI_LEVEL | 0x51)), 0);
    assert_int_equal(who_got_nmi(), 0);
}

static void routes_by_logical_destination(void **state)
{
    union msi_route route;

    (void)state;
    for (unsigned i = 0; i < CPUS; i++)
        write_reg(i, REG_LDR, 1u << (24 + i));
    assert_int_equal(by_route(message_to(1 << 2, MSI_LOGICAL, 0x51)), 1 << 2);
    assert_int_equal(by_route(message_to(3, MSI_LOGICAL, 0x51)), 0); /* two of them */
    assert_int_equal(by_route(message_to(0xff, 0, 0x51)), 0);
    route = vm_find_route(&vm, message_to(1 << 2, MSI_LOGICAL, 0x51));
    write_reg(3, REG_LDR, 1u << (24 + 2)); /* now they are two */
    assert_false(vm_post_route(&vm, route));
    assert_int_equal(who_gets(0x51), 0);
    write_reg(3, REG_LDR, 1u << (24 + 3));
    route = vm_find_route(&vm, message_to(1 << 2, MSI_LOGICAL, 0x51));
    write_reg(0, REG_DFR, 0x0fffffff);
    assert_false(vm_post_route(&vm, route));
}

/* A local APIC that is off takes nothing, also by a route found while it was on. */
static void routes_end_at_an_apic_that_is_off(void **state)
{
    union msi_route route = vm_find_route(&vm, message_to(1, 0, 0x51));

    (void)state;
    assert_true(vm_post_route(&vm, route));
    assert_int_equal(who_gets(0x51), 1 << 1);
    assert_true(write_msr(1, IA32_APIC_BASE, VLAPIC_BASE));
    assert_false(vm_post_route(&vm, route));
    assert_false(vm_post_route(&vm, vm_find_route(&vm, message_to(1, 0, 0x51))));
    assert_false(vm_post_route(&vm, (union msi_route){.word = 0}));
}

/* KVM's call: a bit each, from an APIC ID on. None is below the first, wherever that is. */
static void sets_do_not_wrap(void **state)
{
    static const uint64_t all[2] = {UINT64_MAX, UINT64_MAX};

    (void)state;
    assert_int_equal(vlapic_send_to_set(&vcpus[0], all, UINT32_MAX - 15, 0x51), 0);
    assert_int_equal(who_gets(0x51), 0);
    assert_int_equal(vlapic_send_to_set(&vcpus[0], all, 2, 0x51), CPUS - 2);
    assert_int_equal(who_gets(0x51), (1 << CPUS) - 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        XAPIC(disabled_sender),
        XAPIC(lowest_priority_to_others),
        X2APIC(lowest_priority_to_others),
        XAPIC(lowest_priority_by_the_shadow),
        XAPIC(broadcast_to_clusters),
        XAPIC(sets_do_not_wrap),
        XAPIC(mixed_modes),
        XAPIC(routes_to_one),
        X2APIC(routes_to_one),
        XAPIC(routes_by_logical_destination),
        XAPIC(routes_end_at_an_apic_that_is_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
