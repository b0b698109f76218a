/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's local APIC, as the firmware may leave it, where the machine's NMIs come in, and TSC-deadline
 * mode with microcode of each age. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include <string.h>

#include "arch/x86/msr.h"

static uint32_t page[1024]; /* of the xAPIC; in x2APIC mode MSRs */
static unsigned eois;

/* The highest one in service ends. */
static void end_one(void)
{
    eois++;
    for (int i = 7; i >= 0; i--) {
        uint64_t *isr = fake_msr(IA32_X2APIC_BASE + 0x10 + (uint32_t)i);

        if (*isr) {
            *isr &= ~(UINT64_C(1) << (31 - __builtin_clz((uint32_t)*isr)));
            return;
        }
    }
}

/* A register that is not there faults. */
static void fake_wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == IA32_X2APIC_BASE + 0xb)
        end_one();
    else if (fake_msr(msr))
        *fake_msr(msr) = value;
    else
        fail_msg("wrmsr of %x, which this CPU does not have", msr);
}

#define wrmsr(msr, value) fake_wrmsr(msr, value)
#include "arch/x86/flaws.c"
#include "arch/x86/lapic.c"
#include "arch/x86/nmi_line.h"

static struct cpu cpu;
static bool tells_microcode;
static uint32_t microcode;
static struct acpi_madt madt;

bool cpu_microcode(uint32_t *revision)
{
    *revision = microcode;
    return tells_microcode;
}

static uint32_t *xapic(uint32_t reg)
{
    return &page[reg / 4];
}

static uint64_t *x2apic(uint32_t reg)
{
    return fake_msr(IA32_X2APIC_BASE + reg / 16);
}

static const uint32_t lvts[] = {LAPIC_LVT_TIMER, LAPIC_LVT_LINT0, LAPIC_LVT_LINT1, LAPIC_LVT_ERROR,
                                LAPIC_LVT_PERF,  LAPIC_LVT_THERM, LAPIC_LVT_CMCI};

/* All sources on, with vectors of exceptions, but the thermal sensor's SMI. */
static int firmware(void **state)
{
    (void)state;
    fake_msr_count = eois = 0;
    fake_this_cpu = &cpu;
    fake_leaf_1 = (struct cpuid){.eax = 0x306c3, .ecx = (uint32_t)BIT(24)};
    tells_microcode = true;
    microcode = 0x28;
    memset(page, 0, sizeof(page));
    memset(&madt, 0, sizeof(madt));
    fake_msr_set(IA32_APIC_BASE, 0xfee00000 | APIC_BASE_ENABLE);
    *xapic(LAPIC_VERSION) = 0x60014;
    for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
        *xapic(lvts[i]) = 0x10 + i;
    *xapic(LAPIC_LVT_THERM) = LVT_SMI;
    *xapic(LAPIC_TPR) = 0x20;
    *xapic(LAPIC_SVR) = 0x1ff;
    *xapic(LAPIC_ID) = 5u << 24;
    return 0;
}

static void sources_are_masked(void **state)
{
    (void)state;
    lapic_setup(page);
    assert_int_equal(lapic_enable(), 5);
    for (unsigned i = 1; i < ARRAY_SIZE(lvts); i++)
        assert_int_equal(*xapic(lvts[i]), lvts[i] == LAPIC_LVT_THERM ? LVT_SMI : LVT_MASKED);
    assert_int_equal(*xapic(LAPIC_LVT_TIMER), VECTOR_TIMER | LVT_TSC_DEADLINE);
    assert_int_equal(*xapic(LAPIC_TPR), 0x10);
    lapic_put_back();
    for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
        assert_int_equal(*xapic(lvts[i]), lvts[i] == LAPIC_LVT_THERM ? LVT_SMI : 0x10 + i);
    assert_int_equal(*xapic(LAPIC_TPR), 0x20);
}

/* A thermal sensor with a vector is somebody's interrupt like the others. */
static void thermal_vector_is_masked(void **state)
{
    (void)state;
    *xapic(LAPIC_LVT_THERM) = 0xfa;
    lapic_setup(page);
    lapic_enable();
    assert_int_equal(*xapic(LAPIC_LVT_THERM), LVT_MASKED);
}

/* In x2APIC mode one that is not there faults: the last entry is LINT1's and error's, perf's, ... */
static void registers_that_are_not_there(void **state)
{
    (void)state;
    for (unsigned last = 3; last <= 6; last++) {
        firmware(NULL);
        *fake_msr(IA32_APIC_BASE) |= APIC_BASE_X2APIC;
        for (unsigned i = 0; i <= last; i++)
            fake_msr_set(IA32_X2APIC_BASE + lvts[i] / 16, 0x10);
        fake_msr_set(IA32_X2APIC_BASE + LAPIC_VERSION / 16, last << 16 | 0x14);
        fake_msr_set(IA32_X2APIC_BASE + LAPIC_ID / 16, 0x12345);
        for (uint32_t reg = LAPIC_ISR; reg < LAPIC_ISR + 0x80; reg += 16)
            fake_msr_set(IA32_X2APIC_BASE + reg / 16, 0);
        *x2apic(LAPIC_ISR + 0x10) = 0x80000001; /* vectors 20h, 3Fh and EFh in service */
        *x2apic(LAPIC_ISR + 0x70) = 0x8000;
        fake_msr_set(IA32_X2APIC_BASE + LAPIC_TPR / 16, 0);
        fake_msr_set(IA32_X2APIC_BASE + LAPIC_SVR / 16, 0);
        fake_msr_set(IA32_X2APIC_BASE + LAPIC_ESR / 16, 0x40);
        fake_msr_set(IA32_X2APIC_BASE + LAPIC_TIMER_DCR / 16, 0);
        lapic_setup(NULL);
        assert_int_equal(lapic_enable(), 0x12345);
        for (unsigned i = 1; i <= last; i++)
            assert_int_equal(*x2apic(lvts[i]), LVT_MASKED);
        assert_int_equal(*x2apic(LAPIC_ESR), 0);
        assert_int_equal(eois, 3);
        lapic_put_back();
        for (unsigned i = 0; i <= last; i++)
            assert_int_equal(*x2apic(lvts[i]), 0x10);
    }
}

static void deadline_mode(void **state)
{
    static const struct {
        uint32_t signature, microcode;
        bool tells, has;
    } rows[] = {
        {0x306c3, 0x21, true, false},       {0x306c3, 0x22, true, true},
        {0x306c3, 0, false, true},          {0x306f2, 0x39, true, false},
        {0x306f2, 0x3a, true, true},        {0x306f4, 0x0e, true, false},
        {0x306f4, 0x0f, true, true},        {0x406f1, 0x0b00001f, true, false},
        {0x50664, 0x0f00000b, true, false}, {0x50664, 0x0f00000c, true, true},
        {0x50654, 0x02000013, true, false}, {0x50654, 0x02000014, true, true},
        {0x50657, 1, true, true},           {0x506e3, 0xb1, true, false},
        {0x906ea, 0x51, true, false},       {0x906ea, 0xb4, true, true},
        {0x206a7, 1, true, true},           {0x806f8, 1, true, true},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        fake_leaf_1.eax = rows[i].signature;
        microcode = rows[i].microcode;
        tells_microcode = rows[i].tells;
        lapic_setup(page);
        assert_int_equal(lapic_has_tsc_deadline(), rows[i].has);
        lapic_enable();
        assert_int_equal(*xapic(LAPIC_LVT_TIMER), VECTOR_TIMER | (rows[i].has ? LVT_TSC_DEADLINE : 0));
    }
    fake_leaf_1.ecx = 0;
    lapic_setup(page);
    assert_false(lapic_has_tsc_deadline());
}

/* It has come: those that it came for are no longer waited for, the others are, which nobody else sets. */
static void timer_goes_on(void **state UNUSED)
{
    uint64_t now = fake_tsc = 5000, far = now + (UINT64_C(1) << 40);

    fake_leaf_1.ecx = 0;
    lapic_setup(page);
    lapic_timer_set_rate(UINT64_C(1) << 31); /* half the TSC's */
    cpu.timer_deadlines[TIMER_GUEST] = now - 1;
    cpu.timer_deadlines[TIMER_SCHED] = now + 2000000000;
    cpu.timer_deadlines[TIMER_CONSOLE] = far;
    *xapic(LAPIC_TIMER_ICR) = 0;
    lapic_timer_go_on();
    assert_int_equal(cpu.timer_deadlines[TIMER_GUEST], 0);
    assert_in_range(*xapic(LAPIC_TIMER_ICR), 1, 1000000001);
    cpu.timer_deadlines[TIMER_SCHED] = now; /* early for the console, which is armed again */
    lapic_timer_go_on();
    assert_int_equal(cpu.timer_deadlines[TIMER_SCHED], 0);
    assert_int_equal(*xapic(LAPIC_TIMER_ICR), UINT32_MAX);
    cpu.timer_deadlines[TIMER_CONSOLE] = 0;
}

/* --- NMIs --- */

#define BOOT 4

static void machine_of_three(void)
{
    for (uint32_t i = 0; i < 3; i++)
        madt.cpus[i] = (struct acpi_cpu){BOOT + 2 * i, i + 1};
    madt.cpu_count = 3;
}

static void say(uint32_t uid, uint8_t pin, uint16_t flags)
{
    madt.nmis[madt.nmi_count++] = (struct acpi_nmi){uid, flags, pin};
}

/* As text: of each CPU the pin, or -; upper half: active low. */
static void assert_nmis(const char *expected)
{
    char got[4] = "";

    for (uint32_t i = 0; i < 3; i++) {
        struct nmi_line line;

        got[i] = !nmi_line(&madt, BOOT + 2 * i, BOOT, &line) ? '-'
                 : line.low                                  ? (char)('A' + line.pin)
                                                             : (char)('0' + line.pin);
    }
    assert_string_equal(got, expected);
}

static void nmis_come_to_one_cpu(void **state)
{
    (void)state;
    machine_of_three();
    assert_nmis("1--");
    say(ACPI_ALL_CPUS, 1, 5);
    assert_nmis("1--");
    madt.nmi_count = 0;
    say(ACPI_ALL_CPUS, 0, 0);
    assert_nmis("0--");
    madt.nmi_count = 0;
    for (uint32_t uid = 3; uid; uid--)
        say(uid, 1, 0xf);
    assert_nmis("B--");
    madt.nmi_count = 0;
    say(2, 0, 0);
    assert_nmis("-0-");
    say(7, 1, 0);
    say(1, 2, 0); /* no such pin */
    assert_nmis("-0-");
}

static void pin_is_opened(void **state)
{
    (void)state;
    lapic_setup(page);
    lapic_enable();
    lapic_open_nmi(1, false);
    assert_int_equal(*xapic(LAPIC_LVT_LINT1), LVT_NMI);
    assert_int_equal(*xapic(LAPIC_LVT_LINT0), LVT_MASKED);
    lapic_open_nmi(0, true);
    assert_int_equal(*xapic(LAPIC_LVT_LINT0), LVT_NMI | LVT_LOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sources_are_masked, firmware),
        cmocka_unit_test_setup(thermal_vector_is_masked, firmware),
        cmocka_unit_test_setup(registers_that_are_not_there, firmware),
        cmocka_unit_test_setup(deadline_mode, firmware),
        cmocka_unit_test_setup(timer_goes_on, firmware),
        cmocka_unit_test_setup(nmis_come_to_one_cpu, firmware),
        cmocka_unit_test_setup(pin_is_opened, firmware),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
