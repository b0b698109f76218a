/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC in xAPIC and, where CPUID has it, x2APIC mode: identity, priorities, self-IPIs, the timer in
 * all its modes, illegal registers, and the changes of mode that are allowed.
 */
#include "lib/guest.h"

#define IPI_VECTOR   0x51
#define TIMER_VECTOR 0x62
#define DIVIDE_1     0xb
#define DIVIDE_2     0x0
#define DIVIDE_16    0x3
#define BASE         0xfee00000u
#define SHORT        20000u
#define LONG         100000000u

const char guest_name[] = "apic-basic";

static volatile uint32_t ipis, ticks;
static volatile bool in_service;
static volatile uint64_t came;
static const char *mode;

static void on_ipi(struct trap_frame *frame)
{
    ipis++;
    in_service = apic_read(APIC_ISR + frame->vector / 32 * 16) >> frame->vector % 32 & 1;
    apic_write(APIC_EOI, 0);
}

static void on_tick(struct trap_frame *frame)
{
    (void)frame;
    came = rdtsc();
    ticks++;
    apic_write(APIC_EOI, 0);
}

/* Gives what is pending a chance. */
static void open_window(void)
{
    interrupts_on();
    for (volatile unsigned i = 0; i < 50; i++)
        ;
    interrupts_off();
}

static bool pending(unsigned vector)
{
    return apic_read(APIC_IRR + vector / 32 * 16) >> vector % 32 & 1;
}

/* --- identity and priorities --- */

static void test_identity(void)
{
    uint32_t id = apic_read(APIC_ID), version = apic_read(APIC_VERSION);

    id = apic_in_x2apic_mode() ? id : id >> 24;
    check(id == cpuid(1, 0).ebx >> 24, "%s: ID %u is CPUID's", mode, (unsigned)id);
    check((version & 0xf0) == 0x10 && (version >> 16 & 0xff) >= 3, "%s: version %x", mode, (unsigned)version);
}

static void test_priority(void)
{
    uint32_t before = ipis;

    apic_write(APIC_TPR, 0x60);
    check(apic_read(APIC_PPR) == 0x60, "%s: PPR follows TPR", mode);
    apic_send_icr(0, ICR_TO_SELF | IPI_VECTOR);
    open_window();
    check(ipis == before && pending(IPI_VECTOR), "%s: TPR 60h holds vector 51h back", mode);
    apic_write(APIC_TPR, 0x50);
    open_window();
    check(ipis == before, "%s: TPR 50h too", mode);
    apic_write(APIC_TPR, 0x40);
    open_window();
    check(ipis == before + 1 && !pending(IPI_VECTOR), "%s: TPR 40h lets it through", mode);
    apic_write(APIC_TPR, 0);
}

static void test_ipis(void)
{
    uint32_t before = ipis, id = apic_read(APIC_ID);

    id = apic_in_x2apic_mode() ? id : id >> 24;
    in_service = false;
    apic_send_icr(0, ICR_TO_SELF | IPI_VECTOR);
    open_window();
    check(ipis == before + 1 && in_service, "%s: self-IPI by shorthand", mode);
    apic_send_icr(id, IPI_VECTOR);
    open_window();
    check(ipis == before + 2, "%s: IPI to the own ID", mode);
    apic_send_icr(id + 1, IPI_VECTOR);
    open_window();
    check(ipis == before + 2, "%s: IPI to nobody", mode);
    apic_send_icr(0, ICR_TO_SELF | IPI_VECTOR);
    apic_send_icr(0, ICR_TO_SELF | IPI_VECTOR);
    open_window();
    check(ipis == before + 3, "%s: two of a vector are one", mode);
    check(apic_read(APIC_ISR + IPI_VECTOR / 32 * 16) == 0, "%s: nothing in service after EOI", mode);
    if (apic_in_x2apic_mode()) {
        apic_write(APIC_SELF_IPI, IPI_VECTOR);
        open_window();
        check(ipis == before + 4, "%s: SELF_IPI register", mode);
    }
}

static void test_logical(void)
{
    uint32_t before = ipis;

    if (apic_in_x2apic_mode()) {
        apic_send_icr(apic_read(APIC_LDR), BIT(11) | IPI_VECTOR);
    } else {
        apic_write(APIC_DFR, UINT32_MAX);
        apic_write(APIC_LDR, 0x02000000);
        apic_send_icr(6, BIT(11) | IPI_VECTOR);
    }
    open_window();
    check(ipis == before + 1, "%s: IPI by logical ID %x", mode, (unsigned)apic_read(APIC_LDR));
    apic_send_icr(apic_in_x2apic_mode() ? 0x8000 : 4, BIT(11) | IPI_VECTOR);
    open_window();
    check(ipis == before + 1, "%s: another logical ID is not meant", mode);
}

static void test_illegal_vector(void)
{
    apic_write(APIC_ESR, 0);
    apic_send_icr(0, ICR_TO_SELF | 5);
    apic_write(APIC_ESR, 0);
    check(apic_read(APIC_ESR) & 0x60, "%s: vector 5 is an error, ESR %x", mode,
          (unsigned)apic_read(APIC_ESR));
    apic_write(APIC_ESR, 0);
    apic_write(APIC_ESR, 0);
    check(apic_read(APIC_ESR) == 0, "%s: ESR clears", mode);
}

/* --- timer --- */

static void test_one_shot(void)
{
    static const struct {
        uint32_t code, divisor;
    } divides[] = {{DIVIDE_1, 1}, {DIVIDE_2, 2}, {DIVIDE_16, 16}};

    apic_write(APIC_LVT_TIMER, LVT_ONE_SHOT | TIMER_VECTOR);
    for (unsigned i = 0; i < ARRAY_SIZE(divides); i++) {
        uint32_t before = ticks;
        uint64_t start = rdtsc(), least = (uint64_t)SHORT * divides[i].divisor;

        apic_write(APIC_TIMER_DIVIDE, divides[i].code);
        apic_write(APIC_TIMER_INITIAL, SHORT);
        wait_change(&ticks, before);
        check(ticks == before + 1 && came - start >= least && came - start < least * 3 / 2 + 20000,
              "%s: one-shot %u by %u after %llu", mode, SHORT, (unsigned)divides[i].divisor, came - start);
    }
    check(apic_read(APIC_TIMER_CURRENT) == 0, "%s: current count 0 after it", mode);
}

static void test_count(void)
{
    uint32_t before = ticks, first, second;

    apic_write(APIC_TIMER_DIVIDE, DIVIDE_1);
    apic_write(APIC_TIMER_INITIAL, LONG);
    first = apic_read(APIC_TIMER_CURRENT);
    second = apic_read(APIC_TIMER_CURRENT);
    check(first > second && first <= LONG && second > LONG / 2, "%s: the count runs down", mode);
    apic_write(APIC_TIMER_INITIAL, 0);
    open_window();
    check(apic_read(APIC_TIMER_CURRENT) == 0 && ticks == before, "%s: initial count 0 stops it", mode);
}

static void test_mask(void)
{
    uint32_t before = ticks;
    uint64_t start = rdtsc();

    apic_write(APIC_LVT_TIMER, LVT_MASKED | TIMER_VECTOR);
    apic_write(APIC_TIMER_INITIAL, SHORT);
    while (rdtsc() - start < 4 * SHORT)
        ;
    open_window();
    check(ticks == before && !pending(TIMER_VECTOR), "%s: a masked timer is silent", mode);
    apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
    open_window();
    check(ticks == before, "%s: unmasking does not bring it back", mode);
}

static void test_periodic(void)
{
    uint32_t before = ticks;
    uint64_t start = rdtsc();

    apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TIMER_VECTOR);
    apic_write(APIC_TIMER_INITIAL, SHORT);
    for (uint32_t i = 0; i < 10; i++)
        wait_change(&ticks, before + i);
    check(ticks == before + 10 && came - start >= 10 * SHORT, "%s: 10 periods of %u in %llu", mode, SHORT,
          came - start);
    apic_write(APIC_LVT_TIMER, LVT_MASKED | TIMER_VECTOR);
    apic_write(APIC_TIMER_INITIAL, 0);
    open_window();
}

static void test_deadline(void)
{
    uint32_t before;
    uint64_t due, shown;

    if (!has_tsc_deadline())
        return;
    apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TIMER_VECTOR);
    before = ticks;
    due = rdtsc() + SHORT;
    wrmsr(TSC_DEADLINE_MSR, due);
    shown = rdmsr(TSC_DEADLINE_MSR);
    wait_change(&ticks, before);
    check(shown == due, "%s: the deadline reads back", mode);
    check(ticks == before + 1 && came >= due && came < due + 20000, "%s: deadline, %llu late", mode,
          came - due);
    check(rdmsr(TSC_DEADLINE_MSR) == 0, "%s: and is 0 then", mode);
    wrmsr(TSC_DEADLINE_MSR, 1);
    open_window();
    check(ticks == before + 2, "%s: a deadline in the past fires at once", mode);
    wrmsr(TSC_DEADLINE_MSR, rdtsc() + LONG);
    wrmsr(TSC_DEADLINE_MSR, 0);
    check(rdmsr(TSC_DEADLINE_MSR) == 0, "%s: 0 disarms", mode);
    apic_write(APIC_TIMER_INITIAL, SHORT);
    check(apic_read(APIC_TIMER_CURRENT) == 0, "%s: no count in deadline mode", mode);
    wrmsr(TSC_DEADLINE_MSR, rdtsc() + LONG);
    apic_write(APIC_LVT_TIMER, LVT_ONE_SHOT | TIMER_VECTOR);
    check(rdmsr(TSC_DEADLINE_MSR) == 0, "%s: leaving the mode disarms", mode);
    wrmsr(TSC_DEADLINE_MSR, 1);
    open_window();
    check(ticks == before + 2, "%s: no deadline outside its mode", mode);
    apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

static void test_software_disable(void)
{
    apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
    apic_write(APIC_SVR, 0xff);
    check(apic_read(APIC_LVT_TIMER) & LVT_MASKED, "%s: software disable masks the LVT", mode);
    apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
    check(apic_read(APIC_LVT_TIMER) & LVT_MASKED, "%s: and keeps it masked", mode);
    apic_enable();
}

static void test_all(void)
{
    apic_enable();
    test_identity();
    test_priority();
    test_ipis();
    test_logical();
    test_illegal_vector();
    test_one_shot();
    test_count();
    test_mask();
    test_periodic();
    test_deadline();
    test_software_disable();
}

/* --- x2APIC's own rules --- */

static void test_x2apic_registers(void)
{
    uint64_t value;
    const uint32_t unreadable[] = {0x80b, 0x83f, 0x80e, 0x831, 0x800, 0x801, 0x804, 0x82e, 0x83a, 0x8ff};
    bool ok = true;

    for (unsigned i = 0; i < ARRAY_SIZE(unreadable); i++)
        ok = try_rdmsr(unreadable[i], &value) == GP && ok;
    check(ok, "x2apic: registers that cannot be read give #GP");
    check(try_wrmsr(0x802, 0) == GP && try_wrmsr(0x803, 0) == GP && try_wrmsr(0x80d, 0) == GP,
          "x2apic: ID, version and LDR cannot be written");
    check(try_wrmsr(0x80b, 1) == GP && try_wrmsr(0x828, 1) == GP, "x2apic: EOI and ESR take only 0");
    check(try_wrmsr(0x808, 0x100) == GP && try_wrmsr(0x80f, BIT(20)) == GP, "x2apic: reserved bits give #GP");
    check(try_wrmsr(0x832, (uint64_t)1 << 32) == GP, "x2apic: the upper half is reserved");
    check(mmio_read(BASE + APIC_VERSION) == UINT32_MAX, "x2apic: nothing is left at FEE00000h");
}

static void test_modes(void)
{
    uint64_t base = rdmsr(APIC_BASE_MSR), value;

    check((base & 0xfffff100) == (BASE | 0x100), "base %llx: where it should be, bootstrap CPU", base);
    check(try_rdmsr(0x802, &value) == GP, "xapic: no x2APIC registers");
    if (!has_x2apic()) {
        check(try_wrmsr(APIC_BASE_MSR, base | APIC_BASE_X2APIC) == GP, "no x2APIC: enabling it gives #GP");
        return;
    }
    check(try_wrmsr(APIC_BASE_MSR, base & ~APIC_BASE_ENABLE) == NO_TRAP, "xAPIC to disabled");
    check(!(cpuid(1, 0).edx & BIT(9)), "CPUID shows no APIC then");
    check(try_wrmsr(APIC_BASE_MSR, base | APIC_BASE_X2APIC) == GP, "disabled to x2APIC gives #GP");
    check(try_wrmsr(APIC_BASE_MSR, (base & ~APIC_BASE_ENABLE) | APIC_BASE_X2APIC) == GP,
          "x2APIC without enable gives #GP");
    check(try_wrmsr(APIC_BASE_MSR, base) == NO_TRAP, "disabled to xAPIC");
    check(try_wrmsr(APIC_BASE_MSR, base | APIC_BASE_X2APIC) == NO_TRAP, "xAPIC to x2APIC");
    check(try_wrmsr(APIC_BASE_MSR, base) == GP, "x2APIC to xAPIC gives #GP");
    check(apic_in_x2apic_mode(), "x2APIC mode is on");
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    on_interrupt(IPI_VECTOR, on_ipi);
    on_interrupt(TIMER_VECTOR, on_tick);
    mode = "xapic";
    test_all();
    test_modes();
    if (!has_x2apic())
        return;
    mode = "x2apic";
    test_all();
    test_x2apic_registers();
    check(try_wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) & ~(uint64_t)(APIC_BASE_X2APIC | APIC_BASE_ENABLE)) ==
              NO_TRAP,
          "x2APIC to disabled");
}
