/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu/msr.c with a backend of the test's: which MSRs there are and no others, what each takes and gives, and
 * #GP for the rest.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "vcpu/msr.c"

#include <string.h>

static struct vm_config config;
static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_state state;
static struct vcpu_statistics statistics;
static uint64_t registers[GUEST_REGISTERS];
static bool xsaves, others_refuse;
static uint32_t asked_msr; /* of whoever else answers, */
static uint64_t asked_value;
static unsigned faults, deadline_moves, apic_changes;
static uint64_t stamp, offset_of_backend, offset_of_apic;

/* --- around it --- */

static uint64_t get(const struct vcpu *v UNUSED, enum guest_register which)
{
    return registers[which];
}

static void set(struct vcpu *v UNUSED, enum guest_register which, uint64_t value)
{
    registers[which] = value;
}

static void set_tsc_offset(struct vcpu *v UNUSED, uint64_t offset)
{
    offset_of_backend = offset;
}

static bool guest_may_use(enum guest_feature feature)
{
    return feature == GUEST_XSAVES && xsaves;
}

static void deadline_moved(struct vcpu *v UNUSED)
{
    deadline_moves++;
}

static void apic_mode_changed(struct vcpu *v UNUSED)
{
    apic_changes++;
}

struct backend backend = {.get = get,
                          .set = set,
                          .set_tsc_offset = set_tsc_offset,
                          .guest_may_use = guest_may_use,
                          .deadline_moved = deadline_moved,
                          .apic_mode_changed = apic_mode_changed};

static bool other_read(uint32_t msr, uint64_t *value)
{
    asked_msr = msr;
    *value = UINT64_C(0x1122334455667788);
    return !others_refuse;
}

static bool other_write(uint32_t msr, uint64_t value)
{
    asked_msr = msr;
    asked_value = value;
    return !others_refuse;
}

bool vlapic_read_x2apic(struct vcpu *v UNUSED, uint32_t msr, uint64_t *value)
{
    return other_read(msr, value);
}
bool vlapic_write_x2apic(struct vcpu *v UNUSED, uint32_t msr, uint64_t value)
{
    return other_write(msr, value);
}
bool kvm_read_msr(struct vcpu *v UNUSED, uint32_t msr, uint64_t *value)
{
    return other_read(msr, value);
}
bool kvm_write_msr(struct vcpu *v UNUSED, uint32_t msr, uint64_t value)
{
    return other_write(msr, value);
}
bool vcpu_write_switched_msr(struct vcpu *v UNUSED, uint32_t msr, uint64_t value)
{
    return other_write(msr, value);
}
bool guards_read_spec_ctrl(struct vcpu *v UNUSED, uint32_t msr, uint64_t *value)
{
    return other_read(msr, value);
}
bool guards_write_spec_ctrl(struct vcpu *v UNUSED, uint32_t msr, uint64_t value)
{
    return other_write(msr, value);
}
bool guards_read_capabilities(struct vcpu *v UNUSED, uint32_t msr, uint64_t *value)
{
    return other_read(msr, value);
}
bool vlapic_write_base(struct vcpu *v UNUSED, uint64_t value)
{
    return other_write(IA32_APIC_BASE, value);
}
uint64_t vlapic_tsc(const struct vcpu *v UNUSED)
{
    return 0x7500;
}

uint64_t vlapic_read_base(const struct vcpu *v UNUSED)
{
    return 0xfee00900;
}
uint64_t vlapic_read_deadline(struct vcpu *v UNUSED)
{
    return 4711;
}
void vlapic_write_deadline(struct vcpu *v UNUSED, uint64_t guest_tsc)
{
    other_write(IA32_TSC_DEADLINE, guest_tsc);
    assert_int_equal(deadline_moves, 0); /* the backend asks for it behind this */
}
void vlapic_set_tsc(struct vcpu *v UNUSED, const struct guest_tsc *tsc)
{
    offset_of_apic = tsc->offset;
}
void kvm_clock_set_stamp(struct vcpu *v UNUSED, uint64_t value)
{
    stamp = value;
}
void vcpu_inject_error(struct vcpu *v UNUSED, unsigned vector, uint32_t error)
{
    assert_int_equal(vector, VECTOR_GP);
    assert_int_equal(error, 0);
    faults++;
}

static int set_up(void **unused)
{
    (void)unused;
    vm = (struct vm){.config = &config};
    memset(&state, 0, sizeof(state));
    memset(&statistics, 0, sizeof(statistics));
    memset(registers, 0, sizeof(registers));
    vcpu = (struct vcpu){.vm = &vm, .backend = &state, .stats = &statistics};
    fake_tsc = 1000000;
    xsaves = others_refuse = false;
    faults = deadline_moves = apic_changes = 0;
    vcpu_msr_init();
    return 0;
}

/* --- the instructions --- */

/* #GP is counted, and neither registers nor RIP change; else the instruction is done. */
static bool is_done(enum next next, const struct guest_regs *before)
{
    if (next == NEXT_SKIP_AND_RESUME) {
        assert_int_equal(faults, 0);
        return true;
    }
    assert_int_equal(next, NEXT_RESUME);
    assert_int_equal(faults, 1);
    assert_int_equal(statistics.counts[COUNT_MSR_DENIED], 1);
    assert_memory_equal(before, &vcpu.regs, sizeof(*before));
    return false;
}

static void begin(uint32_t msr)
{
    faults = 0;
    statistics.counts[COUNT_MSR_DENIED] = 0;
    vcpu.regs.rcx = UINT64_C(0xdead00000000) | msr; /* upper halves do not count */
    vcpu.regs.rax = vcpu.regs.rdx = UINT64_C(0xbeef00000000);
}

static bool can_read(uint32_t msr, uint64_t *value)
{
    struct guest_regs before;

    begin(msr);
    before = vcpu.regs;
    if (!is_done(vcpu_rdmsr(&vcpu), &before))
        return false;
    assert_int_equal((vcpu.regs.rax | vcpu.regs.rdx) >> 32, 0);
    *value = vcpu.regs.rdx << 32 | vcpu.regs.rax;
    return true;
}

static bool can_write(uint32_t msr, uint64_t value)
{
    struct guest_regs before;

    begin(msr);
    vcpu.regs.rax |= (uint32_t)value;
    vcpu.regs.rdx = value >> 32;
    before = vcpu.regs;
    return is_done(vcpu_wrmsr(&vcpu), &before);
}

static bool reads(uint32_t msr, uint64_t expected)
{
    uint64_t value = ~expected;

    return can_read(msr, &value) && value == expected;
}

/* --- the tests --- */

struct span {
    uint32_t first, last;
};

static bool is_in(const struct span *spans, unsigned n, uint32_t msr)
{
    for (unsigned i = 0; i < n; i++) {
        if (msr >= spans[i].first && msr <= spans[i].last)
            return true;
    }
    return false;
}

/* All numbers of the ranges in which processors have any, and KVM's: these exist, and no others. */
static void no_others(void **unused)
{
    static const struct span readable[] = {{0x10, 0x12},
                                           {0x17, 0x17},
                                           {0x1b, 0x1b},
                                           {0x3a, 0x3b},
                                           {0x48, 0x48},
                                           {0x8b, 0x8b},
                                           {0xfe, 0xfe},
                                           {0x10a, 0x10a},
                                           {0x179, 0x17a},
                                           {0x1a0, 0x1a0},
                                           {0x1d9, 0x1d9},
                                           {0x277, 0x277},
                                           {0x2ff, 0x2ff},
                                           {0x6e0, 0x6e0},
                                           {0x800, 0x8ff},
                                           {0xda0, 0xda0},
                                           {0xc0000080, 0xc0000080},
                                           {0x4b564d00, 0x4b564d05}},
                             writable[] = {{0x10, 0x12},
                                           {0x1b, 0x1b},
                                           {0x3b, 0x3b},
                                           {0x48, 0x48},
                                           {0x79, 0x79},
                                           {0x8b, 0x8b},
                                           {0x17a, 0x17a},
                                           {0x1a0, 0x1a0},
                                           {0x1d9, 0x1d9},
                                           {0x277, 0x277},
                                           {0x2ff, 0x2ff},
                                           {0x6e0, 0x6e0},
                                           {0x800, 0x8ff},
                                           {0xda0, 0xda0},
                                           {0xc0000080, 0xc0000084},
                                           {0xc0000103, 0xc0000103},
                                           {0x4b564d00, 0x4b564d05}},
                             tried[] = {{0, 0x3fff},
                                        {0x40000000, 0x400003ff},
                                        {0x4b564cf0, 0x4b564dff},
                                        {0x80000000, 0x800000ff},
                                        {0xc0000000, 0xc0003fff},
                                        {0xc0010000, 0xc00103ff},
                                        {0xffffff00, 0xfffffffe}};

    (void)unused;
    xsaves = true;
    for (unsigned i = 0; i < ARRAY_SIZE(tried); i++) {
        for (uint32_t msr = tried[i].first; msr <= tried[i].last; msr++) {
            uint64_t value;

            deadline_moves = 0;
            if (can_read(msr, &value) != is_in(readable, ARRAY_SIZE(readable), msr) ||
                can_write(msr, 0) != is_in(writable, ARRAY_SIZE(writable), msr))
                fail_msg("MSR %x", msr);
        }
    }
}

/* What others answer: with the whole number and value, and their refusal is #GP. */
static void handed_on(void **unused)
{
    static const uint32_t msrs[] = {0x11,       0x12,       0x800,      0x80b,      0x8ff,         0xc0000081,
                                    0xc0000084, 0xc0000103, 0x4b564d00, 0x4b564d05, IA32_APIC_BASE};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        bool only_written = msrs[i] >= 0xc0000000, base = msrs[i] == IA32_APIC_BASE;

        others_refuse = false;
        assert_true(can_write(msrs[i], UINT64_C(0xfedcba9876543210)));
        assert_int_equal(asked_msr, msrs[i]);
        assert_int_equal(asked_value, UINT64_C(0xfedcba9876543210));
        assert_true(only_written || base || reads(msrs[i], UINT64_C(0x1122334455667788)));
        others_refuse = true;
        assert_false(can_write(msrs[i], 1));
        assert_true(base || !reads(msrs[i], UINT64_C(0x1122334455667788)));
    }
    assert_int_equal(apic_changes, 1); /* none for the refused one */
    assert_true(reads(IA32_APIC_BASE, 0xfee00900));
    assert_true(can_write(IA32_TSC_DEADLINE, 99));
    assert_int_equal(asked_value, 99);
    assert_int_equal(deadline_moves, 1);
    assert_true(reads(IA32_TSC_DEADLINE, 4711));
}

static void constants(void **unused)
{
    (void)unused;
    assert_true(reads(0x17, 0));
    assert_true(reads(IA32_FEATURE_CONTROL, 1)); /* locked, without VMX */
    assert_false(can_write(IA32_FEATURE_CONTROL, 5));
    assert_true(reads(IA32_MTRRCAP, 0x400));
    assert_true(reads(IA32_MCG_CAP, 0));
    assert_true(can_write(IA32_BIOS_SIGN_ID, 7));
    assert_true(reads(IA32_BIOS_SIGN_ID, 0));
    assert_true(can_write(IA32_MCG_STATUS, 0));
    assert_false(can_write(IA32_MCG_STATUS, 1));
    assert_true(can_write(IA32_MISC_ENABLE, 0x12345));
    assert_true(reads(IA32_MISC_ENABLE, 0x12345));
}

/* Each bit and each type: 2, 3 and 7 do not exist but for PAT's UC-. */
static void memory_types(void **unused)
{
    static const bool valid[8] = {true, true, false, false, true, true, true, false};

    (void)unused;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool flag = bit == 10 || bit == 11;

        assert_int_equal(can_write(IA32_MTRR_DEF_TYPE, BIT(bit)), flag || bit == 0 || bit == 2);
    }
    for (unsigned type = 0; type < 256; type++) {
        bool ok = type < 8 && valid[type];

        assert_int_equal(can_write(IA32_MTRR_DEF_TYPE, 0xc00 | type), ok);
        if (ok)
            assert_true(reads(IA32_MTRR_DEF_TYPE, 0xc00 | type));
        for (unsigned i = 0; i < 8; i++) {
            uint64_t value = (UINT64_C(0x0007040600070406) & ~(UINT64_C(0xff) << 8 * i)) | (uint64_t)type
                                                                                               << 8 * i;

            registers[GUEST_PAT] = 1;
            assert_int_equal(can_write(IA32_PAT, value), ok || type == 7);
            assert_int_equal(registers[GUEST_PAT], ok || type == 7 ? value : 1);
            assert_true(reads(IA32_PAT, registers[GUEST_PAT]));
        }
    }
}

/* LMA is the processor's: kept, whatever is written. LME changes without paging only. */
static void efer(void **unused)
{
    (void)unused;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t b = BIT(bit);

        registers[GUEST_EFER] = 0;
        assert_int_equal(can_write(IA32_EFER, b), bit == 0 || bit == 8 || bit == 10 || bit == 11);
        assert_int_equal(registers[GUEST_EFER], b & (EFER_SCE | EFER_LME | EFER_NXE));
    }
    registers[GUEST_CR0] = CR0_PG;
    registers[GUEST_EFER] = EFER_LME | EFER_LMA;
    assert_false(can_write(IA32_EFER, EFER_SCE));
    assert_int_equal(registers[GUEST_EFER], EFER_LME | EFER_LMA);
    assert_true(can_write(IA32_EFER, EFER_LME | EFER_SCE | EFER_NXE));
    assert_int_equal(registers[GUEST_EFER], EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    registers[GUEST_EFER] = 0;
    assert_false(can_write(IA32_EFER, EFER_LME));
    assert_true(can_write(IA32_EFER, EFER_NXE));
}

static void debugctl_and_xss(void **unused)
{
    (void)unused;
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(can_write(0x1d9, BIT(bit)), bit == 1);
    assert_true(reads(0x1d9, 2));
    assert_false(can_write(IA32_XSS, 0));
    assert_false(reads(IA32_XSS, 0));
    xsaves = true;
    assert_true(can_write(IA32_XSS, 0));
    assert_true(reads(IA32_XSS, 0));
    assert_false(can_write(IA32_XSS, BIT(8)));
}

/* A write to one moves the other by as much, and all who count by it hear of the offset. */
static void tsc(void **unused)
{
    (void)unused;
    vm.tsc_offset = 5000;
    state.tsc.offset = 7000;
    assert_true(can_write(IA32_TSC, 1000000 + 17000));
    assert_int_equal(state.tsc.offset, 17000);
    assert_true(reads(IA32_TSC_ADJUST, 10000));
    assert_int_equal(offset_of_backend, 17000);
    assert_int_equal(offset_of_apic, 17000);
    assert_int_equal(stamp, 12000);
    assert_true(can_write(IA32_TSC_ADJUST, 4000));
    assert_true(reads(IA32_TSC_ADJUST, 4000));
    assert_int_equal(state.tsc.offset, 11000);
    assert_int_equal(offset_of_backend, 11000);
    state.tsc = (struct guest_tsc){BIT(47), 0}; /* half as fast */
    state.tsc_adjust = 0;
    assert_true(can_write(IA32_TSC, 600000));
    assert_int_equal(state.tsc.offset, 100000);
    assert_true(reads(IA32_TSC_ADJUST, 100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_others, set_up), cmocka_unit_test_setup(handed_on, set_up),
        cmocka_unit_test_setup(constants, set_up), cmocka_unit_test_setup(memory_types, set_up),
        cmocka_unit_test_setup(efer, set_up),      cmocka_unit_test_setup(debugctl_and_xss, set_up),
        cmocka_unit_test_setup(tsc, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
