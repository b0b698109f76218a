/* SPDX-License-Identifier: BSD-2-Clause */
/* What this processor's SVM has, and what is used of it (APM volume 3, CPUID Fn8000_000A). */
#pragma once

#include "arch/x86/types.h"

#define SVM_FEATURES(F)                                                                   \
    F(NESTED_PAGING, 0, NEED, "nested paging", NULL)                                      \
    F(NEXT_RIP, 3, LIKE, "next RIP", "instructions are decoded for their length")         \
    F(TSC_RATIO, 4, LIKE, "TSC ratio", "tsc-khz is refused")                              \
    F(CLEAN_BITS, 5, LIKE, "VMCB clean bits", "all of the VMCB is read at each entry")    \
    F(DECODE_ASSISTS, 7, LIKE, "decode assists", "MOV to CR is decoded")                  \
    F(PAUSE_FILTER, 10, LIKE, "pause filter", "none")                                     \
    F(PAUSE_THRESHOLD, 12, LIKE, "pause-filter threshold", "PAUSEs far apart count, too") \
    F(LBR, 1, SPARE, "LBR virtualization", NULL)                                          \
    F(LOCK, 2, SPARE, "SVM lock", NULL)                                                   \
    F(FLUSH_BY_ASID, 6, SPARE, "flush by ASID", NULL)                                     \
    F(AVIC, 13, SPARE, "AVIC", NULL)                                                      \
    F(VIRTUAL_VMLOAD, 15, SPARE, "virtual VMLOAD and VMSAVE", NULL)                       \
    F(VIRTUAL_GIF, 16, SPARE, "virtual GIF", NULL)                                        \
    F(GMET, 17, SPARE, "guest mode execute trap", NULL)                                   \
    F(X2AVIC, 18, SPARE, "x2AVIC", NULL)                                                  \
    F(SHADOW_STACK_CHECK, 19, SPARE, "supervisor shadow stack check", NULL)               \
    F(SPEC_CTRL, 20, SPARE, "SPEC_CTRL virtualization", NULL)                             \
    F(VIRTUAL_NMI, 25, SPARE, "virtual NMIs", NULL)                                       \
    F(ADDRESS_CHECK, 28, SPARE, "addresses of VMCBs checked", NULL)

enum svm_feature {
#define SVM_FEATURE(symbol, bit, use, name, instead) SVM_##symbol = 1u << (bit),
    SVM_FEATURES(SVM_FEATURE)
#undef SVM_FEATURE
};

struct svm_caps {
    uint32_t revision;
    uint32_t asids;    /* 0 is the host's */
    uint32_t features; /* enum svm_feature, and bits without a name */
    bool loses_shadow; /* VMRUN does not load the interrupt shadow (QEMU before 8) */
};

extern struct svm_caps svm_caps; /* of the boot CPU */

/* False: the processor has no SVM at all. */
bool svm_caps_read(struct svm_caps *caps);
/* What is required and not there, or NULL. */
const char *svm_caps_missing(const struct svm_caps *caps);
/* What the boot CPU has and uses, and this one has not, or NULL. */
const char *svm_caps_mismatch(const struct svm_caps *boot, const struct svm_caps *other);

static inline bool svm_can(enum svm_feature f)
{
    return svm_caps.features & f;
}

/* Rows of the page at the start; all that there are, for the monitor. */
void svm_caps_explain(void);
void svm_caps_print(void);
