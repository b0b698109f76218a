/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/features.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/string.h"

enum reg { EAX, EBX, ECX, EDX };

static const struct {
    const char *name, *instead;
    uint32_t leaf, subleaf;
    enum reg reg;
    unsigned bit;
} features[FEATURE_COUNT] = {
    [FEATURE_VMX] = {"vmx", "svm, or no guest can run", 1, 0, ECX, 5},
    [FEATURE_SVM] = {"svm", "vmx, or no guest can run", 0x80000001, 0, ECX, 2},
    [FEATURE_NX] = {"nx", "nothing: Skerry needs it", 0x80000001, 0, EDX, 20},
    [FEATURE_PAGE_1G] = {"1g-pages", "2 MiB pages for the direct map", 0x80000001, 0, EDX, 26},
    [FEATURE_SMEP] = {"smep", "NX pages alone", 7, 0, EBX, 7},
    [FEATURE_SMAP] = {"smap", "no user pages exist", 7, 0, EBX, 20},
    [FEATURE_X2APIC] = {"x2apic", "xAPIC", 1, 0, ECX, 21},
    [FEATURE_TSC_DEADLINE] = {"tsc-deadline", "one-shot local APIC timer", 1, 0, ECX, 24},
    [FEATURE_INVARIANT_TSC] = {"invariant-tsc", "TSC taken as constant", 0x80000007, 0, EDX, 8},
    [FEATURE_XSAVE] = {"xsave", "guests without AVX", 1, 0, ECX, 26},
    [FEATURE_XSAVES] = {"xsaves", "guests use xsave", 13, 1, EAX, 3},
    [FEATURE_RDTSCP] = {"rdtscp", "guests without it", 0x80000001, 0, EDX, 27},
    [FEATURE_MTRR] = {"mtrr", "all memory is uncached", 1, 0, EDX, 12},
    [FEATURE_SPEC_CTRL] = {"spec-ctrl", "see side channels below", 7, 0, EDX, 26},
};

_Static_assert(FEATURE_COUNT <= 32, "feature_present() has a bit for each");

static bool read_feature(enum cpu_feature f)
{
    uint32_t leaf = features[f].leaf;
    struct cpuid r;

    if (cpuid(leaf & 0x80000000, 0).eax < leaf)
        return false;
    r = cpuid(leaf, features[f].subleaf);
    return ((const uint32_t[]){r.eax, r.ebx, r.ecx, r.edx})[features[f].reg] >> features[f].bit & 1;
}

/* CPUID is slow, and exits where Skerry is a guest itself: asked once. */
bool feature_present(enum cpu_feature f)
{
    static uint32_t known, present;

    if (!(known >> f & 1)) {
        present |= read_feature(f) ? (uint32_t)BIT(f) : 0;
        known |= (uint32_t)BIT(f);
    }
    return present >> f & 1;
}

const char *feature_name(enum cpu_feature f)
{
    return features[f].name;
}

const char *feature_instead(enum cpu_feature f)
{
    return features[f].instead;
}

/* Its leaves stand at the second place where it also shows those of another hypervisor. */
static bool below(const char name[12])
{
    for (uint32_t leaf = 0x40000000; leaf <= 0x40000100 && (cpuid(1, 0).ecx & BIT(31)); leaf += 0x100) {
        struct cpuid c = cpuid(leaf, 0);
        uint32_t words[3] = {c.ebx, c.ecx, c.edx};

        if (memcmp(words, name, sizeof(words)) == 0)
            return true;
    }
    return false;
}

bool cpu_below_kvm(void)
{
    return below("KVMKVMKVM\0\0");
}

bool cpu_below_tcg(void)
{
    return below("TCGTCGTCGTCG");
}

unsigned cpu_physical_bits(void)
{
    return cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
}

void cpu_brand(char name[49])
{
    const char *from = name;

    memset(name, 0, 49);
    _Static_assert(3 * sizeof(struct cpuid) + 1 == 49, "three leaves fill the name");
    for (uint32_t i = 0; i < 3 && cpuid(0x80000000, 0).eax >= 0x80000004; i++) {
        struct cpuid r = cpuid(0x80000002 + i, 0);

        memcpy(name + 16 * i, &(uint32_t[]){r.eax, r.ebx, r.ecx, r.edx}, 16);
    }
    while (*from == ' ')
        from++;
    memmove(name, from, strlen(from) + 1);
}

void cpu_enable_protections(void)
{
    uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_PGE;

    if (feature_present(FEATURE_SMEP))
        cr4 |= CR4_SMEP;
    if (feature_present(FEATURE_SMAP))
        cr4 |= CR4_SMAP;
    if (feature_present(FEATURE_XSAVE))
        cr4 |= CR4_OSXSAVE;
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_NXE | EFER_SCE);
    wrmsr(IA32_PAT, PAGING_PAT);
    write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
    write_cr4(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
}
