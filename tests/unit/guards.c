/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/flaws.c and vcpu/guards.c against processors as they are sold: what each is said to suffer from,
 * what is done for a VM at each level, and what a guest then has of it.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

static struct cpuid machine_cpuid(uint32_t leaf, uint32_t subleaf);
static void note_wrmsr(uint32_t msr, uint64_t value);
#define cpuid(leaf, subleaf) machine_cpuid(leaf, subleaf)
#define wrmsr(msr, value)    note_wrmsr(msr, value)
#include "arch/x86/flaws.c"
#undef FLAW
#include "vcpu/guards.c"
#undef cpuid
#undef wrmsr

#include <stdio.h>
#include <string.h>

#define F(name) (1u << FLAW_##name)
/* Leaf 7 EDX with microcode of 2019 and later: MD_CLEAR, SPEC_CTRL, STIBP, L1D_FLUSH, SSBD;
 * ARCH_CAPABILITIES. */
#define UPDATED   0x9c000400u
#define WITH_CAPS 0xbc000400u
#define BHI_CTRL  0x10u

struct cpu *cpus[MAX_CPUS];
unsigned cpu_count;

static const struct model {
    const char *name;
    struct cpu_kind kind;
    uint32_t flaws;
    unsigned automatic, full;
} samples[] = {
    {"Nehalem, old microcode",
     {0x106a5, 0, 0, false, 0, false, false},
     F(L1TF) | F(MDS) | F(MULTIHIT) | F(BRANCHES),
     GUARD_SMALL_PAGES,
     GUARD_SMALL_PAGES},
    {"Haswell",
     {0x306c3, UPDATED, 0, false, 0, false, false},
     F(L1TF) | F(MDS) | F(MULTIHIT) | F(BRANCHES),
     GUARD_L1D | GUARD_IBRS | GUARD_SMALL_PAGES | GUARD_BARRIER,
     GUARD_L1D | GUARD_IBRS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Skylake-SP with RTM",
     {0x50654, UPDATED, 0, true, 0, false, false},
     F(L1TF) | F(MDS) | F(TAA) | F(MMIO) | F(MULTIHIT) | F(BRANCHES),
     GUARD_L1D | GUARD_IBRS | GUARD_SMALL_PAGES | GUARD_BARRIER,
     GUARD_L1D | GUARD_IBRS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Skylake-SP below another hypervisor",
     {0x50654, WITH_CAPS, 0, false, ARCH_SKIP_L1D_FLUSH, false, false},
     F(L1TF) | F(MDS) | F(MMIO) | F(MULTIHIT) | F(BRANCHES),
     GUARD_BUFFERS | GUARD_IBRS | GUARD_SMALL_PAGES | GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_IBRS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Cascade Lake",
     {0x50657, WITH_CAPS, 0, true, 0xab, false, false},
     F(TAA) | F(MMIO) | F(MULTIHIT) | F(BRANCHES) | F(HISTORY),
     GUARD_BUFFERS | GUARD_SMALL_PAGES | GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Ice Lake-SP",
     {0x606a6, WITH_CAPS, 0, false, 0x201eb, false, false},
     F(MMIO) | F(BRANCHES) | F(HISTORY),
     GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Sapphire Rapids",
     {0x806f8, WITH_CAPS, BHI_CTRL, true, 0x0d00e1eb, false, false},
     F(BRANCHES) | F(HISTORY),
     GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Goldmont",
     {0x506c9, UPDATED & ~(1u << 28), 0, false, 0, false, false},
     F(RFDS) | F(BRANCHES),
     GUARD_BUFFERS | GUARD_IBRS | GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_IBRS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Tremont of base stations",
     {0x80665, WITH_CAPS, 0, false, 0x2b | ARCH_RFDS_CLEAR, false, false},
     F(MMIO) | F(RFDS) | F(BRANCHES) | F(HISTORY),
     GUARD_BUFFERS | GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Gracemont",
     {0xb06e0, WITH_CAPS, BHI_CTRL, false, 0xe1eb | ARCH_RFDS_CLEAR, false, false},
     F(RFDS) | F(BRANCHES) | F(HISTORY),
     GUARD_BUFFERS | GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"one of tomorrow that denies all",
     {0xf0670, WITH_CAPS, BHI_CTRL, false, 0x0d10e1eb, false, false},
     F(BRANCHES),
     GUARD_BARRIER,
     GUARD_BUFFERS | GUARD_SMALL_PAGES | GUARD_BARRIER},
    {"Zen, old microcode", {0x800f12, 0, 0, false, 0, true, false}, F(BRANCHES), 0, GUARD_SMALL_PAGES},
    {"Zen 2",
     {0x830f10, 0, 0, false, 0, true, true},
     F(BRANCHES),
     GUARD_BARRIER,
     GUARD_BARRIER | GUARD_SMALL_PAGES},
};

static struct vm_config config;
static struct vm vm;
static struct vcpu vcpu;
static unsigned followed, ibpbs;
static uint64_t spec_ctrl;
static char printed[4096];

void print(const char *fmt, ...)
{
    size_t used = strlen(printed);
    va_list args;

    va_start(args, fmt);
    vsnprintf(printed + used, sizeof(printed) - used, fmt, args);
    va_end(args);
}

void vcpu_follow_guard(struct vcpu *v)
{
    assert_ptr_equal(v, &vcpu);
    followed++;
}

static void note_wrmsr(uint32_t msr, uint64_t value)
{
    if (msr == IA32_PRED_CMD && value == PRED_CMD_IBPB)
        ibpbs++;
    else if (msr == IA32_SPEC_CTRL)
        spec_ctrl = value;
    else
        fail_msg("%x = %llx", msr, (unsigned long long)value);
}

static const struct model *running;

static struct cpuid machine_cpuid(uint32_t leaf, uint32_t subleaf)
{
    switch (leaf) {
    case 0: return (struct cpuid){7, 0, running->kind.amd ? 0x444d4163 : 0x6c65746e, 0};
    case 1: return (struct cpuid){running->kind.signature, 0, 0, 0};
    case 0x80000000: return (struct cpuid){0x80000008, 0, 0, 0};
    case 0x80000008: return (struct cpuid){0, running->kind.barrier ? 1u << 12 : 0, 0, 0};
    case 7:
        return subleaf
                   ? (struct cpuid){0, 0, 0, running->kind.more}
                   : (struct cpuid){2, running->kind.transactions ? 1u << 11 : 0, 0, running->kind.features};
    default: fail_msg("leaf %x", leaf); return (struct cpuid){0};
    }
}

static void run_on(const struct model *m, enum mitigations level)
{
    running = m;
    fake_msr_count = 0;
    if (m->kind.features & LEAF7_EDX_ARCH_CAPS)
        fake_msr_set(IA32_ARCH_CAPABILITIES, m->kind.capabilities);
    guards_init();
    config = (struct vm_config){.mitigations = level};
    vm = (struct vm){.config = &config, .id = 3, .guards = guards_for(&config)};
    vcpu = (struct vcpu){.vm = &vm};
    printed[0] = '\0';
    followed = ibpbs = 0;
}

static const struct model *model(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(samples); i++) {
        if (!strcmp(samples[i].name, name))
            return &samples[i];
    }
    fail_msg("%s", name);
    return NULL;
}

static void each_model(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(samples); i++) {
        const struct model *m = &samples[i];

        run_on(m, MITIGATIONS_AUTO);
        if (here.flaws != m->flaws || vm.guards != m->automatic)
            fail_msg("%s: flaws %x, guards %x", m->name, here.flaws, vm.guards);
        assert_memory_equal(&kind, &m->kind, offsetof(struct cpu_kind, transactions));
        assert_int_equal(kind.capabilities, m->kind.capabilities);
        run_on(m, MITIGATIONS_FULL);
        if (vm.guards != m->full)
            fail_msg("%s: all guards %x", m->name, vm.guards);
        run_on(m, MITIGATIONS_OFF);
        assert_int_equal(vm.guards, 0);
    }
}

/* No processor is told that a flaw of its is guarded against by what it does not have. */
static void page(void **state)
{
    (void)state;
    cpu_count = 0;
    run_on(model("Nehalem, old microcode"), MITIGATIONS_AUTO);
    guards_explain();
    assert_non_null(strstr(printed, "  L1TF                             yes      NOT guarded"));
    assert_non_null(strstr(printed, "  branch targets                   yes      NOT guarded"));
    assert_non_null(
        strstr(printed, "  iTLB multihit                    yes      RAM mapped by 4 KiB pages; costs"));
    run_on(model("Haswell"), MITIGATIONS_AUTO);
    guards_explain();
    assert_non_null(strstr(printed, "  L1TF                             yes      L1D flushed"));
    assert_non_null(strstr(printed, "  branch targets                   yes      IBRS and"));
    assert_null(strstr(printed, "NOT"));
    assert_null(strstr(printed, "enhanced"));
    printed[0] = '\0';
    guards_explain_vm(&config);
    assert_string_equal(printed,
                        "    mitigations = auto: L1D flush, IBRS, IBPB, 4 KiB pages, cores of its own\n");
    run_on(model("Sapphire Rapids"), MITIGATIONS_AUTO);
    guards_explain();
    assert_non_null(strstr(printed, "  L1TF                             no       nothing needed"));
    assert_non_null(strstr(printed, "  branch targets                   yes      enhanced IBRS"));
    assert_null(strstr(printed, "IA32_SPEC_CTRL switched"));
    run_on(model("Cascade Lake"), MITIGATIONS_OFF);
    guards_explain();
    assert_non_null(strstr(printed, "  branch history                   yes      NOT guarded"));
    printed[0] = '\0';
    config.smt = SMT_SHARED;
    guards_explain_vm(&config);
    assert_string_equal(printed, "    mitigations = off: none, cores shared with others that say so\n");
}

/* Enhanced IBRS: what the guest writes is kept beside what Skerry wants. */
static void enhanced(void **state)
{
    uint64_t value;

    (void)state;
    run_on(model("Sapphire Rapids"), MITIGATIONS_AUTO);
    assert_int_equal(guards_host_spec_ctrl(), 0x401);
    assert_int_equal(guards_word(&vcpu), 0x401 | UINT64_C(4) << 32);
    assert_false(guards_open_spec_ctrl(&vm));
    assert_true(guards_open_pred_cmd(&vm) && guards_open_flush_cmd(&vm));
    assert_int_equal(guards_hidden_features(&vm), 0);
    assert_true(guards_write_spec_ctrl(&vcpu, IA32_SPEC_CTRL, 4));
    assert_int_equal(followed, 1);
    assert_int_equal((uint32_t)guards_word(&vcpu), 0x405);
    assert_true(guards_read_spec_ctrl(&vcpu, IA32_SPEC_CTRL, &value));
    assert_int_equal(value, 4);
    assert_false(guards_write_spec_ctrl(&vcpu, IA32_SPEC_CTRL, 8));
    assert_false(guards_write_spec_ctrl(&vcpu, IA32_SPEC_CTRL, UINT64_C(1) << 32));
    run_on(model("Sapphire Rapids"), MITIGATIONS_OFF);
    assert_int_equal(guards_word(&vcpu), 0x401);
    assert_int_equal(guards_hidden_features(&vm), 0);
    run_on(model("Ice Lake-SP"), MITIGATIONS_AUTO);
    assert_int_equal(guards_host_spec_ctrl(), 1);
}

/* Plain IBRS: the register is the guest's between the stubs, or not shown. */
static void plain(void **state)
{
    uint64_t value;

    (void)state;
    run_on(model("Haswell"), MITIGATIONS_AUTO);
    assert_int_equal(guards_host_spec_ctrl(), 0);
    assert_int_equal(guards_word(&vcpu), 1 | UINT64_C(4) << 32);
    assert_true(guards_open_spec_ctrl(&vm) && guards_open_pred_cmd(&vm));
    assert_int_equal(guards_hidden_features(&vm), 0);
    run_on(model("Haswell"), MITIGATIONS_OFF);
    assert_int_equal(guards_word(&vcpu), 0);
    assert_false(guards_open_spec_ctrl(&vm) || guards_open_pred_cmd(&vm));
    assert_true(guards_open_flush_cmd(&vm));
    assert_int_equal(guards_hidden_features(&vm), 0x8c000000);
    assert_false(guards_read_spec_ctrl(&vcpu, IA32_SPEC_CTRL, &value));
    assert_false(guards_write_spec_ctrl(&vcpu, IA32_SPEC_CTRL, 0));
    run_on(model("Nehalem, old microcode"), MITIGATIONS_FULL);
    assert_int_equal(guards_word(&vcpu), 0);
    assert_false(guards_open_spec_ctrl(&vm) || guards_open_pred_cmd(&vm) || guards_open_flush_cmd(&vm));
    assert_false(guards_write_spec_ctrl(&vcpu, IA32_SPEC_CTRL, 0));
}

static void switches(void **state)
{
    const uint64_t a = UINT64_C(1) << 32 | 1, b = UINT64_C(2) << 32 | 1, careless = 1;

    (void)state;
    ibpbs = 0;
    spec_ctrl = 77;
    guards_switch(a, a);
    guards_switch(a, careless);
    assert_int_equal(ibpbs, 0);
    guards_switch(careless, a);
    guards_switch(a, b);
    assert_int_equal(ibpbs, 2);
    assert_int_equal(spec_ctrl, 77); /* it was right */
    guards_switch(b, b ^ 5);
    assert_int_equal(ibpbs, 2);
    assert_int_equal(spec_ctrl, 4);
}

static void capabilities(void **state)
{
    uint64_t value;

    (void)state;
    run_on(model("Cascade Lake"), MITIGATIONS_AUTO);
    assert_true(guards_read_capabilities(&vcpu, IA32_ARCH_CAPABILITIES, &value));
    assert_int_equal(value, 0x6b); /* TSX_CTRL is no MSR of guests; code pages may change their size */
    run_on(model("Cascade Lake"), MITIGATIONS_OFF);
    assert_true(guards_read_capabilities(&vcpu, IA32_ARCH_CAPABILITIES, &value));
    assert_int_equal(value, 0x2b);
    run_on(model("Haswell"), MITIGATIONS_AUTO);
    assert_false(guards_read_capabilities(&vcpu, IA32_ARCH_CAPABILITIES, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_model), cmocka_unit_test(page),     cmocka_unit_test(enhanced),
        cmocka_unit_test(plain),      cmocka_unit_test(switches), cmocka_unit_test(capabilities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
