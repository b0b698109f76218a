/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest may know of its CPU: a row per leaf with a mask for each register; a leaf without a row reads
 * as zeros. A fix-up puts in what differs per vCPU (SDM volume 2, "CPUID").
 */
#include "vcpu/cpuid.h"
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "hypercall/abi.h"
#include "hypercall/kvm.h"
#include "hypercall/kvm_abi.h"
#include "vcpu/guards.h"
#include "vcpu/state.h"

#define ALL          UINT32_MAX
#define ANY          UINT32_MAX /* subleaf */
#define MAX_BASIC    0x1fu
#define MAX_EXTENDED 0x80000008u

/* Leaf 1 ECX: SSE3 PCLMUL MONITOR SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT TSC-deadline AES
 * XSAVE AVX F16C RDRAND */
#define LEAF1_ECX 0x77fa320bu
/* Leaf 1 EDX: FPU VME DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2
 * SS HTT */
#define LEAF1_EDX 0x1f8bfbffu
/* Leaf 7 EBX: FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS INVPCID AVX512F/DQ RDSEED ADX SMAP IFMA CLFLUSHOPT CLWB CD
 * SHA BW VL */
#define LEAF7_EBX 0xf1bf07a9u
/* Leaf 7 ECX: VBMI UMIP VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ RDPID */
#define LEAF7_ECX 0x00405f46u
/* Leaf 7 EDX: FSRM MD_CLEAR SPEC_CTRL STIBP L1D_FLUSH ARCH_CAPABILITIES SSBD */
#define LEAF7_EDX        0xbc000410u
#define LEAF80000001_ECX 0x00000121u /* LAHF LZCNT PREFETCHW */
#define LEAF80000001_EDX 0x2c100800u /* SYSCALL NX 1G-pages RDTSCP LM */
#define XCR0_SUPPORTED   0xe7u       /* x87 SSE AVX AVX-512 */

#define LEAF1_ECX_MONITOR    BIT(3)
#define LEAF1_ECX_X2APIC     BIT(21)
#define LEAF1_ECX_DEADLINE   BIT(24)
#define LEAF1_ECX_XSAVE      BIT(26)
#define LEAF1_ECX_OSXSAVE    BIT(27)
#define LEAF1_ECX_HYPERVISOR BIT(31)
#define LEAF1_EDX_APIC       BIT(9)
#define LEAF5_EDX_C1         0xf0u
#define LEAF7_EBX_TSC_ADJUST BIT(1)
#define LEAF7_EBX_INVPCID    BIT(10)
#define LEAFD_EAX_XSAVES     BIT(3)
#define LEAFE1_EDX_RDTSCP    BIT(27)

_Static_assert(!(LEAF1_ECX & (LEAF1_ECX_OSXSAVE | LEAF1_ECX_HYPERVISOR)) && (LEAF1_ECX & LEAF1_ECX_MONITOR) &&
                   (LEAF1_ECX & LEAF1_ECX_XSAVE) && (LEAF1_EDX & LEAF1_EDX_APIC),
               "what the fix-up gives and takes away");
_Static_assert((LEAF7_EBX & LEAF7_EBX_INVPCID) && (LEAF80000001_EDX & LEAFE1_EDX_RDTSCP), "so those");
_Static_assert(VM_MAX_VCPUS <= 64, "leaf 4 has 6 bits for the number of cores less one");
_Static_assert(SKERRY_CPUID_BASE == 0x40000000 && KVM_CPUID_BASE % 0x100 == 0 &&
                   KVM_CPUID_FEATURES == KVM_CPUID_BASE + 1,
               "where guests look for a hypervisor");

typedef void fixup(const struct vcpu *v, uint32_t subleaf, struct cpuid *r);

static void fix_max(const struct vcpu *v UNUSED, uint32_t subleaf UNUSED, struct cpuid *r)
{
    r->eax = MAX_BASIC;
}

static void fix_features(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    r->ebx = (r->ebx & 0xffff) | v->vm->vcpu_count << 16 | v->apic_id << 24;
    r->ecx |= (v->vm->config->pv == PV_NONE ? 0 : LEAF1_ECX_HYPERVISOR) | LEAF1_ECX_DEADLINE;
    if (!vcpu_halts_by_itself(v))
        r->ecx &= ~LEAF1_ECX_MONITOR;
    if (vlapic_mode(v) == VLAPIC_OFF)
        r->edx &= ~LEAF1_EDX_APIC;
    if (vlapic_x2apic_allowed(v))
        r->ecx |= LEAF1_ECX_X2APIC;
    else
        r->ecx &= ~LEAF1_ECX_X2APIC;
    if (backend.get(v, GUEST_CR4) & CR4_OSXSAVE)
        r->ecx |= LEAF1_ECX_OSXSAVE;
}

/* Caches: private to the one thread, whatever the machine shares. */
static void fix_caches(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    if (r->eax & 0x1f)
        r->eax |= (v->vm->vcpu_count - 1) << 26;
}

/* MWAIT: C1 and nothing deeper, where the preemption timer might stop. */
static void fix_monitor(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    if (!vcpu_halts_by_itself(v))
        *r = (struct cpuid){0, 0, 0, 0};
}

static void fix_extended_features(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    r->eax = 0;
    r->ebx |= LEAF7_EBX_TSC_ADJUST; /* whether the machine has it or not (vcpu/msr.c) */
    if (!backend.guest_may_use(GUEST_INVPCID))
        r->ebx &= ~LEAF7_EBX_INVPCID;
    r->edx &= ~guards_hidden_features(v->vm);
}

/* Of an APIC ID, that tell cores apart. */
static uint32_t core_bits(const struct vm *vm)
{
    return vm->vcpu_count > 1 ? 32 - (uint32_t)__builtin_clz(vm->vcpu_count - 1) : 0;
}

/* One thread a core, all cores in one package. */
static void fix_topology(const struct vcpu *v, uint32_t subleaf, struct cpuid *r)
{
    unsigned shift = core_bits(v->vm);

    *r = (struct cpuid){.ecx = subleaf & 0xff, .edx = v->apic_id};
    if (subleaf == 0)
        *r = (struct cpuid){0, 1, 1 << 8, v->apic_id};
    else if (subleaf == 1)
        *r = (struct cpuid){shift, v->vm->vcpu_count, 2 << 8 | 1, v->apic_id};
}

/* EBX of subleaves 0 and 1 depends on XCR0, which is the guest's while it runs. */
static void fix_xsave(const struct vcpu *v, uint32_t subleaf, struct cpuid *r)
{
    uint64_t allowed = state_of(v)->xcr0_allowed;

    if (subleaf == 0) {
        uint32_t size = 576;

        for (uint32_t i = 2; i < 32; i++) {
            struct cpuid c = cpuid(13, i);

            if (allowed >> i & 1)
                size = MAX(size, c.eax + c.ebx);
        }
        r->eax = (uint32_t)allowed;
        r->ecx = size;
        r->edx = 0;
    } else if (subleaf == 1) {
        r->eax &= backend.guest_may_use(GUEST_XSAVES) ? 0xf : 0x7;
        r->ecx = r->edx = 0; /* no supervisor components */
    } else if (subleaf > 31 || !(allowed >> subleaf & 1)) {
        *r = (struct cpuid){0, 0, 0, 0};
    }
}

/* The local APIC's timer is clocked by the "crystal", and both run at the TSC's rate: see
 * apic/vlapic_timer.c. */
static void fix_crystal(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    uint64_t hz = vm_tsc_hz(v->vm);
    uint32_t times = hz > UINT32_MAX ? 8 : 1;

    *r = (struct cpuid){1, times, (uint32_t)(hz / times), 0};
}

static void fix_frequency(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    uint32_t mhz = (uint32_t)(vm_tsc_hz(v->vm) / 1000000);

    *r = (struct cpuid){mhz, mhz, 100, 0};
}

/* Without a paravirtual interface these leaves are zeros, and nothing says that there is a hypervisor. */
static void fix_hypervisor(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    if (v->vm->config->pv != PV_NONE)
        *r = (struct cpuid){SKERRY_CPUID_TIMING, 0x72656b53, 0x6b537972, 0x79727265}; /* "SkerrySkerry" */
}

static void fix_abi(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    if (v->vm->config->pv != PV_NONE)
        *r = (struct cpuid){SKERRY_ABI_VERSION, 0, 0, 0};
}

/* As VMware began and others follow: the rates of TSC and local APIC timer, in kHz. */
static void fix_timing(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    uint32_t khz = (uint32_t)(vm_tsc_hz(v->vm) / 1000);

    if (v->vm->config->pv != PV_NONE)
        *r = (struct cpuid){khz, khz, 0, 0};
}

static void fix_kvm(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    if (v->vm->config->pv == PV_KVM)
        *r = (struct cpuid){KVM_CPUID_FEATURES, 0x4b4d564b, 0x564b4d56, 0x4d}; /* "KVMKVMKVM" */
}

static void fix_kvm_features(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    *r = (struct cpuid){v->vm->kvm_features, 0, 0, kvm_hints(v->vm->config)};
}

static void fix_extended_max(const struct vcpu *v UNUSED, uint32_t subleaf UNUSED, struct cpuid *r)
{
    r->eax = MIN(r->eax, MAX_EXTENDED);
}

static void fix_extended_1(const struct vcpu *v UNUSED, uint32_t subleaf UNUSED, struct cpuid *r)
{
    if (!backend.guest_may_use(GUEST_RDTSCP))
        r->edx &= ~LEAFE1_EDX_RDTSCP;
}

/* AMD's number of cores: as the topology says. */
static void fix_sizes(const struct vcpu *v, uint32_t subleaf UNUSED, struct cpuid *r)
{
    if (cpuid(0, 0).ecx == CPUID_AMD)
        r->ecx = (v->vm->vcpu_count - 1) | core_bits(v->vm) << 12;
}

enum when {
    ONCE,     /* the same for all vCPUs: fixed up when the machine is read */
    PER_VCPU, /* depends on the vCPU */
    LIVE,     /* on the subleaf or on XCR0, too: the machine is asked each time */
};

static const struct row {
    uint32_t leaf, subleaf;
    struct cpuid mask; /* of what the machine's CPUID says */
    fixup *fix;
    enum when when;
} rows[] = {
    {0x00000000, ANY, {0, ALL, ALL, ALL}, fix_max, ONCE},
    {0x00000001, ANY, {ALL, 0xff00, LEAF1_ECX, LEAF1_EDX}, fix_features, PER_VCPU},
    {0x00000002, ANY, {ALL, ALL, ALL, ALL}, NULL, ONCE},
    {0x00000004, ANY, {0x3ff, ALL, ALL, ALL}, fix_caches, LIVE},
    {0x00000005, ANY, {0xffff, 0xffff, 0x3, LEAF5_EDX_C1}, fix_monitor, PER_VCPU},
    {0x00000006, ANY, {0x4, 0, 0, 0}, NULL, ONCE}, /* ARAT */
    {0x00000007, 0, {0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX}, fix_extended_features, PER_VCPU},
    {0x0000000b, ANY, {0, 0, 0, 0}, fix_topology, PER_VCPU},
    {0x0000000d, ANY, {ALL, ALL, ALL, ALL}, fix_xsave, LIVE},
    {0x00000015, ANY, {0, 0, 0, 0}, fix_crystal, PER_VCPU},
    {0x00000016, ANY, {0, 0, 0, 0}, fix_frequency, PER_VCPU},
    {0x0000001f, ANY, {0, 0, 0, 0}, fix_topology, PER_VCPU},
    {SKERRY_CPUID_BASE, ANY, {0, 0, 0, 0}, fix_hypervisor, PER_VCPU},
    {SKERRY_CPUID_ABI, ANY, {0, 0, 0, 0}, fix_abi, PER_VCPU},
    {SKERRY_CPUID_TIMING, ANY, {0, 0, 0, 0}, fix_timing, PER_VCPU},
    {KVM_CPUID_BASE, ANY, {0, 0, 0, 0}, fix_kvm, PER_VCPU},
    {KVM_CPUID_FEATURES, ANY, {0, 0, 0, 0}, fix_kvm_features, PER_VCPU},
    {0x80000000, ANY, {ALL, ALL, ALL, ALL}, fix_extended_max, ONCE},
    {0x80000001, ANY, {ALL, 0, LEAF80000001_ECX, LEAF80000001_EDX}, fix_extended_1, ONCE},
    {0x80000002, ANY, {ALL, ALL, ALL, ALL}, NULL, ONCE},
    {0x80000003, ANY, {ALL, ALL, ALL, ALL}, NULL, ONCE},
    {0x80000004, ANY, {ALL, ALL, ALL, ALL}, NULL, ONCE},
    {0x80000005, ANY, {ALL, ALL, ALL, ALL}, NULL, ONCE}, /* AMD's, with the next: caches and TLBs */
    {0x80000006, ANY, {ALL, ALL, ALL, ALL}, NULL, ONCE},
    {0x80000007, ANY, {0, 0, 0, 0x100}, NULL, ONCE}, /* invariant TSC */
    {0x80000008, ANY, {0xffff, 0, 0, 0}, fix_sizes, PER_VCPU},
};

/* Beyond the last basic leaf, the processor answers with the data of that leaf. */
static uint32_t effective_leaf(uint32_t leaf)
{
    return leaf > MAX_BASIC && leaf < 0x40000000 ? MAX_BASIC : leaf;
}

static struct cpuid known[ARRAY_SIZE(rows)]; /* of the rows that are not live: read once, CPUID is slow */

struct low_leaf vcpu_low_leaves[CPUID_LOW_LEAVES];

_Static_assert(CPUID_LOW_LEAVES == MAX_BASIC + 1 && !(CPUID_LOW_LEAVES & MAX_BASIC),
               "the lowest bits of a leaf are a place");

static struct cpuid ask_machine(const struct row *row, uint32_t subleaf)
{
    const struct cpuid *m = &row->mask;
    struct cpuid r = {0, 0, 0, 0};

    if (cpuid(row->leaf & 0x80000000, 0).eax >= row->leaf && (m->eax | m->ebx | m->ecx | m->edx))
        r = cpuid(row->leaf, subleaf);
    return (struct cpuid){r.eax & m->eax, r.ebx & m->ebx, r.ecx & m->ecx, r.edx & m->edx};
}

void vcpu_cpuid_init(void)
{
    for (unsigned leaf = 0; leaf <= MAX_BASIC; leaf++)
        vcpu_low_leaves[leaf].leaf = leaf; /* without a row: zeros */
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        bool complete = row->when == ONCE && row->subleaf == ANY;

        known[i] = ask_machine(row, 0);
        if (row->when == ONCE && row->fix)
            row->fix(NULL, 0, &known[i]);
        ASSERT(row->when == ONCE || row->fix);
        ASSERT(effective_leaf(row->leaf) == row->leaf); /* else it is never found */
        if (row->leaf <= MAX_BASIC) {
            vcpu_low_leaves[row->leaf].answer = known[i];
            vcpu_low_leaves[row->leaf].leaf = complete ? row->leaf : ~row->leaf;
        }
    }
}

static NOINLINE struct cpuid look_up(const struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    leaf = effective_leaf(leaf);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        struct cpuid r;

        if (row->leaf != leaf || (row->subleaf != ANY && row->subleaf != subleaf))
            continue;
        r = row->when == LIVE ? ask_machine(row, subleaf) : known[i];
        if (row->when != ONCE && row->fix)
            row->fix(v, subleaf, &r);
        return r;
    }
    return (struct cpuid){0, 0, 0, 0};
}

static enum next answer_cpuid(struct vcpu *v, const struct cpuid *r)
{
    v->regs.rax = r->eax;
    v->regs.rbx = r->ebx;
    v->regs.rcx = r->ecx;
    v->regs.rdx = r->edx;
    return NEXT_SKIP_AND_RESUME;
}

static NOINLINE enum next answer_by_row(struct vcpu *v)
{
    struct cpuid r = look_up(v, (uint32_t)v->regs.rax, (uint32_t)v->regs.rcx);

    return answer_cpuid(v, &r);
}

enum next vcpu_cpuid(struct vcpu *v)
{
    uint32_t leaf = (uint32_t)v->regs.rax;

    if (vcpu_low_leaves[leaf & MAX_BASIC].leaf == leaf)
        return answer_cpuid(v, &vcpu_low_leaves[leaf & MAX_BASIC].answer);
    return answer_by_row(v);
}

uint64_t vcpu_xcr0_allowed(void)
{
    struct cpuid r;

    if (!(cpuid(1, 0).ecx & LEAF1_ECX_XSAVE))
        return 3;
    r = cpuid(13, 0);
    return r.eax & XCR0_SUPPORTED;
}

uint64_t vcpu_cr4_allowed(void)
{
    struct cpuid basic = cpuid(1, 0), none = {0, 0, 0, 0}, more = cpuid(0, 0).eax >= 7 ? cpuid(7, 0) : none;
    const struct {
        bool present;
        uint64_t bits;
    } needs[] = {
        {true,
         CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT},
        {basic.edx & BIT(1), CR4_VME | CR4_PVI},
        {basic.ecx & BIT(17), CR4_PCIDE},
        {basic.ecx & LEAF1_ECX_XSAVE, CR4_OSXSAVE},
        {more.ebx & BIT(0), CR4_FSGSBASE},
        {more.ebx & BIT(7), CR4_SMEP},
        {more.ebx & BIT(20), CR4_SMAP},
        {more.ecx & BIT(2), CR4_UMIP},
    };
    uint64_t allowed = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        allowed |= needs[i].present ? needs[i].bits : 0;
    return allowed & backend.cr4_possible();
}
