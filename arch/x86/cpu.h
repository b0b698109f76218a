/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that C has no word for, and the bits of the control registers. */
#pragma once

#include "arch/x86/types.h"

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_VME        BIT(0)
#define CR4_PVI        BIT(1)
#define CR4_TSD        BIT(2)
#define CR4_DE         BIT(3)
#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_PCE        BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)

#define RFLAGS_FIXED BIT(1)
#define RFLAGS_CF    BIT(0)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_RF    BIT(16)
#define RFLAGS_VM    BIT(17)

/* "Processor state after reset", and what FINIT makes of the x87. */
#define FPU_CONTROL 0x37fu
#define MXCSR_RESET 0x1f80u
#define DR6_RESET   0xffff0ff0u
#define DR7_RESET   0x400u

/* Exception vectors (SDM volume 3, "Exception and interrupt vectors"). */
#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_BP  3
#define VECTOR_OF  4
#define VECTOR_UD  6
#define VECTOR_DF  8
#define VECTOR_TS  10
#define VECTOR_NP  11
#define VECTOR_SS  12
#define VECTOR_GP  13
#define VECTOR_PF  14
#define VECTOR_AC  17
#define VECTOR_MC  18

#define CPUID_AMD 0x444d4163u /* leaf 0 ECX: the last letters of its maker's name, "cAMD" */

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* RDMSR and WRMSR that may fault: false on #GP (arch/x86/trap_stubs.asm). */
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);

static inline uint64_t rdtsc(void)
{
    uint64_t low, high; /* their upper halves are cleared */

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return high << 32 | low;
}

#define CONTROL_REGISTER(name)                                           \
    static inline uint64_t read_##name(void)                             \
    {                                                                    \
        uint64_t value;                                                  \
                                                                         \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value)::"memory"); \
        return value;                                                    \
    }                                                                    \
    static inline void write_##name(uint64_t value)                      \
    {                                                                    \
        __asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory");    \
    }

CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr1)
CONTROL_REGISTER(dr2)
CONTROL_REGISTER(dr3)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)

static inline uint64_t xgetbv(uint32_t index)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv" ::"c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void write_back_and_invalidate_caches(void)
{
    __asm__ volatile("wbinvd" ::: "memory");
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" ::: "memory");
}

/* Waits for one interrupt with no window between enabling and halting; returns with interrupts off. */
static inline void wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}

/* What is pending is handled here; with interrupts off before and behind. */
static inline void let_interrupts_in(void)
{
    __asm__ volatile("sti; nop; cli" ::: "memory"); /* the instruction behind STI is still in its shadow */
}

static inline NORETURN void halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

/* Goes on in entry() with an empty stack below top. */
static inline NORETURN void cpu_switch_stack(uint64_t top, void (*entry)(void))
{
    __asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; call *%1" ::"r"(top), "r"(entry) : "memory");
    __builtin_unreachable();
}

struct PACKED table_pointer {
    uint16_t limit;
    uint64_t base;
};

_Static_assert(sizeof(struct table_pointer) == 10, "as LGDT and LIDT read it");

static inline void lgdt(const struct table_pointer *p)
{
    __asm__ volatile("lgdt %0" ::"m"(*p));
}

static inline void lidt(const struct table_pointer *p)
{
    __asm__ volatile("lidt %0" ::"m"(*p));
}
