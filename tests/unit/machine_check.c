/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine-check banks: what is written at the start, what is kept of before, and how an error reads. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include <stdarg.h>
#include <string.h>

static char printed[2048];

void print(const char *fmt, ...)
{
    size_t used = strlen(printed);
    va_list args;

    va_start(args, fmt);
    vsnprintf(printed + used, sizeof(printed) - used, fmt, args);
    va_end(args);
}

bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    if (!fake_msr(msr))
        return false;
    *value = *fake_msr(msr);
    return true;
}

bool wrmsr_safe(uint32_t msr, uint64_t value)
{
    if (!fake_msr(msr))
        return false;
    fake_msr_set(msr, value);
    return true;
}

#include "arch/x86/machine_check.c"
#include "core/base/machine_errors.c"
#include "core/vm/vm.c"
#include "vcpu/machine_check.c"

unsigned cpu_physical_bits(void)
{
    return 46;
}

static hpa_t retired;
static bool no_more_retired;
static const struct vm *ended;

bool memory_retire(hpa_t at)
{
    retired = at;
    return !no_more_retired;
}

bool vm_request_end(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
    (void)fmt;
    assert_int_equal(end, VM_END_CRASH);
    ended = vm;
    return true;
}

void log_error(const char *fmt, ...)
{
    (void)fmt;
}

#define BANKS 4

static int set_up(void **unused)
{
    (void)unused;
    fake_msr_count = 0;
    fake_leaf_1 = (struct cpuid){0x506e3, 3u << 24, 0, BIT(7) | BIT(14)};
    fake_msr_set(IA32_MCG_CAP, BANKS | BIT(8) | BIT(27));
    fake_msr_set(IA32_MCG_CTL, 0);
    fake_msr_set(IA32_MCG_EXT_CTL, 0);
    fake_msr_set(IA32_FEATURE_CONTROL, BIT(20) | 5);
    for (unsigned bank = 0; bank < BANKS; bank++) {
        fake_msr_set(MCI_CTL(bank), 0);
        fake_msr_set(MCI_STATUS(bank), 0);
        fake_msr_set(MCI_ADDR(bank), 0x1000 * bank);
        fake_msr_set(MCI_MISC(bank), 0x80 + bank);
    }
    memset(left, 0, sizeof(left));
    left_count = boot_banks = 0;
    printed[0] = 0;
    return 0;
}

/* On the CPU with this APIC ID. */
static void enable_on(uint32_t apic_id)
{
    fake_leaf_1.ebx = apic_id << 24;
    machine_check_enable();
}

static void all_report(void **unused)
{
    (void)unused;
    enable_on(3);
    assert_int_equal(machine_check_banks(), BANKS);
    assert_int_equal(*fake_msr(IA32_MCG_CTL), UINT64_MAX);
    assert_int_equal(*fake_msr(IA32_MCG_EXT_CTL), 1);
    for (unsigned bank = 0; bank < BANKS; bank++)
        assert_int_equal(*fake_msr(MCI_CTL(bank)), UINT64_MAX);
    assert_int_equal(left_count, 0);
}

static void firmware_has_a_say(void **unused)
{
    (void)unused;
    fake_msr_set(IA32_FEATURE_CONTROL, 5); /* no LMCE */
    fake_msr_set(IA32_MCG_CAP, BANKS);
    fake_leaf_1.eax = 0x106a5 & ~0x10000u; /* model 0ah: bank 0 is not ours */
    enable_on(3);
    assert_int_equal(*fake_msr(IA32_MCG_CTL), 0);
    assert_int_equal(*fake_msr(IA32_MCG_EXT_CTL), 0);
    assert_int_equal(*fake_msr(MCI_CTL(0)), 0);
    assert_int_equal(*fake_msr(MCI_CTL(1)), UINT64_MAX);
}

static void without_banks(void **unused)
{
    (void)unused;
    fake_leaf_1.edx = BIT(7);
    enable_on(0);
    assert_int_equal(machine_check_banks(), 0);
    fake_leaf_1.edx = BIT(7) | BIT(14);
    fake_msr_count = 0; /* an emulator that says it has them, and has not */
    enable_on(0);
    assert_int_equal(machine_check_banks(), 0);
    machine_errors_print();
    machine_errors_explain();
    assert_string_equal(printed, "");
}

/* Of two CPUs; the registers are clear afterwards. */
static void left_from_before(void **unused)
{
    unsigned count;

    (void)unused;
    fake_msr_set(MCI_STATUS(1), BIT(63) | BIT(61) | BIT(58) | 0x0134);
    enable_on(0);
    assert_int_equal(*fake_msr(MCI_STATUS(1)), 0);
    fake_msr_set(MCI_STATUS(3), BIT(63) | BIT(62) | BIT(59) | 0x0090);
    fake_msr_set(MCI_STATUS(2), 0x0134); /* not valid */
    enable_on(2);
    machine_check_left(&count);
    assert_int_equal(count, 2);
    machine_errors_explain();
    assert_string_equal(
        printed,
        "  left from before: CPU with APIC ID 0, bank 1: status a400000000000134, uncorrected cache error"
        ", address 1000\n"
        "  left from before: CPU with APIC ID 2, bank 3: status c800000000000090, corrected memory "
        "controller error, others lost, misc 83\n");
}

static void more_than_is_kept(void **unused)
{
    (void)unused;
    for (unsigned cpu = 0; cpu < 12; cpu++) {
        fake_msr_set(MCI_STATUS(0), BIT(63) | 5);
        enable_on(cpu);
    }
    machine_errors_explain();
    assert_non_null(strstr(printed, "internal parity"));
    assert_non_null(strstr(printed, "  left from before: 4 more\n"));
}

/* Before a panic: nothing is cleared. */
static void as_it_happens(void **unused)
{
    static const struct {
        uint16_t code;
        const char *name;
    } codes[] = {{0x0e0b, "bus or interconnect"}, {0x1134, "cache"},
                 {0x009f, "memory controller"},   {0x0014, "TLB"},
                 {0x0400, "internal timer"},      {0x0001, "other"}};

    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        set_up(unused);
        fake_msr_set(MCI_STATUS(2), BIT(63) | BIT(61) | BIT(57) | codes[i].code);
        machine_errors_print();
        assert_int_equal(strncmp(printed, "skerry: machine check: CPU with APIC ID 3, bank 2: ", 51), 0);
        assert_non_null(strstr(printed, codes[i].name));
        assert_non_null(strstr(printed, "processor state corrupt\n"));
        assert_true(*fake_msr(MCI_STATUS(2)) & BIT(63));
    }
}

/* --- one page of a VM --- */

#define ONE_PAGE (BIT(63) | BIT(61) | BIT(60) | BIT(59) | BIT(58) | BIT(56))
#define ACTION   BIT(55)
#define PHYSICAL (2u << 6)

static struct vm first = {.id = 1, .memory = 4 * MIB}, second = {.id = 5, .memory = 3 * MIB};

static void one_error(uint64_t status, uint64_t address, uint64_t misc)
{
    fake_msr_set(MCI_STATUS(2), status);
    fake_msr_set(MCI_ADDR(2), address);
    fake_msr_set(MCI_MISC(2), misc);
}

static int two_vms(void **unused)
{
    static hpa_t ram[2][2];

    set_up(unused);
    ram[0][0] = hpa(64 * MIB);
    ram[0][1] = hpa(8 * MIB);
    ram[1][0] = hpa(32 * MIB);
    ram[1][1] = hpa(66 * MIB);
    first.ram = ram[0];
    second.ram = ram[1];
    first.lost_memory = second.lost_memory = no_more_retired = false;
    vms[1] = &first;
    vms[5] = &second;
    ended = NULL;
    retired = hpa(0);
    fake_msr_set(IA32_MCG_CAP, BANKS | BIT(24));
    fake_msr_set(IA32_MCG_STATUS, 5); /* RIPV and MCIP */
    one_error(ONE_PAGE | ACTION | 0x134, 66 * MIB + 0xfff40, PHYSICAL | 6);
    return 0;
}

static void that_vm_ends(void **unused)
{
    (void)unused;
    fake_msr_set(MCI_STATUS(1), BIT(63) | 0x0134); /* a corrected one says nothing, and stays */
    assert_true(vcpu_survives_machine_check());
    assert_ptr_equal(ended, &second);
    assert_true(second.lost_memory && !first.lost_memory);
    assert_int_equal(retired.value, 66 * MIB + 0xff000);
    assert_non_null(strstr(printed, "bank 2"));
    assert_int_equal(*fake_msr(IA32_MCG_STATUS), 0);
    assert_int_equal(*fake_msr(MCI_STATUS(2)), 0);
    assert_true(*fake_msr(MCI_STATUS(1)) & BIT(63));

    two_vms(NULL);
    one_error(ONE_PAGE, 9 * MIB | BIT(46), PHYSICAL | 12); /* nobody has used it yet; a bit too high */
    assert_true(vcpu_survives_machine_check());
    assert_ptr_equal(ended, &first);
    assert_int_equal(retired.value, 9 * MIB);
}

static void at_the_edges(void **unused)
{
    static const struct {
        uint64_t address;
        const struct vm *vm;
    } rows[] = {{64 * MIB - 1, NULL},
                {64 * MIB, &first},
                {66 * MIB - 1, &first},
                {66 * MIB, &second},
                {67 * MIB - 1, &second},
                {67 * MIB, NULL},
                {8 * MIB, &first},
                {10 * MIB - 1, &first},
                {10 * MIB, NULL},
                {34 * MIB - 64, &second},
                {0, NULL},
                {BIT(45), NULL}};

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        two_vms(unused);
        one_error(ONE_PAGE | ACTION, rows[i].address, PHYSICAL | 6);
        assert_int_equal(vcpu_survives_machine_check(), rows[i].vm != NULL);
        assert_ptr_equal(ended, rows[i].vm);
    }
}

/* Of all the conditions each alone. */
static void anybody_may_be_hit(void **unused)
{
    static const uint64_t needed[] = {BIT(61), BIT(60), BIT(59), BIT(58), BIT(56)};
    hpa_t page;

    for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
        two_vms(unused);
        one_error(ONE_PAGE & ~needed[i], 64 * MIB, PHYSICAL | 6);
        assert_int_equal(machine_check_judge(&page),
                         needed[i] == BIT(61) ? MACHINE_CHECK_NOT_HERE : MACHINE_CHECK_FATAL);
    }
    for (unsigned bad = 0; bad < 8; bad++) {
        two_vms(unused);
        switch (bad) {
        case 0: one_error(ONE_PAGE | BIT(57), 64 * MIB, PHYSICAL | 6); break;
        case 1: one_error(ONE_PAGE | BIT(62), 64 * MIB, PHYSICAL | 6); break;
        case 2: one_error(ONE_PAGE, 64 * MIB, (1 << 6) | 6); break;
        case 3: one_error(ONE_PAGE, 64 * MIB, PHYSICAL | 13); break;
        case 4: fake_msr_set(MCI_STATUS(3), ONE_PAGE); break; /* a second one */
        case 5: fake_msr_set(IA32_MCG_STATUS, 4); break;
        case 6: fake_msr_set(IA32_MCG_CAP, BANKS); break;
        default: no_more_retired = true; break;
        }
        assert_false(vcpu_survives_machine_check());
        assert_null(ended);
        assert_false(second.lost_memory);
        assert_true(*fake_msr(MCI_STATUS(2)) & BIT(63));
        assert_int_not_equal(*fake_msr(IA32_MCG_STATUS), 0);
    }
}

static void of_another_cpu(void **unused)
{
    (void)unused;
    fake_msr_set(MCI_STATUS(2), 0);
    assert_true(vcpu_survives_machine_check());
    assert_null(ended);
    assert_int_equal(*fake_msr(IA32_MCG_STATUS), 0);
    fake_leaf_1.edx = 0; /* no banks to ask */
    assert_false(vcpu_survives_machine_check());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_report, set_up),
        cmocka_unit_test_setup(firmware_has_a_say, set_up),
        cmocka_unit_test_setup(without_banks, set_up),
        cmocka_unit_test_setup(left_from_before, set_up),
        cmocka_unit_test_setup(more_than_is_kept, set_up),
        cmocka_unit_test_setup(as_it_happens, set_up),
        cmocka_unit_test_setup(that_vm_ends, two_vms),
        cmocka_unit_test_setup(at_the_edges, two_vms),
        cmocka_unit_test_setup(anybody_may_be_hit, two_vms),
        cmocka_unit_test_setup(of_another_cpu, two_vms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
