/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processor gives away of one program to another, and what it offers against that. */
#pragma once

#include "arch/x86/types.h"

enum cpu_flaw {
    FLAW_L1TF,     /* what is in the first-level data cache, by an address without a page */
    FLAW_MDS,      /* what is in the buffers of loads and stores */
    FLAW_TAA,      /* the same, by a transaction */
    FLAW_MMIO,     /* the same, by access to a device's registers */
    FLAW_RFDS,     /* what was in registers */
    FLAW_MULTIHIT, /* machine check when a code page changes its size */
    FLAW_BRANCHES, /* indirect branches go where somebody else trained them to */
    FLAW_HISTORY,  /* so do those that only the history of branches leads astray */
    FLAWS
};

enum cpu_means {
    MEANS_VERW,      /* VERW empties the buffers */
    MEANS_L1D_FLUSH, /* IA32_FLUSH_CMD */
    MEANS_IBRS,      /* IA32_SPEC_CTRL, to be written after each change to the hypervisor */
    MEANS_EIBRS,     /* once for all */
    MEANS_IBPB,      /* IA32_PRED_CMD */
    MEANS_BHI_DIS,   /* IA32_SPEC_CTRL keeps the history of user mode and guests out */
    MEANS
};

/* What is told about a processor. */
struct cpu_kind {
    uint32_t signature;    /* leaf 1 EAX */
    uint32_t features;     /* leaf 7 EDX, */
    uint32_t more;         /* and of its subleaf 2 */
    bool transactions;     /* leaf 7 EBX: RTM */
    uint64_t capabilities; /* IA32_ARCH_CAPABILITIES; 0: it has none */
    bool amd;              /* by its maker, and */
    bool barrier;          /* leaf 80000008h EBX: IBPB */
};

struct cpu_flaws {
    uint32_t flaws, means; /* a bit each */
};

/* The local APIC's timer in TSC-deadline mode comes at the wrong time with this microcode. */
bool cpu_deadline_flawed(uint32_t signature, uint32_t microcode);

struct cpu_kind cpu_kind(void); /* of this CPU */
struct cpu_flaws cpu_flaws(const struct cpu_kind *k);

#define LEAF7_EDX_MD_CLEAR  BIT(10)
#define LEAF7_EDX_SPEC_CTRL BIT(26) /* and IBPB */
#define LEAF7_EDX_STIBP     BIT(27)
#define LEAF7_EDX_L1D_FLUSH BIT(28)
#define LEAF7_EDX_ARCH_CAPS BIT(29)
#define LEAF7_EDX_SSBD      BIT(31)

/* IA32_ARCH_CAPABILITIES (SDM volume 4). */
#define ARCH_RDCL_NO        BIT(0)
#define ARCH_IBRS_ALL       BIT(1)
#define ARCH_RSBA           BIT(2)
#define ARCH_SKIP_L1D_FLUSH BIT(3)
#define ARCH_SSB_NO         BIT(4)
#define ARCH_MDS_NO         BIT(5)
#define ARCH_PSCHANGE_MC_NO BIT(6)
#define ARCH_TSX_CTRL       BIT(7)
#define ARCH_TAA_NO         BIT(8)
#define ARCH_SBDR_SSDP_NO   BIT(13)
#define ARCH_FBSDP_NO       BIT(14)
#define ARCH_PSDP_NO        BIT(15)
#define ARCH_FB_CLEAR       BIT(17)
#define ARCH_RRSBA          BIT(19)
#define ARCH_BHI_NO         BIT(20)
#define ARCH_PBRSB_NO       BIT(24)
#define ARCH_GDS_NO         BIT(26)
#define ARCH_RFDS_NO        BIT(27)
#define ARCH_RFDS_CLEAR     BIT(28)
#define ARCH_ITS_NO         BIT(62)
