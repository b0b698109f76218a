/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's VMX capabilities, resolved once: which controls we need, which we take when they are there,
 * and which are only shown (SDM volume 3, appendix "VMX capability reporting facility").
 */
#pragma once

#include "arch/x86/types.h"

enum control_word { WORD_PIN, WORD_PROC, WORD_PROC2, WORD_EXIT, WORD_ENTRY, WORD_PROC3, WORD_COUNT };

struct vmx_caps {
    uint32_t revision; /* of VMCS regions */
    uint64_t
        allowed1[WORD_COUNT]; /* bits that may be 1; WORD_PROC3, the tertiary controls, is all 64 bits wide */
    uint64_t controls[WORD_COUNT]; /* the value for a VMCS: must-be-one, needed and liked bits */
    uint64_t ept_vpid, misc;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

extern struct vmx_caps vmx_caps; /* of the boot CPU */

/* Reads and resolves this CPU's capabilities. False: *missing names what the floor lacks. */
bool vmx_caps_read(struct vmx_caps *caps, const char **missing);

/* True when this CPU's can run what was resolved on the boot CPU; else *why. */
bool vmx_caps_match(const struct vmx_caps *boot, const struct vmx_caps *other, const char **why);

/* Resolves one word: need | like, plus must-be-one, minus may-not-be-one. False when a needed bit is not
 * allowed. */
bool vmx_control_resolve(uint32_t allowed0, uint32_t allowed1, uint32_t need, uint32_t like, uint32_t *out);

/* Prints the names of the bits that are set, a line per word; those without a name by number. */
void vmx_controls_print(enum control_word word, uint64_t value);

/* Prints one row per control that the explain page shows. */
void vmx_caps_explain(const struct vmx_caps *caps);

/* This CPU may set all of bits. */
static inline bool vmx_can(enum control_word word, uint64_t bits)
{
    return (vmx_caps.allowed1[word] & bits) == bits;
}

static inline bool vmx_has(enum control_word word, uint64_t bit)
{
    return vmx_caps.controls[word] & bit;
}

#define EPT_WALK_4         BIT(6)
#define EPT_TYPE_WB        BIT(14)
#define EPT_PAGE_2M        BIT(16)
#define EPT_PAGE_1G        BIT(17)
#define EPT_INVEPT         BIT(20)
#define EPT_ACCESSED_DIRTY BIT(21)
#define EPT_INVEPT_SINGLE  BIT(25)
#define EPT_INVEPT_ALL     BIT(26)
#define VPID_INVVPID       BIT(32)
#define VPID_SINGLE        BIT(41)
#define VPID_ALL           BIT(42)
#define VPID_NON_GLOBAL    BIT(43)
