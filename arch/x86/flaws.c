/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor says of each flaw that was known when it was made, or when its microcode was, that it does
 * not have it. Of the others it is by its model: a model that is not listed has what it does not deny (Intel,
 * "Affected processors: transient execution attacks and related security issues by CPU"). AMD's have none of
 * those but wrong branch targets, and an IBPB against them where CPUID says so.
 */
#include "arch/x86/flaws.h"

#include "arch/x86/identity.h"
#include "arch/x86/msr.h"

#define LEAF_EXTENDED     0x80000000u
#define LEAF_SIZES        0x80000008u
#define LEAF_SIZES_IBPB   BIT(12) /* EBX */
#define LEAF7_EBX_RTM     BIT(11)
#define LEAF7_2_EDX_BHI   BIT(4)
#define ARCH_MMIO_NO      (ARCH_SBDR_SSDP_NO | ARCH_FBSDP_NO | ARCH_PSDP_NO)
#define FLAW(name)        ((uint32_t)BIT(FLAW_##name))
#define DENIED_BY_DEFAULT (FLAW(MMIO) | FLAW(RFDS)) /* only models that are listed */

/* Of family 6, what is otherwise than that of a model without a row. */
static const struct {
    uint8_t model;
    uint32_t without, with;
} models[] = {
    /* Silvermont, Airmont, Knights */
    {0x37, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    {0x4d, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    {0x4a, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    {0x5a, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    {0x4c, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    {0x75, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    {0x57, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    {0x85, FLAW(L1TF) | FLAW(MULTIHIT), 0},
    /* Goldmont, Goldmont Plus */
    {0x5c, FLAW(L1TF) | FLAW(MDS) | FLAW(MULTIHIT), FLAW(RFDS)},
    {0x5f, FLAW(L1TF) | FLAW(MDS) | FLAW(MULTIHIT), FLAW(RFDS)},
    {0x7a, FLAW(L1TF) | FLAW(MDS) | FLAW(MULTIHIT), FLAW(RFDS)},
    /* Tremont */
    {0x86, FLAW(MULTIHIT), FLAW(MMIO) | FLAW(RFDS)},
    {0x96, 0, FLAW(MMIO) | FLAW(RFDS)},
    {0x9c, 0, FLAW(MMIO) | FLAW(RFDS)},
    /* Lakefield, Alder Lake, Raptor Lake, Gracemont */
    {0x8a, 0, FLAW(MMIO)},
    {0x97, 0, FLAW(RFDS)},
    {0x9a, 0, FLAW(RFDS)},
    {0xb7, 0, FLAW(RFDS)},
    {0xba, 0, FLAW(RFDS)},
    {0xbf, 0, FLAW(RFDS)},
    {0xbe, 0, FLAW(RFDS)},
    /* Haswell and Broadwell of servers; Skylake to Rocket Lake */
    {0x3f, 0, FLAW(MMIO)},
    {0x4f, 0, FLAW(MMIO)},
    {0x56, 0, FLAW(MMIO)},
    {0x55, 0, FLAW(MMIO)},
    {0x4e, 0, FLAW(MMIO)},
    {0x5e, 0, FLAW(MMIO)},
    {0x8e, 0, FLAW(MMIO)},
    {0x9e, 0, FLAW(MMIO)},
    {0x7e, 0, FLAW(MMIO)},
    {0x6c, 0, FLAW(MMIO)},
    {0x6a, 0, FLAW(MMIO)},
    {0xa5, 0, FLAW(MMIO)},
    {0xa6, 0, FLAW(MMIO)},
    {0xa7, 0, FLAW(MMIO)},
};

/* Of a flaw, that the processor does not have it: any of the bits, or all. */
static const struct {
    enum cpu_flaw flaw;
    uint64_t bits;
} denials[] = {
    {FLAW_L1TF, ARCH_RDCL_NO},   {FLAW_MDS, ARCH_MDS_NO},   {FLAW_TAA, ARCH_TAA_NO},
    {FLAW_MMIO, ARCH_MMIO_NO},   {FLAW_RFDS, ARCH_RFDS_NO}, {FLAW_MULTIHIT, ARCH_PSCHANGE_MC_NO},
    {FLAW_HISTORY, ARCH_BHI_NO},
};

static uint32_t by_model(uint32_t signature)
{
    uint32_t flaws = (uint32_t)BIT(FLAWS) - 1 - DENIED_BY_DEFAULT;
    unsigned model = cpu_model(signature);

    for (unsigned i = 0; cpu_family(signature) == 6 && i < ARRAY_SIZE(models); i++) {
        if (models[i].model == model)
            return (flaws & ~models[i].without) | models[i].with;
    }
    return flaws;
}

static uint32_t means_of(const struct cpu_kind *k)
{
    const struct {
        enum cpu_means means;
        bool present;
    } rows[] = {
        {MEANS_VERW,
         (k->features & LEAF7_EDX_MD_CLEAR) || (k->capabilities & (ARCH_FB_CLEAR | ARCH_RFDS_CLEAR))},
        {MEANS_L1D_FLUSH, k->features & LEAF7_EDX_L1D_FLUSH},
        {MEANS_IBRS, k->features & LEAF7_EDX_SPEC_CTRL},
        {MEANS_EIBRS, (k->features & LEAF7_EDX_SPEC_CTRL) && (k->capabilities & ARCH_IBRS_ALL)},
        {MEANS_IBPB, k->features & LEAF7_EDX_SPEC_CTRL},
        {MEANS_BHI_DIS, (k->features & LEAF7_EDX_SPEC_CTRL) && (k->more & LEAF7_2_EDX_BHI)},
    };
    uint32_t means = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        means |= rows[i].present ? (uint32_t)BIT(rows[i].means) : 0;
    return means;
}

struct cpu_flaws cpu_flaws(const struct cpu_kind *k)
{
    struct cpu_flaws f = {by_model(k->signature), means_of(k)};

    if (k->amd)
        return (struct cpu_flaws){FLAW(BRANCHES), k->barrier ? (uint32_t)BIT(MEANS_IBPB) : 0};
    for (unsigned i = 0; i < ARRAY_SIZE(denials); i++) {
        if ((k->capabilities & denials[i].bits) == denials[i].bits)
            f.flaws &= ~(uint32_t)BIT(denials[i].flaw);
    }
    if (k->capabilities & ARCH_RFDS_CLEAR)
        f.flaws |= FLAW(RFDS);
    if (!k->transactions && !(k->capabilities & ARCH_TSX_CTRL))
        f.flaws &= ~FLAW(TAA);
    if (!(f.means & BIT(MEANS_EIBRS))) /* what helps against the one helps against the other */
        f.flaws &= ~FLAW(HISTORY);
    return f;
}

#define ANY_STEPPING 16

/* Of family 6, the microcode from which TSC-deadline mode keeps to the TSC also when software has moved that
 * (Intel's specification updates). */
static const struct {
    uint8_t model, stepping;
    uint32_t microcode;
} mended[] = {
    {0x3f, 2, 0x3a}, /* Haswell */
    {0x3f, 4, 0x0f},
    {0x3c, ANY_STEPPING, 0x22},
    {0x45, ANY_STEPPING, 0x20},
    {0x46, ANY_STEPPING, 0x17},
    {0x4f, ANY_STEPPING, 0x0b000020}, /* Broadwell */
    {0x56, 2, 0x11},
    {0x56, 3, 0x0700000e},
    {0x56, 4, 0x0f00000c},
    {0x56, 5, 0x0e000003},
    {0x3d, ANY_STEPPING, 0x25},
    {0x47, ANY_STEPPING, 0x17},
    {0x55, 3, 0x01000136}, /* Skylake */
    {0x55, 4, 0x02000014},
    {0x4e, ANY_STEPPING, 0xb2},
    {0x5e, ANY_STEPPING, 0xb2},
    {0x8e, ANY_STEPPING, 0x52}, /* Kaby Lake */
    {0x9e, ANY_STEPPING, 0x52},
};

bool cpu_deadline_flawed(uint32_t signature, uint32_t microcode)
{
    for (unsigned i = 0; cpu_family(signature) == 6 && i < ARRAY_SIZE(mended); i++) {
        if (mended[i].model == cpu_model(signature) &&
            (mended[i].stepping == ANY_STEPPING || mended[i].stepping == cpu_stepping(signature)))
            return microcode < mended[i].microcode;
    }
    return false;
}

struct cpu_kind cpu_kind(void)
{
    struct cpu_kind k = {.signature = cpuid(1, 0).eax};
    struct cpuid seven;

    k.amd = cpuid(0, 0).ecx == CPUID_AMD;
    k.barrier = cpuid(LEAF_EXTENDED, 0).eax >= LEAF_SIZES && (cpuid(LEAF_SIZES, 0).ebx & LEAF_SIZES_IBPB);
    if (cpuid(0, 0).eax < 7)
        return k;
    seven = cpuid(7, 0);
    k.features = seven.edx;
    k.transactions = seven.ebx & LEAF7_EBX_RTM;
    if (seven.eax >= 2)
        k.more = cpuid(7, 2).edx;
    if (seven.edx & LEAF7_EDX_ARCH_CAPS)
        k.capabilities = rdmsr(IA32_ARCH_CAPABILITIES);
    return k;
}
