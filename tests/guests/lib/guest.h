/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the test guests share: 32-bit protected mode without paging, interrupts off, one CPU, a polled serial
 * line, traps that a test can expect, and a word for what came out of it.
 *
 * A guest prints `NAME: ok ...` or `NAME: FAIL ...` for each thing it looks at and ends with `NAME: done`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIT(n)        (1u << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define NORETURN      __attribute__((noreturn))
#define ALIGNED(n)    __attribute__((aligned(n)))

/* --- supplied by the guest --- */
struct boot_info;
extern const char guest_name[];
void guest_main(const struct boot_info *info);

/* --- console.c: words, and what a test found --- */
/* Knows %s %c %u %d %x %llu %llx, %%, and a width as in %08x. */
void say(const char *format, ...) PRINTF(1, 2); /* a line begun with the guest's name */
void check(bool ok, const char *format, ...) PRINTF(2, 3);
void uart_setup(void);
void uart_drain(void);
/* A second, until what was said is on the wire: before that a CPU of Skerry's exits for it. */
void wait_for_wire(void);
NORETURN void finish(void);    /* says how it went, then powers off */
NORETURN void power_off(void); /* ACPI S5 */
NORETURN void stop(void);      /* interrupts off, HLT: nothing more can happen */

/* --- bootinfo.c: what the loader said, by either version of Multiboot --- */
#define MAX_RANGES  16
#define MAX_MODULES 8
struct boot_range {
    uint64_t base, size;
    uint32_t type;
};
struct boot_module {
    uint32_t start, end;
    const char *cmdline;
};
struct boot_info {
    unsigned version; /* of Multiboot */
    const char *cmdline, *loader;
    struct boot_range ranges[MAX_RANGES];
    unsigned range_count;
    struct boot_module modules[MAX_MODULES];
    unsigned module_count;
};
void read_boot_info(uint32_t magic, uint32_t address, struct boot_info *info);
/* The number, decimal or 0x, behind `KEY=` on the command line, or otherwise. */
uint32_t boot_number(const struct boot_info *info, const char *key, uint32_t otherwise);
/* Does the command line have this word? */
bool boot_word(const struct boot_info *info, const char *word);
/* The end of the RAM that begins at 1 MiB. */
uint32_t memory_end(const struct boot_info *info);

/* --- traps.c: exceptions and interrupts --- */
#define NO_TRAP (-1)
#define DE      0
#define DB      1
#define NMI     2
#define UD      6
#define GP      13
#define PF      14

struct trap_frame { /* as trap_stubs.asm pushes it */
    uint32_t es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags;
};
typedef void trap_function(void *argument);
typedef void interrupt_handler(struct trap_frame *frame);

void traps_setup(void);
void traps_load(void); /* on a further CPU */
/* Calls function in ring 0 or 3. The vector of the exception that ended it, or NO_TRAP. */
int trap_call(trap_function *function, void *argument);
int trap_call_user(trap_function *function, void *argument);
extern struct trap_frame last_trap; /* of the latest exception that ended such a call */
/* Vectors 32 to 255, and NMI. */
void on_interrupt(unsigned vector, interrupt_handler *handler);
/* A vector's code instead: entered by the processor, ends with IRET. */
void on_interrupt_raw(unsigned vector, void (*code)(void));

/* --- long_mode.asm: GUEST_name must list it --- */
/* Calls 64-bit code with RDI = argument on these page tables, interrupts off, without traps. */
void long_call(uint32_t cr3, const void *code, void *argument);

/* --- apic.c --- */
#define APIC_BASE_MSR    0x1b
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define X2APIC_MSR       0x800u
#define TSC_DEADLINE_MSR 0x6e0

#define APIC_ID            0x020u
#define APIC_VERSION       0x030u
#define APIC_TPR           0x080u
#define APIC_PPR           0x0a0u
#define APIC_EOI           0x0b0u
#define APIC_LDR           0x0d0u
#define APIC_DFR           0x0e0u
#define APIC_SVR           0x0f0u
#define APIC_ISR           0x100u
#define APIC_IRR           0x200u
#define APIC_ESR           0x280u
#define APIC_ICR           0x300u
#define APIC_ICR_HIGH      0x310u
#define APIC_LVT_TIMER     0x320u
#define APIC_LVT_LINT0     0x350u
#define APIC_LVT_ERROR     0x370u
#define APIC_TIMER_INITIAL 0x380u
#define APIC_TIMER_CURRENT 0x390u
#define APIC_TIMER_DIVIDE  0x3e0u
#define APIC_SELF_IPI      0x3f0u

#define LVT_MASKED   0x10000u
#define LVT_ONE_SHOT 0x00000u
#define LVT_PERIODIC 0x20000u
#define LVT_DEADLINE 0x40000u
#define ICR_TO_SELF  0x40000u

bool apic_in_x2apic_mode(void);
uint32_t apic_read(unsigned reg);
void apic_write(unsigned reg, uint32_t value);
void apic_send_icr(uint32_t destination, uint32_t low);
void apic_enable(void); /* software enable, all LVT entries masked, TPR 0 */
uint64_t tsc_hz(void);  /* by CPUID 15h or 16h, else a guess */
bool has_tsc_deadline(void);
bool has_x2apic(void);
/* Waits with HLT until *counter differs from before. */
void wait_change(const volatile uint32_t *counter, uint32_t before);

/* --- the processor --- */
struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* NO_TRAP or the vector of the exception. */
int try_rdmsr(uint32_t msr, uint64_t *value);
int try_wrmsr(uint32_t msr, uint64_t value);

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t mmio_read(uint32_t address)
{
    uint32_t value;

    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void mmio_write(uint32_t address, uint32_t value)
{
    __asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

#define CONTROL_REGISTER(n)                                             \
    static inline uint32_t read_cr##n(void)                             \
    {                                                                   \
        uint32_t value;                                                 \
        __asm__ volatile("movl %%cr" #n ", %0" : "=r"(value));          \
        return value;                                                   \
    }                                                                   \
    static inline void write_cr##n(uint32_t value)                      \
    {                                                                   \
        __asm__ volatile("movl %0, %%cr" #n : : "r"(value) : "memory"); \
    }
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* The compiler may ask for these. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
size_t strlen(const char *text);
