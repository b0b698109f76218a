/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits in words: what an event of the trace was about. The events may be those of a run before. */
#include "vcpu/words.h"

#include "apic/vlapic.h"
#include "arch/x86/msr.h"
#include "core/base/format.h"
#include "core/vm/backend.h"
#include "core/vm/exit_kinds.h"
#include "vcpu/event.h"
#include "vcpu/exit_argument.h"

struct number_name {
    uint32_t number;
    const char *name;
};

#define MSR(name)   \
    {               \
        name, #name \
    }
static const struct number_name msrs[] = {
    MSR(IA32_TSC),
    MSR(IA32_APIC_BASE),
    MSR(IA32_FEATURE_CONTROL),
    MSR(IA32_TSC_ADJUST),
    MSR(IA32_BIOS_UPDT_TRIG),
    MSR(IA32_BIOS_SIGN_ID),
    MSR(IA32_MTRRCAP),
    MSR(IA32_MCG_CAP),
    MSR(IA32_MCG_STATUS),
    MSR(IA32_MISC_ENABLE),
    MSR(IA32_PAT),
    MSR(IA32_MTRR_DEF_TYPE),
    MSR(IA32_TSC_DEADLINE),
    MSR(IA32_XSS),
    MSR(IA32_EFER),
    MSR(IA32_STAR),
    MSR(IA32_LSTAR),
    MSR(IA32_CSTAR),
    MSR(IA32_FMASK),
    MSR(IA32_FS_BASE),
    MSR(IA32_GS_BASE),
    MSR(IA32_KERNEL_GS_BASE),
    MSR(IA32_TSC_AUX),
};

/* Registers of a local APIC by their offset; in x2APIC mode MSR 800h + offset / 16. */
static const struct number_name apic_registers[] = {
    {0x020, "ID"},
    {0x030, "version"},
    {0x080, "TPR"},
    {0x0a0, "PPR"},
    {0x0b0, "EOI"},
    {0x0d0, "LDR"},
    {0x0e0, "DFR"},
    {0x0f0, "SVR"},
    {0x280, "ESR"},
    {0x300, "ICR"},
    {0x310, "ICR high"},
    {0x320, "LVT timer"},
    {0x350, "LVT LINT0"},
    {0x360, "LVT LINT1"},
    {0x370, "LVT error"},
    {0x380, "initial count"},
    {0x390, "current count"},
    {0x3e0, "divide"},
    {0x3f0, "self IPI"},
};

static const char *find_name(const struct number_name *table, unsigned count, uint32_t number)
{
    for (unsigned i = 0; i < count; i++) {
        if (table[i].number == number)
            return table[i].name;
    }
    return NULL;
}

static const char *apic_register(unsigned offset)
{
    const char *name = find_name(apic_registers, ARRAY_SIZE(apic_registers), offset & 0xff0);

    return name ? name : "register";
}

/* --- one function for each kind of argument --- */

typedef void describe(const struct trace_event *e, char *text, size_t size);

/* The argument as one number. */
static uint64_t whole(const struct trace_event *e)
{
    return e->argument[0] | (uint64_t)e->argument[1] << 32;
}

static void of_cpuid(const struct trace_event *e, char *text, size_t size)
{
    format(text, size, "leaf %x, %x", e->extra, e->argument[0]);
}

static void msr_name(uint32_t msr, char *text, size_t size)
{
    const char *name = find_name(msrs, ARRAY_SIZE(msrs), msr);

    if (msr >= IA32_X2APIC_BASE && msr <= IA32_X2APIC_LAST)
        format(text, size, "%x x2APIC %s", msr, apic_register((msr - IA32_X2APIC_BASE) * 16));
    else
        format(text, size, "%x%s%s", msr, name ? " " : "", name ? name : "");
}

static void of_rdmsr(const struct trace_event *e, char *text, size_t size)
{
    msr_name(e->argument[0], text, size);
}

static void of_wrmsr(const struct trace_event *e, char *text, size_t size)
{
    char name[40];

    msr_name(e->argument[0], name, sizeof(name));
    format(text, size, "%s = %llx", name, (unsigned long long)((uint64_t)e->argument[1] << 32 | e->extra));
}

static void of_io(const struct trace_event *e, char *text, size_t size)
{
    static const uint32_t masks[] = {0xff, 0xffff, 0, UINT32_MAX, 0, 0, 0, 0};
    uint32_t q = e->argument[0];
    _Static_assert(QUALIFIED_SIZE(~0u) == ARRAY_SIZE(masks), "one for each size that can be said");
    unsigned bytes = QUALIFIED_SIZE(q);
    int n = format(text, size, "%x, %u %s", QUALIFIED_PORT(q), bytes, bytes == 1 ? "byte" : "bytes");

    if (q & QUALIFIED_STRING)
        format(text + n, size - (size_t)n, ", %sstring", q & QUALIFIED_REP ? "repeated " : "");
    else if (!(q & QUALIFIED_IN))
        format(text + n, size - (size_t)n, " = %x", e->extra & masks[bytes - 1]);
}

static void of_cr(const struct trace_event *e, char *text, size_t size)
{
    static const char *const accesses[] = {
        [TO_CR] = "to CR%u", [FROM_CR] = "from CR%u", [CLTS] = "CLTS", [LMSW] = "LMSW"};

    _Static_assert(QUALIFIED_ACCESS(~0u) == ARRAY_SIZE(accesses) - 1, "each has its words");
    format(text, size, accesses[QUALIFIED_ACCESS(e->argument[0])], QUALIFIED_CR(e->argument[0]));
}

static void of_memory(const struct trace_event *e, char *text, size_t size)
{
    format(text, size, "%llx", (unsigned long long)whole(e));
}

static void of_apic(const struct trace_event *e, char *text, size_t size)
{
    unsigned offset = QUALIFIED_OFFSET(e->argument[0]);

    format(text, size, "%x %s", offset, apic_register(offset));
}

static void of_call(const struct trace_event *e, char *text, size_t size)
{
    format(text, size, "%x", e->extra);
}

static void of_interruption(const struct trace_event *e, char *text, size_t size)
{
    static const char *const types[] = {"interrupt", "type 1", "NMI",    "exception",
                                        "INT n",     "INT1",   "INT3/O", "type 7"};

    _Static_assert(EVENT_TYPE(~0u) == ARRAY_SIZE(types) - 1, "each has its words");
    format(text, size, "%s, vector %x", types[EVENT_TYPE(e->argument[0])], EVENT_VECTOR(e->argument[0]));
}

static void of_vector(const struct trace_event *e, char *text, size_t size)
{
    format(text, size, "vector %x", EVENT_VECTOR(e->argument[0]));
}

/* A name only where the one of the kind says too little. */
static const struct {
    const char *name;
    describe *describe;
} kinds[EXIT_KINDS] = {
    [KIND_EXCEPTION] = {NULL, of_interruption},
    [KIND_HOST_INTERRUPT] = {NULL, of_vector},
    [KIND_CPUID] = {NULL, of_cpuid},
    [KIND_CALL] = {"hypercall", of_call},
    [KIND_CONTROL_REGISTER] = {"CR access", of_cr},
    [KIND_IO] = {NULL, of_io},
    [KIND_RDMSR] = {"MSR read", of_rdmsr},
    [KIND_WRMSR] = {"MSR write", of_wrmsr},
    [KIND_APIC_ACCESS] = {NULL, of_apic},
    [KIND_EOI] = {NULL, of_vector},
    [KIND_MEMORY] = {NULL, of_memory},
    [KIND_APIC_WRITE] = {NULL, of_apic},
};

static const char *kind_name(const struct trace_event *e)
{
    if (e->reason == KIND_IO)
        return e->argument[0] & QUALIFIED_IN ? "port read" : "port write";
    if (e->reason == KIND_MEMORY)
        return e->extra & QUALIFIED_FETCH   ? "memory fetch"
               : e->extra & QUALIFIED_WRITE ? "memory write"
                                            : "memory read";
    return kinds[e->reason].name ? kinds[e->reason].name : backend.exit_name(e->reason);
}

const char *vcpu_exit_words(const struct trace_event *e, char *details, size_t size)
{
    details[0] = 0;
    if (e->reason >= EXIT_KINDS)
        return "unknown exit";
    if (kinds[e->reason].describe)
        kinds[e->reason].describe(e, details, size);
    return kind_name(e);
}

/* --- for the budget --- */

static const char *const instructions[EXIT_KINDS] = {
    [KIND_CPUID] = "cpuid",        [KIND_HLT] = "hlt",
    [KIND_RDPMC] = "rdpmc",        [KIND_CALL] = "vmcall",
    [KIND_DEBUG_REGISTER] = "mov", [KIND_RDMSR] = "rdmsr",
    [KIND_WRMSR] = "wrmsr",        [KIND_MWAIT] = "monitor or mwait",
    [KIND_PAUSE] = "pause",        [KIND_APIC_ACCESS] = "instruction",
    [KIND_MEMORY] = "instruction", [KIND_CACHES] = "invd or wbinvd",
    [KIND_XSETBV] = "xsetbv",
};

const char *vcpu_exit_instruction(const struct trace_event *e)
{
    static const char *const io[] = {"out", "in", "outs", "ins"};
    static const char *const cr[] = {[TO_CR] = "mov", [FROM_CR] = "mov", [CLTS] = "clts", [LMSW] = "lmsw"};

    switch (e->reason) {
    case KIND_IO:
        return io[(e->argument[0] & QUALIFIED_IN ? 1 : 0) + (e->argument[0] & QUALIFIED_STRING ? 2 : 0)];
    case KIND_CONTROL_REGISTER: return cr[QUALIFIED_ACCESS(e->argument[0])];
    default: return instructions[e->reason];
    }
}
