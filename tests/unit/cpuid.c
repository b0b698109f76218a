/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu/cpuid.c on a machine whose CPUID has every bit: what a guest sees is what the policy lets through; and
 * on one that has none.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

static struct cpuid machine_cpuid(uint32_t leaf, uint32_t subleaf);
#define cpuid(leaf, subleaf) machine_cpuid(leaf, subleaf)
#include "vcpu/cpuid.c"
#undef cpuid

#include <string.h>

#define CR4_ALL UINT64_C(0xffffffffffff)

static bool has_all, is_amd;
static struct vm_config config;
static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_state state;
static uint64_t cr4;
static bool may_use[4], x2apic_allowed;
static enum vlapic_mode apic_mode;
struct machine machine = {.tsc_hz = UINT64_C(2500000000)};

/* XSAVE's components lie as they do on a processor: 2 is AVX, 5 to 7 are AVX-512. */
static struct cpuid machine_cpuid(uint32_t leaf, uint32_t subleaf)
{
    static const struct cpuid components[] = {
        [2] = {256, 576, 0, 0}, [5] = {64, 1088, 0, 0}, [6] = {512, 1152, 0, 0}, [7] = {1024, 1664, 0, 0}};

    if (!has_all)
        return leaf & 0x7fffffff ? (struct cpuid){0, 0, 0, 0} : (struct cpuid){leaf | 1, 0, 0, 0};
    if (leaf == 0 && is_amd)
        return (struct cpuid){13, 0x68747541, CPUID_AMD, 0x69746e65}; /* "AuthenticAMD" */
    if (leaf == 13 && subleaf > 1)
        return subleaf < ARRAY_SIZE(components) ? components[subleaf] : (struct cpuid){64, 9000, 1, 0};
    return (struct cpuid){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
}

static uint64_t get(const struct vcpu *v UNUSED, enum guest_register which)
{
    assert_int_equal(which, GUEST_CR4);
    return cr4;
}
static bool guest_may_use(enum guest_feature feature)
{
    return may_use[feature];
}
static uint64_t cr4_possible(void)
{
    return CR4_ALL & ~CR4_SMAP;
}
struct backend backend = {.get = get, .guest_may_use = guest_may_use, .cr4_possible = cr4_possible};

enum vlapic_mode vlapic_mode(const struct vcpu *v UNUSED)
{
    return apic_mode;
}
bool vlapic_x2apic_allowed(const struct vcpu *v UNUSED)
{
    return x2apic_allowed;
}
static uint32_t hidden;
uint32_t guards_hidden_features(const struct vm *of)
{
    assert_ptr_equal(of, &vm);
    return hidden;
}
uint32_t kvm_hints(const struct vm_config *of UNUSED)
{
    return 1;
}

static int set_up(void **unused)
{
    (void)unused;
    config = (struct vm_config){.pv = PV_KVM, .hlt_exits = true};
    vm = (struct vm){.config = &config, .vcpu_count = 1, .kvm_features = 0x1234};
    vcpu = (struct vcpu){.vm = &vm, .backend = &state};
    state.xcr0_allowed = 0xe7;
    cr4 = 0;
    has_all = true;
    memset(may_use, true, sizeof(may_use));
    x2apic_allowed = true;
    apic_mode = VLAPIC_X2APIC;
    vcpu_cpuid_init();
    return 0;
}

static struct cpuid ask(uint32_t leaf, uint32_t subleaf)
{
    vcpu.regs.rax = UINT64_C(0xdead00000000) | leaf;
    vcpu.regs.rcx = UINT64_C(0xdead00000000) | subleaf;
    assert_int_equal(vcpu_cpuid(&vcpu), NEXT_SKIP_AND_RESUME);
    assert_int_equal((vcpu.regs.rax | vcpu.regs.rbx | vcpu.regs.rcx | vcpu.regs.rdx) >> 32, 0);
    return (struct cpuid){(uint32_t)vcpu.regs.rax, (uint32_t)vcpu.regs.rbx, (uint32_t)vcpu.regs.rcx,
                          (uint32_t)vcpu.regs.rdx};
}

static void is(struct cpuid r, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    assert_int_equal(r.eax, eax);
    assert_int_equal(r.ebx, ebx);
    assert_int_equal(r.ecx, ecx);
    assert_int_equal(r.edx, edx);
}

/* By the names of the manual's tables. */
static void never_shown(void **unused)
{
    struct cpuid one, seven;

    (void)unused;
    one = ask(1, 0);
    seven = ask(7, 0);
    /* DTES64 MONITOR DS-CPL VMX SMX EIST TM2 CNXT-ID SDBG xTPR PDCM DCA OSXSAVE */
    assert_int_equal(one.ecx & (BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) |
                                BIT(11) | BIT(14) | BIT(15) | BIT(18) | BIT(27)),
                     0);
    /* PSN DS ACPI TM PBE */
    assert_int_equal(one.edx & (BIT(18) | BIT(21) | BIT(22) | BIT(29) | BIT(31)), 0);
    /* SGX HLE RTM PQM MPX PQE PT */
    assert_int_equal(seven.ebx & (BIT(2) | BIT(4) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(25)), 0);
    assert_true(seven.ebx & BIT(1)); /* TSC_ADJUST */
    /* PKU OSPKE WAITPKG CET LA57 KL ENQCMD SGX_LC PKS */
    assert_int_equal(
        seven.ecx & (BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(16) | BIT(23) | BIT(29) | BIT(30) | BIT(31)), 0);
    /* FSRM MD_CLEAR IBRS STIBP L1D_FLUSH ARCH_CAPABILITIES SSBD */
    assert_int_equal(seven.edx, BIT(4) | BIT(10) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(31));
    hidden = BIT(26) | BIT(27) | BIT(31);
    assert_int_equal(ask(7, 0).edx, BIT(4) | BIT(10) | BIT(28) | BIT(29));
    hidden = 0;
    assert_int_equal(seven.eax, 0);
    is(ask(7, 1), 0, 0, 0, 0);
    assert_int_equal(ask(0x80000001, 0).ecx & BIT(2), 0); /* SVM */
}

/* Cores are counted as the topology's leaves have them; caches and TLBs are the processor's; its SVM is
 * nobody's. */
static void on_amd(void **unused)
{
    static const struct {
        unsigned vcpus;
        uint32_t ecx;
    } cases[] = {{1, 0}, {2, 1 | 1 << 12}, {3, 2 | 2 << 12}, {8, 7 | 3 << 12}, {64, 63 | 6 << 12}};

    (void)unused;
    is_amd = true;
    vcpu_cpuid_init();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        vm.vcpu_count = cases[i].vcpus;
        is(ask(0x80000008, 0), 0xffff, 0, cases[i].ecx, 0);
    }
    is(ask(0, 0), 0x1f, 0x68747541, CPUID_AMD, 0x69746e65);
    is(ask(0x80000005, 0), UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
    assert_int_equal(ask(0x80000000, 0).eax, 0x80000008); /* that of SVM is behind */
    assert_int_equal(ask(0x80000001, 0).ecx & BIT(2), 0);
    is_amd = false;
    vm.vcpu_count = 4;
    is(ask(0x80000008, 0), 0xffff, 0, 0, 0);
}

static void leaves_that_are_not(void **unused)
{
    static const uint32_t none[] = {3,          8,          9,          0xa,        0xc,        0xe,
                                    0xf,        0x10,       0x12,       0x14,       0x17,       0x18,
                                    0x19,       0x1a,       0x40000002, 0x4000000f, 0x40000102, 0x4fffffff,
                                    0x80000009, 0x8000000a, 0x8000001f, 0xc0000000, 0xffffffff};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
        is(ask(none[i], 0), 0, 0, 0, 0);
    assert_int_equal(ask(0, 0).eax, 0x1f);
    assert_int_equal(ask(0x80000000, 0).eax, 0x80000008);
    vcpu.apic_id = 5;
    is(ask(0x20, 1), 0, 1, 2 << 8 | 1, 5); /* beyond the last one: the last one's */
    is(ask(0x3fffffff, 0), 0, 1, 1 << 8, 5);
}

static bool shows(bool in_ecx, unsigned bit)
{
    struct cpuid r = ask(1, 0);

    return (in_ecx ? r.ecx : r.edx) >> bit & 1;
}

static void what_differs(void **unused)
{
    (void)unused;
    for (unsigned k = 0; k < 32; k++) {
        bool alone = k & 1, exits = k & 2;

        config.hlt_exits = exits;
        vcpu.sched = alone ? NULL : (struct sched_vcpu *)&vcpu;
        x2apic_allowed = k & 4;
        apic_mode = k & 8 ? VLAPIC_OFF : VLAPIC_X2APIC;
        cr4 = k & 16 ? CR4_OSXSAVE : 0;
        assert_int_equal(shows(true, 3), alone && !exits); /* MONITOR */
        assert_int_equal(ask(5, 0).edx, alone && !exits ? 0xf0 : 0);
        assert_int_equal(ask(5, 0).eax, alone && !exits ? 0xffff : 0);
        assert_int_equal(shows(true, 21), (k & 4) != 0);  /* x2APIC */
        assert_int_equal(shows(false, 9), !(k & 8));      /* APIC */
        assert_int_equal(shows(true, 27), (k & 16) != 0); /* OSXSAVE */
        assert_true(shows(true, 24));                     /* TSC-deadline */
    }
    /* Ours whatever the machine has; and what it has not is not shown. */
    has_all = false;
    cr4 = 0;
    vcpu_cpuid_init();
    assert_int_equal(ask(1, 0).ecx, BIT(31) | BIT(24) | BIT(21));
    assert_int_equal(ask(1, 0).edx, 0);
    assert_int_equal(ask(7, 0).ebx & ~BIT(10), BIT(1)); /* TSC_ADJUST needs nothing of the machine */
}

static void by_the_processor(void **unused)
{
    (void)unused;
    assert_int_equal(ask(7, 0).ebx >> 10 & 1, 1);
    assert_int_equal(ask(0x80000001, 0).edx >> 27 & 1, 1);
    assert_int_equal(ask(13, 1).eax, 0xf);
    memset(may_use, false, sizeof(may_use));
    vcpu_cpuid_init();
    assert_int_equal(ask(7, 0).ebx >> 10 & 1, 0);
    assert_int_equal(ask(0x80000001, 0).edx >> 27 & 1, 0);
    assert_int_equal(ask(13, 1).eax, 0x7);
}

static void topology(void **unused)
{
    static const struct {
        unsigned count, shift;
    } sizes[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {64, 6}};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        unsigned n = sizes[i].count;

        vm.vcpu_count = n;
        vcpu.apic_id = n - 1;
        assert_int_equal(ask(1, 0).ebx, 0xff00 | n << 16 | (n - 1) << 24);
        assert_int_equal(ask(4, 0).eax >> 26, n - 1);
        assert_int_equal(ask(4, 0).eax >> 14 & 0xfff, 0); /* a cache for each thread */
        for (unsigned leaf = 0xb; leaf <= 0x1f; leaf += 0x14) {
            is(ask(leaf, 0), 0, 1, 1 << 8, n - 1);
            is(ask(leaf, 1), sizes[i].shift, n, 2 << 8 | 1, n - 1);
            is(ask(leaf, 2), 0, 0, 2, n - 1);
        }
    }
}

static void xsave(void **unused)
{
    static const struct {
        uint64_t allowed;
        uint32_t size;
    } cases[] = {{0x3, 576}, {0x7, 832}, {0xe7, 2688}};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cpuid r;

        state.xcr0_allowed = cases[i].allowed;
        r = ask(13, 0);
        assert_int_equal(r.eax, cases[i].allowed);
        assert_int_equal(r.ecx, cases[i].size);
        assert_int_equal(r.edx, 0);
        r = ask(13, 1);
        assert_int_equal(r.ecx | r.edx, 0);
        for (uint32_t c = 2; c < 70; c++)
            assert_int_equal(ask(13, c).eax != 0, c < 32 && (cases[i].allowed >> c & 1));
    }
    assert_int_equal(vcpu_xcr0_allowed(), 0xe7);
    assert_false(vcpu_cr4_allowed() & (CR4_VMXE | CR4_SMXE | CR4_PKE | CR4_LA57 | CR4_SMAP));
    assert_true(vcpu_cr4_allowed() & CR4_SMEP);
    has_all = false;
    assert_int_equal(vcpu_xcr0_allowed(), 3);
    assert_false(vcpu_cr4_allowed() &
                 (CR4_SMEP | CR4_UMIP | CR4_OSXSAVE | CR4_PCIDE | CR4_FSGSBASE | CR4_VME));
}

static void rates(void **unused)
{
    (void)unused;
    is(ask(0x15, 0), 1, 1, UINT32_C(2500000000), 0);
    is(ask(0x16, 0), 2500, 2500, 100, 0);
    config.tsc_khz = 5000000; /* more Hz than 32 bits: eight times as many */
    is(ask(0x15, 0), 1, 8, 625000000, 0);
    is(ask(0x40000010, 0), 5000000, 5000000, 0, 0);
}

static void hypervisors(void **unused)
{
    static const enum pv pvs[] = {PV_NONE, PV_SKERRY, PV_KVM};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(pvs); i++) {
        bool any = pvs[i] != PV_NONE, kvm = pvs[i] == PV_KVM;
        struct cpuid r;

        config.pv = pvs[i];
        vm.kvm_features = kvm ? 0x1234 : 0;
        assert_int_equal(shows(true, 31), any);
        r = ask(0x40000000, 0);
        assert_int_equal(r.eax, any ? 0x40000010 : 0);
        assert_memory_equal(&r.ebx, any ? "SkerrySkerry" : "\0\0\0\0\0\0\0\0\0\0\0", 12);
        assert_int_equal(ask(0x40000001, 0).eax, any ? SKERRY_ABI_VERSION : 0);
        assert_int_equal(ask(0x40000010, 0).eax, any ? 2500000 : 0);
        r = ask(0x40000100, 0);
        assert_int_equal(r.eax, kvm ? 0x40000101 : 0);
        assert_memory_equal(&r.ebx, kvm ? "KVMKVMKVM\0\0\0" : "\0\0\0\0\0\0\0\0\0\0\0", 12);
        assert_int_equal(ask(0x40000101, 0).eax, kvm ? 0x1234 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(never_shown, set_up),
        cmocka_unit_test_setup(on_amd, set_up),
        cmocka_unit_test_setup(leaves_that_are_not, set_up),
        cmocka_unit_test_setup(what_differs, set_up),
        cmocka_unit_test_setup(by_the_processor, set_up),
        cmocka_unit_test_setup(topology, set_up),
        cmocka_unit_test_setup(xsave, set_up),
        cmocka_unit_test_setup(rates, set_up),
        cmocka_unit_test_setup(hypervisors, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
