/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of its capabilities the CPU shows: words in the environment variable SKERRY_VMHOST. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "vmhost.h"

#define MSR_PIN            0x481
#define MSR_PRIMARY        0x482
#define MSR_EXIT           0x483
#define MSR_ENTRY          0x484
#define MSR_MISC           0x485
#define MSR_SECONDARY      0x48b
#define MSR_EPT            0x48c
#define MSR_FUNCTIONS      0x491
#define MSR_TERTIARY       0x492
#define MSR_SECONDARY_EXIT 0x493

#define MISC_SHIFT       0x1full
#define MISC_CR3_TARGETS (0x1ffull << 16)
#define MISC_CR3_SHIFT   16
#define MISC_HLT         (1u << 6)
#define ALL_CR3_TARGETS  4

#define PRIMARY_SECONDARY (1u << 31)
#define PRIMARY_TERTIARY  (1u << 17)
#define PIN_POSTED        (1u << 7)
#define TERTIARY_IPIV     (1u << 4)
#define EXIT_SECONDARY    (1u << 31)
#define SECONDARY_EPT     (1u << 1)
#define EPT_CAP_UC        (1u << 8)
#define EPT_CAP_WB        (1u << 14)
#define EPT_CAP_AD        (1u << 21)
#define EPTP_AD           (1u << 6)
#define FIELD_ACTIVITY    0x4826

#define MSR_FEATURE_CONTROL    0x3a
#define FEATURE_CONTROL_LOCKED 1 /* and nothing else */
#define ERROR_CONTROLS         7

struct knobs knobs = {.cr3_targets = ALL_CR3_TARGETS};

/* The words of each capability MSR, and the bits that are hidden in them. */
static struct {
    uint32_t msr, word;
    uint64_t off;
    bool wide;
    uint64_t off_there; /* on one CPU alone */
} masks[] = {
    {MSR_PIN, ALLOWED_PIN, 0, false, 0},
    {MSR_PRIMARY, ALLOWED_PRIMARY, 0, false, 0},
    {MSR_EXIT, ALLOWED_EXIT, 0, false, 0},
    {MSR_ENTRY, ALLOWED_ENTRY, 0, false, 0},
    {MSR_SECONDARY, ALLOWED_SECONDARY, 0, false, 0},
    {MSR_EPT, ALLOWED_EPT, 0, true, 0},
    {MSR_FUNCTIONS, ALLOWED_FUNCTIONS, 0, true, 0},
    {MSR_TERTIARY, ALLOWED_TERTIARY, 0, true, 0},
    {MSR_SECONDARY_EXIT, ALLOWED_EXIT2, 0, false, 0},
};
#define MASK_COUNT (sizeof(masks) / sizeof(masks[0]))

static const struct {
    const char *name;
    uint16_t msr;
    uint8_t bit;
} names[] = {
    {"virtual-nmi", MSR_PIN, 5},
    {"preemption-timer", MSR_PIN, 6},
    {"posted", MSR_PIN, 7},
    {"tertiary", MSR_PRIMARY, 17},
    {"tpr-shadow", MSR_PRIMARY, 21},
    {"mtf", MSR_PRIMARY, 27},
    {"msr-bitmap", MSR_PRIMARY, 28},
    {"secondary", MSR_PRIMARY, 31},
    {"apic-access", MSR_SECONDARY, 0},
    {"ept", MSR_SECONDARY, 1},
    {"descriptor", MSR_SECONDARY, 2},
    {"rdtscp", MSR_SECONDARY, 3},
    {"x2apic", MSR_SECONDARY, 4},
    {"vpid", MSR_SECONDARY, 5},
    {"wbinvd", MSR_SECONDARY, 6},
    {"unrestricted", MSR_SECONDARY, 7},
    {"apic-registers", MSR_SECONDARY, 8},
    {"vid", MSR_SECONDARY, 9},
    {"ple", MSR_SECONDARY, 10},
    {"invpcid", MSR_SECONDARY, 12},
    {"vmfunc", MSR_SECONDARY, 13},
    {"shadow-vmcs", MSR_SECONDARY, 14},
    {"pml", MSR_SECONDARY, 17},
    {"ve", MSR_SECONDARY, 18},
    {"xsaves", MSR_SECONDARY, 20},
    {"mbe", MSR_SECONDARY, 22},
    {"spp", MSR_SECONDARY, 23},
    {"tsc-scaling", MSR_SECONDARY, 25},
    {"umwait", MSR_SECONDARY, 26},
    {"ipiv", MSR_TERTIARY, 4},
    {"spec-ctrl", MSR_TERTIARY, 7},
    {"save-timer", MSR_EXIT, 22},
    {"secondary-exit", MSR_EXIT, 31},
    {"ept-uc", MSR_EPT, 8},
    {"ept-2m", MSR_EPT, 16},
    {"ept-1g", MSR_EPT, 17},
    {"ept-ad", MSR_EPT, 21},
    {"hlt-state", MSR_MISC, 6},
    {"shutdown-state", MSR_MISC, 7},
    {"sipi-state", MSR_MISC, 8},
    {"vmwrite-any", MSR_MISC, 29},
};

static const struct {
    const char *name, *words;
} profiles[] = {
    /* What KVM shows to the hypervisor in its guest; -sipi-state where it was asked to hide that too. */
    {"nested-kvm",
     "shift=5,cr3-targets=0,-ept-uc,-ple,-ve,-mbe,-spp,-tertiary,-secondary-exit,-shutdown-state"},
};

/* cpuN: the words behind it are for that CPU alone, of which there can be one. */
static bool there, locked_there;
static unsigned that_cpu;

static bool number(const char *text, int base, unsigned limit, unsigned *value)
{
    char *end;
    unsigned long n = strtoul(text, &end, base);

    if (!isxdigit((unsigned char)*text) || *end || n > limit)
        return false;
    *value = (unsigned)n;
    return true;
}

static bool hide(unsigned msr, unsigned bit)
{
    if (msr == MSR_MISC && bit < 32 && !there) {
        knobs.misc_off |= 1u << bit;
        return true;
    }
    for (size_t i = 0; i < MASK_COUNT; i++)
        if (masks[i].msr == msr && bit < (masks[i].wide ? 64 : 32)) {
            *(there ? &masks[i].off_there : &masks[i].off) |= 1ull << bit;
            return true;
        }
    return false;
}

/* NAME, or MSR.BIT such as 48b.9, the bit in decimal and of the allowed-1 half where there are two. */
static bool hide_by_name(char *name)
{
    char *dot = strchr(name, '.');
    unsigned msr, bit;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(name, names[i].name))
            return hide(names[i].msr, names[i].bit);
    if (!dot)
        return false;
    *dot = '\0';
    return number(name, 16, 0xfff, &msr) && number(dot + 1, 10, 63, &bit) && hide(msr, bit);
}

/* cpuN:-NAME, cpuN:-MSR.BIT, or cpuN:locked, whose firmware has locked VMX off. */
static bool read_word_of_one(char *word)
{
    char *name = strchr(word, ':');
    bool known;

    if (!name)
        return false;
    *name++ = '\0';
    if (!number(word + 3, 10, 254, &that_cpu))
        return false;
    if (!strcmp(name, "locked"))
        return locked_there = true;
    there = true;
    known = *name == '-' && hide_by_name(name + 1);
    there = false;
    return known;
}

static bool read_word(char *word)
{
    if (!strncmp(word, "cpu", 3))
        return read_word_of_one(word);
    if (*word == '-')
        return hide_by_name(word + 1);
    if (!strncmp(word, "shift=", 6))
        return number(word + 6, 10, 31, &knobs.shift);
    if (!strncmp(word, "cr3-targets=", 12))
        return number(word + 12, 10, ALL_CR3_TARGETS, &knobs.cr3_targets);
    if (!strcmp(word, "exact")) {
        knobs.exact_time = true;
        return true;
    }
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
        if (!strcmp(word, profiles[i].name))
            return knobs_read(profiles[i].words) == NULL;
    return false;
}

const char *knobs_read(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, ",");
        char word[64];

        if (n >= sizeof(word))
            return text;
        memcpy(word, text, n);
        word[n] = '\0';
        if (n && !read_word(word))
            return text;
        text += n + (text[n] == ',');
    }
    return NULL;
}

/* Without a way to set them, further controls are no use: their MSRs then fault. */
static void drop_unreachable(struct cpu *cpu)
{
    if (!(*cpu_word(cpu, ALLOWED_PRIMARY) & PRIMARY_SECONDARY))
        *cpu_word(cpu, ALLOWED_SECONDARY) = 0;
    if (!(*cpu_word(cpu, ALLOWED_PIN) & PIN_POSTED))
        *cpu_word(cpu, ALLOWED_TERTIARY) &= ~TERTIARY_IPIV;
    if (!(*cpu_word(cpu, ALLOWED_PRIMARY) & PRIMARY_TERTIARY) || !*cpu_word(cpu, ALLOWED_TERTIARY)) {
        *cpu_word(cpu, ALLOWED_PRIMARY) &= ~PRIMARY_TERTIARY;
        *cpu_word(cpu, ALLOWED_TERTIARY) = 0;
    }
    if (!(*cpu_word(cpu, ALLOWED_EXIT) & EXIT_SECONDARY))
        *cpu_word(cpu, ALLOWED_EXIT2) = 0;
}

/* By the order in which they were made; they are not in all_cpus yet. */
static bool is_that_cpu(const struct cpu *cpu)
{
    static const struct cpu *made[256];
    unsigned i;

    for (i = 0; i < 255 && made[i] && made[i] != cpu; i++)
        ;
    made[i] = cpu;
    return i == that_cpu;
}

void knobs_apply(struct cpu *cpu)
{
    bool also = is_that_cpu(cpu);

    for (size_t i = 0; i < MASK_COUNT; i++) {
        uint64_t off = masks[i].off | (also ? masks[i].off_there : 0);

        cpu_word(cpu, masks[i].word)[0] &= (uint32_t)~off;
        if (masks[i].wide)
            cpu_word(cpu, masks[i].word)[1] &= (uint32_t)(~off >> 32);
    }
    drop_unreachable(cpu);
}

void hook_init_vmx_capabilities(struct cpu *cpu)
{
    cpu_init_vmx_capabilities(cpu);
    ipiv_offer(cpu);
    knobs_apply(cpu);
}

bool hook_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    if (!cpu_rdmsr(cpu, msr, value))
        return false;
    if (msr == MSR_FEATURE_CONTROL && locked_there && is_that_cpu(cpu))
        *value = FEATURE_CONTROL_LOCKED;
    if (msr == MSR_MISC && !*cpu_in_guest(cpu))
        *value = (*value & ~(MISC_SHIFT | MISC_CR3_TARGETS | knobs.misc_off)) | knobs.shift |
                 (uint64_t)knobs.cr3_targets << MISC_CR3_SHIFT;
    return true;
}

/* The EPT pointer may ask only for what its MSR shows. */
static bool ept_pointer_valid(struct cpu *cpu)
{
    uint64_t pointer = *cpu_ept_pointer(cpu);
    uint32_t shown = *cpu_word(cpu, ALLOWED_EPT);

    if (!(*cpu_secondary_controls(cpu) & SECONDARY_EPT))
        return true;
    if (!(shown & ((pointer & 7) == 0 ? EPT_CAP_UC : EPT_CAP_WB)) ||
        ((pointer & EPTP_AD) && !(shown & EPT_CAP_AD))) {
        log_error(cpu, "VMFAIL: EPT pointer %llx beyond what IA32_VMX_EPT_VPID_CAP shows",
                  (unsigned long long)pointer);
        return false;
    }
    return true;
}

uint32_t hook_check_vm_controls(struct cpu *cpu)
{
    uint32_t error = cpu_check_vm_controls(cpu);

    if (error)
        return error;
    *apic_preemption_shift(*cpu_apic(cpu)) = knobs.shift;
    if (*cpu_cr3_targets(cpu) > knobs.cr3_targets) {
        log_error(cpu, "VMFAIL: more CR3 targets than IA32_VMX_MISC shows");
        return ERROR_CONTROLS;
    }
    return ept_pointer_valid(cpu) && ipiv_controls_valid(cpu) ? 0 : ERROR_CONTROLS;
}

uint32_t hook_check_guest_state(struct cpu *cpu, uint64_t *qualification)
{
    uint32_t state = cpu_vmread32(cpu, FIELD_ACTIVITY);

    if (state >= ACTIVITY_HLT && state <= ACTIVITY_WAIT_SIPI && (knobs.misc_off & MISC_HLT << (state - 1))) {
        log_error(cpu, "VMENTER FAIL: activity state %u is not in IA32_VMX_MISC", state);
        *qualification = 0;
        return 1;
    }
    return cpu_check_guest_state(cpu, qualification);
}
