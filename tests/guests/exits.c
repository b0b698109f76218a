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

/* The same in 64-bit code with tables of four levels and pages of 4 KiB, as kernels have it. */
static uint64_t pml4[512] ALIGNED(4096), pdpt[512] ALIGNED(4096),
    directories[2][512] ALIGNED(4096), tables[3][512] ALIGNED(4096);

struct mmio_cost { /* as mmio_cost.asm reads it */
    uint32_t tries, address, nothing, read;
};
extern const uint8_t mmio_cost_code[];

static void map_pages(void)
{
    for (uint64_t i = 0; i < 512; i++) {
        tables[0][i] = i << 12 | 3;
        tables[1][i] = (i + 512) << 12 | 3;
        tables[2][i] = (IOAPIC + (i << 12)) | 3;
    }
    directories[0][0] = (uint32_t)tables[0] | 3u;
    directories[0][1] = (uint32_t)tables[1] | 3u;
    directories[1][IOAPIC >> 21 & 511] = (uint32_t)tables[2] | 3u;
    pdpt[0] = (uint32_t)directories[0] | 3u;
    pdpt[3] = (uint32_t)directories[1] | 3u;
    pml4[0] = (uint32_t)pdpt | 3u;
}

static uint32_t measure_mmio_paged(void)
{
    struct mmio_cost c = {TRIES, IOAPIC + 0x10, 0, 0};

    map_pages();
    long_call((uint32_t)pml4, mmio_cost_code, &c);
    return c.read - c.nothing + 1;
}

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
    wait_for_wire();
    say("mmio_paged %u", (unsigned)measure_mmio_paged());
}
