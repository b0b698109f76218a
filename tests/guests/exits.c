/* SPDX-License-Identifier: BSD-2-Clause */
/* What an exit costs: time-stamp ticks, the least of 100, less the cost of measuring nothing. */
#include "lib/guest.h"

#include "hypercall/abi.h"

#define TRIES  100
#define IOAPIC 0xfec00000u

const char guest_name[] = "exits";

/* No function is called between the two readings: each operation is a macro in a loop of its own. */
#define MEASURE(name, operation)                \
    static uint32_t measure_##name(void)        \
    {                                           \
        uint32_t best = UINT32_MAX;             \
        for (unsigned i = 0; i < TRIES; i++) {  \
            uint64_t start = rdtsc();           \
            uint32_t took;                      \
            operation;                          \
            took = (uint32_t)(rdtsc() - start); \
            if (took < best)                    \
                best = took;                    \
        }                                       \
        return best;                            \
    }
#define ASM(...) __asm__ volatile(__VA_ARGS__)

MEASURE(nothing, (void)0)
MEASURE(cpuid, {
    uint32_t a = 0;
    ASM("cpuid" : "+a"(a) : "c"(0) : "ebx", "edx");
})
MEASURE(vmcall, {
    uint32_t a = SKERRY_CALL_NOP;
    ASM("vmcall" : "+a"(a) : : "memory");
})
MEASURE(vmcall_unknown, {
    uint32_t a = 0x5000;
    ASM("vmcall" : "+a"(a) : : "memory");
})
MEASURE(rdmsr_apic_base, ASM("rdmsr" : : "c"(APIC_BASE_MSR) : "eax", "edx"))
MEASURE(wrmsr_deadline_far, ASM("wrmsr" : : "c"(TSC_DEADLINE_MSR), "a"(0), "d"(0x1000)))
MEASURE(wrmsr_deadline_zero, ASM("wrmsr" : : "c"(TSC_DEADLINE_MSR), "a"(0), "d"(0)))
MEASURE(out_nobody, ASM("outb %%al, %%dx" : : "a"(0), "d"(0x1234)))
MEASURE(out_80, ASM("outb %%al, $0x80" : : "a"(0)))
MEASURE(mmio_ioapic, {
    uint32_t v;
    ASM("movl (%1), %0" : "=r"(v) : "r"(IOAPIC + 0x10));
})
MEASURE(mmio_nobody, {
    uint32_t v;
    ASM("movl (%1), %0" : "=r"(v) : "r"(0xfed00000));
})

#define ROW(name)             \
    {                         \
#name, measure_##name \
    }
static const struct {
    const char *name;
    uint32_t (*measure)(void);
} rows[] = {
    ROW(vmcall),
    ROW(vmcall_unknown),
    ROW(cpuid),
    ROW(rdmsr_apic_base),
    ROW(wrmsr_deadline_far),
    ROW(wrmsr_deadline_zero),
    ROW(out_nobody),
    ROW(out_80),
    ROW(mmio_ioapic),
    ROW(mmio_nobody),
};

void guest_main(const struct boot_info *info)
{
    uint32_t empty = measure_nothing();

    (void)info;
    apic_enable();
    apic_write(APIC_LVT_TIMER, LVT_DEADLINE | LVT_MASKED | 0x40);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        wait_for_wire();
        say("%s %u", rows[i].name, (unsigned)(rows[i].measure() - empty));
    }
}
