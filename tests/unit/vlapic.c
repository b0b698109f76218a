/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC in software, with the I/O APIC beside it: as a guest sees both. */
#include "tests/unit/fake_apics.h"

#define REQUESTS (ASKED_INIT | ASKED_STARTUP_BITS)

/* --- after reset, and registers --- */

static void after_reset(void **state)
{
    (void)state;
    vlapic_reset(&vcpus[0], NULL);
    vlapic_reset(&vcpus[1], NULL);
    assert_int_equal(read_msr(0, IA32_APIC_BASE), 0xfee00900);
    assert_int_equal(read_msr(1, IA32_APIC_BASE), 0xfee00800);
    assert_int_equal(read_reg(1, LAPIC_ID), 0x01000000);
    assert_int_equal(read_reg(0, LAPIC_SVR), 0xff);
    assert_int_equal(read_reg(0, REG_DFR), 0xffffffff);
    assert_int_equal(read_reg(0, REG_LDR), 0);
    for (unsigned reg = TIMER; reg <= LAPIC_LVT_ERROR; reg += 16)
        assert_int_equal(read_reg(0, reg), LVT_MASKED);
    assert_int_equal(read_reg(0, LAPIC_VERSION) & 0xff, 0x14);
    assert_int_equal(read_reg(0, LAPIC_VERSION) >> 16 & 0xff, 5);
}

static void software_disabled(void **state)
{
    (void)state;
    write_reg(0, TIMER, 0x40);
    write_reg(0, LAPIC_SVR, 0xff);
    assert_int_equal(read_reg(0, TIMER), LVT_MASKED | 0x40);
    write_reg(0, TIMER, 0x41);
    assert_int_equal(read_reg(0, TIMER), LVT_MASKED | 0x41); /* masks cannot be cleared */
    deliver_message(0, FIXED, 0x50);
    assert_int_equal(pending(0), -1);
    /* NMIs are accepted nevertheless. */
    deliver_message(0, NMI, 0);
    assert_true(nmi_pending(&vcpus[0]));
    write_reg(0, LAPIC_SVR, ENABLED);
    assert_int_equal(pending(0), -1);
}

static void illegal_registers(void **state)
{
    (void)state;
    assert_int_equal(read_reg(0, 0x3f0), 0); /* SELF IPI: x2APIC only */
    assert_int_equal(read_reg(0, REG_ESR), 0);
    write_reg(0, REG_ESR, 0);
    assert_int_equal(read_reg(0, REG_ESR), ESR_REGISTER);
    write_reg(0, REG_ESR, 0);
    assert_int_equal(read_reg(0, REG_ESR), 0);
    write_reg(0, LAPIC_VERSION, 0xff); /* read-only */
    write_reg(0, REG_ESR, 0);
    assert_int_equal(read_reg(0, REG_ESR), ESR_REGISTER);
    /* Every offset of the page, aligned or not: nothing but answers. */
    for (unsigned offset = 0; offset < PAGE_SIZE; offset++)
        read_reg(0, offset);
}

static void masks_of_registers(void **state)
{
    static const struct {
        unsigned reg;
        uint32_t kept;
    } cases[] = {
        {REG_TPR, 0xff},
        {LAPIC_SVR, 0x11ff},
        {REG_LDR, 0xff000000},
        {LAPIC_ICR_HIGH, 0xff000000},
        {LAPIC_TIMER_DCR, 0x0b},
        {TIMER, 0x700ff},
        {LAPIC_TIMER_ICR, 0xffffffff},
        {LAPIC_ID, 0},
        {REG_DFR, 0xffffffff},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        set_up(NULL);
        write_reg(0, cases[i].reg, UINT32_MAX);
        assert_int_equal(read_reg(0, cases[i].reg), cases[i].kept);
    }
    write_reg(0, REG_DFR, 0);
    assert_int_equal(read_reg(0, REG_DFR), 0x0fffffff);
}

/* --- priorities --- */

static void highest_first(void **state)
{
    static const unsigned vectors[] = {0x31, 0xef, 0x40, 0x10, 0x80};
    static const int order[] = {0xef, 0x80, 0x40, 0x31, 0x10};

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        vlapic_post(&vcpus[0], vectors[i], false);
    for (unsigned i = 0; i < 5; i++) {
        accept(0, order[i]);
        assert_int_equal(pending(0), -1); /* the others are of a lower class */
        assert_int_equal(read_reg(0, REG_PPR), order[i] & 0xf0);
        eoi(0);
    }
    assert_int_equal(pending(0), -1);
    assert_int_equal(read_reg(0, REG_PPR), 0);
}

static void nesting(void **state)
{
    (void)state;
    vlapic_post(&vcpus[0], 0x41, false);
    accept(0, 0x41);
    vlapic_post(&vcpus[0], 0x4f, false); /* the same class waits */
    assert_int_equal(pending(0), -1);
    vlapic_post(&vcpus[0], 0x50, false); /* a higher one nests */
    accept(0, 0x50);
    vlapic_post(&vcpus[0], 0x41, false); /* again, while in service: IRR and ISR both */
    eoi(0);
    assert_int_equal(read_reg(0, REG_ISR + 0x20), 2);
    assert_int_equal(pending(0), -1);
    eoi(0);
    accept(0, 0x4f);
    eoi(0);
    accept(0, 0x41);
    eoi(0);
    eoi(0); /* one too many: nothing */
    assert_int_equal(pending(0), -1);
}

static void task_priority(void **state)
{
    (void)state;
    vlapic_post(&vcpus[0], 0x45, false);
    write_reg(0, REG_TPR, 0x4f);
    assert_int_equal(read_reg(0, REG_PPR), 0x4f);
    assert_int_equal(pending(0), -1);
    write_reg(0, REG_TPR, 0x3f);
    accept(0, 0x45);
    assert_int_equal(read_reg(0, REG_PPR), 0x40);
    write_reg(0, REG_TPR, 0x4a);
    assert_int_equal(read_reg(0, REG_PPR), 0x4a);
    /* CR8 is the class of the same register. */
    assert_int_equal(vlapic_tpr_class(&vcpus[0]), 4);
    vlapic_set_tpr_class(&vcpus[0], 15);
    assert_int_equal(read_reg(0, REG_TPR), 0xf0);
    vlapic_set_tpr_class(&vcpus[0], 0);
    assert_int_equal(read_reg(0, REG_PPR), 0x40);
}

/* Against a model that sorts lists instead of scanning bits. */
static void random_priorities(void **state)
{
    bool irr[256] = {false}, isr[256] = {false};
    unsigned tpr = 0, accepted = 0;

    (void)state;
    srand(9);
    for (unsigned i = 0; i < 30000; i++) {
        int top = -1, service = -1;
        unsigned v = 16 + (unsigned)rand() % 240, class;

        switch (rand() % 4) {
        case 0:
            vlapic_post(&vcpus[0], v, false);
            irr[v] = true;
            break;
        case 1:
            tpr = (unsigned)rand() % 256;
            write_reg(0, REG_TPR, tpr);
            break;
        case 2:
            eoi(0);
            for (int n = 255; n >= 0; n--) {
                if (isr[n]) {
                    isr[n] = false;
                    break;
                }
            }
            break;
        default: break;
        }
        for (int n = 0; n < 256; n++) {
            top = irr[n] ? n : top;
            service = isr[n] ? n : service;
        }
        class = MAX(tpr >> 4, service < 0 ? 0 : (unsigned)service >> 4);
        if (top >= 0 && (unsigned)top >> 4 <= class)
            top = -1;
        assert_int_equal(pending(0), top);
        assert_int_equal(read_reg(0, REG_PPR) >> 4, class);
        if (top < 0 || rand() % 2)
            continue;
        vlapic_accept(&vcpus[0], (unsigned)top);
        irr[top] = false;
        isr[top] = true;
        accepted++;
    }
    assert_true(accepted > 500);
}

/* --- interprocessor interrupts --- */

static void send(unsigned from, uint32_t destination, uint32_t low)
{
    if (vlapic_mmio_enabled(&vcpus[from])) {
        write_reg(from, LAPIC_ICR_HIGH, destination << 24);
        write_reg(from, LAPIC_ICR, low);
    } else {
        assert_true(write_msr(from, IA32_X2APIC_BASE + LAPIC_ICR / 16, (uint64_t)destination << 32 | low));
    }
}

static void physical_destinations(void **state)
{
    (void)state;
    for (uint32_t d = 0; d < CPUS; d++) {
        send(0, d, 0x4061);
        assert_int_equal(who_gets(0x61), 1 << d);
    }
    send(0, 0xff, 0x4061);
    assert_int_equal(who_gets(0x61), 0xf);
    send(0, 9, 0x4061);
    assert_int_equal(who_gets(0x61), 0);
    assert_int_equal(read_reg(0, LAPIC_ICR), 0x4061); /* delivery status: idle */
}

static void shorthands(void **state)
{
    (void)state;
    send(2, 0, 1 << 18 | 0x62);
    assert_int_equal(who_gets(0x62), 1 << 2);
    send(2, 0, 2 << 18 | 0x62);
    assert_int_equal(who_gets(0x62), 0xf);
    send(2, 0, 3 << 18 | 0x62);
    assert_int_equal(who_gets(0x62), 0xf & ~(1 << 2));
    send(2, 0, 3 << 18 | 0x400);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(take_nmi(&vcpus[i]), i != 2);
    assert_false(nmi_pending(&vcpus[0]));
}

static void logical_flat(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++)
        write_reg(i, REG_LDR, 1u << (24 + i));
    for (uint32_t d = 0; d < 256; d++) {
        send(1, d, LOGICAL | 0x63);
        assert_int_equal(who_gets(0x63), d & 0xf);
    }
}

static void logical_cluster(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        write_reg(i, REG_DFR, 0);
        write_reg(i, REG_LDR, (i / 2) << 28 | 1u << (24 + i % 2));
    }
    send(0, 0x03, LOGICAL | 0x63);
    assert_int_equal(who_gets(0x63), 3);
    send(0, 0x12, LOGICAL | 0x63);
    assert_int_equal(who_gets(0x63), 1 << 3);
    send(0, 0x2f, LOGICAL | 0x63);
    assert_int_equal(who_gets(0x63), 0);
}

static void lowest_of_several(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++) {
        write_reg(i, REG_LDR, 1u << (24 + i));
        write_reg(i, REG_TPR, (4 - i) << 4);
    }
    send(0, 0xff, LOGICAL | LOWEST << 8 | 0x64);
    assert_int_equal(who_gets(0x64), 1 << 3);
    send(0, 0x06, LOGICAL | LOWEST << 8 | 0x64);
    assert_int_equal(who_gets(0x64), 1 << 2);
    write_reg(2, LAPIC_SVR, 0xff); /* one that does not take part */
    send(0, 0x06, LOGICAL | LOWEST << 8 | 0x64);
    assert_int_equal(who_gets(0x64), 1 << 1);
    /* In service counts like the task priority. */
    vlapic_post(&vcpus[3], 0x91, false);
    accept(3, 0x91);
    send(0, 0xff, LOGICAL | LOWEST << 8 | 0xa4);
    assert_int_equal(pending(3), -1);
    assert_int_equal(pending(1), 0xa4);
}

static void x2apic_destinations(void **state)
{
    (void)state;
    for (uint32_t d = 0; d < CPUS; d++) {
        send(0, d, 0x65);
        assert_int_equal(who_gets(0x65), 1 << d);
        assert_int_equal(read_msr(d, 0x80d), 1 << d);
        assert_int_equal(read_msr(d, 0x802), d);
    }
    send(0, 0xff, 0x65); /* no broadcast in this mode */
    assert_int_equal(who_gets(0x65), 0);
    send(0, UINT32_MAX, 0x65);
    assert_int_equal(who_gets(0x65), 0xf);
    send(0, 0x5, LOGICAL | 0x65);
    assert_int_equal(who_gets(0x65), 5);
    send(0, 0x10005, LOGICAL | 0x65); /* the next cluster */
    assert_int_equal(who_gets(0x65), 0);
    assert_int_equal(read_msr(0, 0x830), UINT64_C(0x1000500000865));
}

static void x2apic_clusters(void **state)
{
    static const uint32_t ids[] = {0, 15, 16, 63};

    (void)state;
    set_up(NULL);
    for (unsigned i = 0; i < CPUS; i++) {
        vcpus[i].apic_id = ids[i];
        to_x2apic(i);
        assert_int_equal(read_msr(i, 0x80d), (ids[i] >> 4) << 16 | 1u << (ids[i] & 15));
    }
    send(0, 0x8001, LOGICAL | 0x66);
    assert_int_equal(who_gets(0x66), 3);
    send(0, 0x10001, LOGICAL | 0x66);
    assert_int_equal(who_gets(0x66), 4);
    send(0, 0x3ffff, LOGICAL | 0x66);
    assert_int_equal(who_gets(0x66), 8);
    send(0, 63, 0x66);
    assert_int_equal(who_gets(0x66), 8);
}

static void self_ipi(void **state)
{
    (void)state;
    assert_true(write_msr(1, 0x83f, 0x77));
    assert_int_equal(who_gets(0x77), 2);
    assert_false(write_msr(1, 0x83f, 0x177));
    assert_false(can_read_msr(0x83f));
}

static void illegal_vectors(void **state)
{
    (void)state;
    send(0, 1, 0x0f);
    write_reg(0, REG_ESR, 0);
    assert_int_equal(read_reg(0, REG_ESR), ESR_SEND_VECTOR);
    assert_int_equal(pending(1), -1);
    deliver_message(1, FIXED, 3);
    assert_int_equal(pending(1), -1);
    write_reg(1, REG_ESR, 0);
    assert_int_equal(read_reg(1, REG_ESR), ESR_RECEIVE_VECTOR);
}

/* Whoever posts first kicks; the others rely on it, until the mailbox has been emptied. */
static void kicks_once(void **state)
{
    (void)state;
    vlapic_post(&vcpus[1], 0x70, false);
    vlapic_post(&vcpus[1], 0x71, false);
    assert_int_equal(ipis, 1);
    assert_int_equal(ipi_to, 1);
    assert_int_equal(ipi_icr & 0xff, VECTOR_KICK);
    accept(1, 0x71);
    vlapic_post(&vcpus[1], 0x72, false);
    assert_int_equal(ipis, 2);
}

/* --- modes --- */

static void mode_switches(void **state)
{
    const uint64_t on = VLAPIC_BASE | APIC_BASE_ENABLE, off = VLAPIC_BASE, both = on | APIC_BASE_X2APIC;
    static const struct {
        unsigned from, to;
        bool allowed;
    } cases[] = {
        /* 0: off, 1: xAPIC, 2: x2APIC, 3: the invalid fourth */
        {0, 0, true}, {0, 1, true},  {0, 2, false}, {0, 3, false}, {1, 0, true}, {1, 1, true},
        {1, 2, true}, {1, 3, false}, {2, 0, true},  {2, 1, false}, {2, 2, true}, {2, 3, false},
    };
    const uint64_t values[] = {off, on, both, off | APIC_BASE_X2APIC};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        set_up(NULL);
        if (cases[i].from == 2)
            to_x2apic(1);
        else
            assert_true(write_msr(1, IA32_APIC_BASE, values[cases[i].from]));
        assert_int_equal(write_msr(1, IA32_APIC_BASE, values[cases[i].to]), cases[i].allowed);
        assert_int_equal(read_msr(1, IA32_APIC_BASE), values[cases[i].allowed ? cases[i].to : cases[i].from]);
        assert_int_equal(vlapic_mmio_enabled(&vcpus[1]),
                         (cases[i].allowed ? cases[i].to : cases[i].from) == 1);
    }
    set_up(NULL);
    assert_true(write_msr(1, IA32_APIC_BASE, on + PAGE_SIZE));
    assert_int_equal(vlapic_base(&vcpus[1]).value, VLAPIC_BASE + PAGE_SIZE);
    assert_true(write_msr(1, IA32_APIC_BASE, on));
    assert_false(write_msr(1, IA32_APIC_BASE, on | BIT(9)));
    assert_false(write_msr(1, IA32_APIC_BASE, on | BIT(40)));
    config.x2apic = false;
    assert_false(write_msr(1, IA32_APIC_BASE, both));
}

static void switching_off_forgets(void **state)
{
    (void)state;
    write_reg(0, TIMER, 0x40);
    write_reg(0, LAPIC_TIMER_ICR, 1000);
    vlapic_post(&vcpus[0], 0x50, false);
    accept(0, 0x50);
    assert_true(write_msr(0, IA32_APIC_BASE, VLAPIC_BASE));
    assert_int_equal(armed, 0);
    deliver_message(0, FIXED, 0x60);
    assert_int_equal(pending(0), -1);
    assert_true(write_msr(0, IA32_APIC_BASE, VLAPIC_BASE | APIC_BASE_ENABLE));
    assert_int_equal(read_reg(0, LAPIC_SVR), 0xff);
    assert_int_equal(read_reg(0, REG_ISR + 0x20), 0);
    fake_tsc += 1000000;
    write_reg(0, LAPIC_SVR, ENABLED);
    assert_int_equal(pending(0), -1);
}

/* What is in service or pending survives the step from xAPIC to x2APIC. */
static void x2apic_keeps_state(void **state)
{
    (void)state;
    write_reg(0, REG_TPR, 0x20);
    vlapic_post(&vcpus[0], 0x50, false);
    accept(0, 0x50);
    vlapic_post(&vcpus[0], 0x40, false);
    to_x2apic(0);
    assert_int_equal(read_msr(0, 0x808), 0x20);
    assert_int_equal(read_msr(0, 0x812), 1 << 16);
    eoi(0);
    assert_int_equal(pending(0), 0x40);
}

/* Access rights of each of the 256 MSRs, by the SDM's table of x2APIC registers, without CMCI. */
static void x2apic_map(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 256; i++) {
        bool vectors = i >= 0x10 && i <= 0x27;
        bool readable = vectors || i == 0x02 || i == 0x03 || i == 0x08 || i == 0x0a || i == 0x0d ||
                        i == 0x0f || i == 0x28 || i == 0x30 || (i >= 0x32 && i <= 0x39) || i == 0x3e;
        bool writable = i == 0x08 || i == 0x0b || i == 0x0f || i == 0x28 || i == 0x30 ||
                        (i >= 0x32 && i <= 0x38) || i == 0x3e || i == 0x3f;

        set_up_x2apic(NULL);
        assert_int_equal(can_read_msr(0x800 + i), readable);
        assert_int_equal(write_msr(0, 0x800 + i, i == 0x3f ? 0x30 : 0), writable);
    }
    set_up(NULL);
    for (uint32_t i = 0; i < 256; i++) {
        assert_false(can_read_msr(0x800 + i)); /* not in xAPIC mode */
        assert_false(write_msr(0, 0x800 + i, 0));
    }
}

static void x2apic_reserved_bits(void **state)
{
    static const struct {
        uint32_t msr;
        uint64_t writable;
    } cases[] = {
        {0x808, 0xff},
        {0x80b, 0},
        {0x80f, 0x11ff},
        {0x828, 0},
        {0x830, UINT64_C(0xffffffff000cdfff)},
        {0x832, 0x710ff},
        {0x835, 0x1f7ff},
        {0x836, 0x1f7ff},
        {0x837, 0x110ff},
        {0x838, UINT32_MAX},
        {0x83e, 0xb},
        {0x83f, 0xff},
        {0x82f, 0}, /* there is no CMCI */
        {0x834, 0x117ff},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            set_up_x2apic(NULL);
            assert_int_equal(write_msr(0, cases[i].msr, BIT(bit)), cases[i].writable >> bit & 1);
        }
    }
}

/* --- with the I/O APIC --- */

static void ioapic_entry(unsigned pin, uint64_t entry)
{
    vioapic_write(&vm, &ioapic, 0, 0x11 + 2 * pin);
    vioapic_write(&vm, &ioapic, 0x10, (uint32_t)(entry >> 32));
    vioapic_write(&vm, &ioapic, 0, 0x10 + 2 * pin);
    vioapic_write(&vm, &ioapic, 0x10, (uint32_t)entry);
}

static bool remote_irr(unsigned pin)
{
    return ioapic.redirection[pin] & BIT(14);
}

static void level_interrupt(void **state)
{
    (void)state;
    ioapic_entry(4, UINT64_C(1) << 56 | BIT(15) | 0x51);
    vioapic_set_pin(&vm, &ioapic, 4, true);
    assert_true(remote_irr(4));
    accept(1, 0x51);
    assert_int_equal(read_reg(1, REG_TMR + 0x20), 1 << 17);
    eoi(1);
    assert_int_equal(broadcasts, 1);
    accept(1, 0x51); /* the line is still up */
    vioapic_set_pin(&vm, &ioapic, 4, false);
    eoi(1);
    assert_false(remote_irr(4));
    assert_int_equal(pending(1), -1);
    /* The same vector as an edge is no broadcast's business. */
    vlapic_post(&vcpus[1], 0x51, false);
    accept(1, 0x51);
    assert_int_equal(read_reg(1, REG_TMR + 0x20), 0);
    eoi(1);
    assert_int_equal(broadcasts, 2);
}

static void broadcast_suppressed(void **state)
{
    (void)state;
    write_reg(1, LAPIC_SVR, ENABLED | SVR_NO_BROADCAST);
    ioapic_entry(4, UINT64_C(1) << 56 | BIT(15) | 0x51);
    vioapic_set_pin(&vm, &ioapic, 4, true);
    accept(1, 0x51);
    eoi(1);
    assert_int_equal(broadcasts, 0);
    assert_true(remote_irr(4));
    vioapic_set_pin(&vm, &ioapic, 4, false);
    vioapic_write(&vm, &ioapic, 0x40, 0x51); /* directed EOI */
    assert_false(remote_irr(4));
}

static void messages_to_several(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CPUS; i++)
        write_reg(i, REG_LDR, 1u << (24 + i));
    ioapic_entry(5, UINT64_C(0x0a) << 56 | BIT(11) | 0x52);
    vioapic_set_pin(&vm, &ioapic, 5, true);
    assert_int_equal(who_gets(0x52), 0xa);
    deliver_message(0xff, NMI, 0);
    for (unsigned i = 0; i < CPUS; i++)
        assert_true(take_nmi(&vcpus[i]));
}

/* Bits 14:8 of a destination count: 102h is not 2. */
static void wide_destination(void **state)
{
    (void)state;
    ioapic_entry(5, UINT64_C(2) << 56 | UINT64_C(1) << 49 | 0x52);
    vioapic_set_pin(&vm, &ioapic, 5, true);
    assert_int_equal(who_gets(0x52), 0);
    vioapic_set_pin(&vm, &ioapic, 5, false);
    ioapic_entry(5, UINT64_C(2) << 56 | 0x52);
    vioapic_set_pin(&vm, &ioapic, 5, true);
    assert_int_equal(who_gets(0x52), BIT(2));
}

/* INIT and SIPI reach exactly the addressed; the de-assert form of INIT does nothing. */
static void init_and_startup(void **state)
{
    (void)state;
    write_reg(0, LAPIC_ICR_HIGH, 2u << 24);
    write_reg(0, LAPIC_ICR, ICR_INIT);
    write_reg(0, LAPIC_ICR, ICR_STARTUP | 0x9a);
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(vcpus[i].asked & REQUESTS, i == 2 ? ASKED_INIT | ASKED_STARTUP | 0x9au << 24 : 0);
    }
    vcpus[2].asked = 0;
    write_reg(0, LAPIC_ICR, 0x8500); /* level-triggered, not asserted */
    assert_int_equal(vcpus[2].asked & REQUESTS, 0);
    write_reg(0, LAPIC_ICR, ICR_INIT | ICR_ALL_BUT_SELF);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(vcpus[i].asked & REQUESTS, i != 0 ? ASKED_INIT : 0);
}

/* INIT brings the registers to their reset state and leaves ID and mode. */
static void init_keeps_mode(void **state)
{
    (void)state;
    to_x2apic(1);
    assert_true(write_msr(1, 0x808, 0x40));
    vlapic_post(&vcpus[1], 0x55, false);
    vlapic_init(&vcpus[1]);
    assert_int_equal(read_msr(1, 0x808), 0);
    assert_int_equal(read_msr(1, 0x80f), 0xff);
    assert_int_equal(read_msr(1, 0x802), 1);
    assert_int_equal(vlapic_pending(&vcpus[1]), -1);
    assert_true(read_msr(1, IA32_APIC_BASE) & APIC_BASE_X2APIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        XAPIC(after_reset),
        XAPIC(software_disabled),
        XAPIC(illegal_registers),
        XAPIC(masks_of_registers),
        XAPIC(highest_first),
        XAPIC(nesting),
        XAPIC(task_priority),
        XAPIC(random_priorities),
        XAPIC(physical_destinations),
        XAPIC(shorthands),
        X2APIC(shorthands),
        XAPIC(logical_flat),
        XAPIC(logical_cluster),
        XAPIC(lowest_of_several),
        X2APIC(x2apic_destinations),
        X2APIC(x2apic_clusters),
        X2APIC(self_ipi),
        XAPIC(illegal_vectors),
        XAPIC(kicks_once),
        XAPIC(mode_switches),
        XAPIC(switching_off_forgets),
        XAPIC(x2apic_keeps_state),
        X2APIC(x2apic_map),
        X2APIC(x2apic_reserved_bits),
        XAPIC(level_interrupt),
        XAPIC(broadcast_suppressed),
        XAPIC(messages_to_several),
        XAPIC(wide_destination),
        X2APIC(wide_destination),
        XAPIC(init_and_startup),
        XAPIC(init_keeps_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
