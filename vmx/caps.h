/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's VMX capabilities, resolved once: which controls we need, which we take when they are there,
 * and which are only shown (SDM volume 3, appendix "VMX capability reporting facility").
 */
#pragma once

#include "arch/x86/types.h"
#include "vmx/control_bits.h"

enum control_word {
    WORD_PIN,
    WORD_PROC,
    WORD_PROC2,
    WORD_EXIT,
    WORD_ENTRY,
    WORD_PROC3,
    WORD_COUNT,
    WORD_BASIC = WORD_COUNT, /* these are no controls */
    WORD_MISC,
    WORD_EPT,
    WORD_VPID,
    WORD_ALL
};

/* A row of control_bits.h. */
enum bit_use { NEED, LIKE, PER_VM, SWITCHED, OFF, DEBUG, SPARE };

struct vmx_bit {
    enum control_word word;
    uint64_t bit;
    enum bit_use use;
    const char *name;
    const char *instead; /* LIKE, PER_VM and DEBUG: what happens without it */
};

extern const struct vmx_bit vmx_bits[];
extern const unsigned vmx_bit_count;

struct vmx_caps {
    uint32_t revision; /* of VMCS regions */
    uint64_t
        allowed1[WORD_COUNT]; /* bits that may be 1; WORD_PROC3, the tertiary controls, is all 64 bits wide */
    uint32_t must_be_1[WORD_COUNT];
    uint64_t controls[WORD_COUNT]; /* the value for a VMCS: must-be-one, needed and liked bits */
    uint64_t ept_vpid, misc, basic;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

extern struct vmx_caps vmx_caps; /* of the boot CPU */

/* Reads and resolves this CPU's capabilities. False: *missing names what the floor lacks. */
bool vmx_caps_read(struct vmx_caps *caps, const char **missing);

/* True when this CPU can run what was resolved on the boot CPU, whatever else it can or cannot do; else *why.
 */
bool vmx_caps_match(const struct vmx_caps *boot, const struct vmx_caps *other, const char **why);

/* Resolves one word: need | like, plus must-be-one, minus may-not-be-one. False when a needed bit is not
 * allowed. */
bool vmx_control_resolve(uint32_t allowed0, uint32_t allowed1, uint32_t need, uint32_t like, uint32_t *out);

/* Which bits of a word the processor has. */
uint64_t vmx_caps_present(const struct vmx_caps *caps, enum control_word word);

/* caps_print.c */

/* Prints the names of the bits that are set, below a line with the value; those without a name by number. */
void vmx_controls_print(enum control_word word, uint64_t value);

/* Prints one row per bit that the explain page shows; or all there are. */
void vmx_caps_explain(const struct vmx_caps *caps);
void vmx_caps_print(const struct vmx_caps *caps);

/* This CPU may set all of bits. */
static inline bool vmx_can(enum control_word word, uint64_t bits)
{
    return (vmx_caps.allowed1[word] & bits) == bits;
}

static inline bool vmx_has(enum control_word word, uint64_t bit)
{
    return vmx_caps.controls[word] & bit;
}

#define EPT_WALK_4          BIT(EPT_WALK_4_BIT)
#define EPT_TYPE_WB         BIT(EPT_TYPE_WB_BIT)
#define EPT_PAGES_2M        BIT(EPT_PAGES_2M_BIT)
#define EPT_PAGES_1G        BIT(EPT_PAGES_1G_BIT)
#define EPT_INVEPT          BIT(EPT_INVEPT_BIT)
#define EPT_INVEPT_SINGLE   BIT(EPT_INVEPT_SINGLE_BIT)
#define EPT_INVEPT_ALL      BIT(EPT_INVEPT_ALL_BIT)
#define VPID_INVVPID        BIT(VPID_INVVPID_BIT)
#define VPID_SINGLE         BIT(VPID_SINGLE_BIT)
#define VPID_ALL            BIT(VPID_ALL_BIT)
#define VPID_NON_GLOBAL     BIT(VPID_NON_GLOBAL_BIT)
#define MISC_STORES_LMA     BIT(MISC_STORES_LMA_BIT)
#define MISC_CR3_TARGETS(m) ((unsigned)((m) >> 16 & 0x1ff))
#define MISC_TIMER_SHIFT(m) ((unsigned)(m)&31)
#define MISC_MSR_LIST(m)    (512 * (((unsigned)((m) >> 25) & 7) + 1))
#define MISC_NO_LENGTH      BIT(30) /* instructions of 0 bytes can be injected */
#define BASIC_TRUE_CONTROLS BIT(BASIC_TRUE_CONTROLS_BIT)
#define BASIC_ANY_ERROR_CODE \
    BIT(56) /* exceptions can be injected with and without an error code, as they like */
