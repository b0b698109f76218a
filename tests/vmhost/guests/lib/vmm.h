/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VMM of the least size, for kernels that look at what VMX does. 32-bit, pages of 4 MiB mapped as they are.
 *
 * The guest is a function of the kernel: it runs in the same segments, page tables, IDT and memory, on a
 * stack of its own, and ends by VMCALL. What it may not do is what its controls say.
 */
#pragma once

#include "tests/guests/lib/guest.h"

/* --- VMCS fields --- */
enum {
    F_NOTIFICATION = 0x0002,
    F_LAST_INDEX = 0x0008,
    F_GUEST_ES = 0x0800,
    F_INTERRUPT_STATUS = 0x0810,
    F_HOST_ES = 0x0c00,
    F_HOST_TR = 0x0c0c,
    F_MSR_BITMAP = 0x2004,
    F_VIRTUAL_APIC = 0x2012,
    F_APIC_ACCESS = 0x2014,
    F_DESCRIPTOR = 0x2016,
    F_EPTP = 0x201a,
    F_EOI_EXIT0 = 0x201c,
    F_TERTIARY = 0x2034,
    F_TABLE = 0x2042,
    F_LINK = 0x2800,
    F_PIN = 0x4000,
    F_PRIMARY = 0x4002,
    F_EXCEPTIONS = 0x4004,
    F_CR3_TARGETS = 0x400a,
    F_EXIT = 0x400c,
    F_ENTRY = 0x4012,
    F_SECONDARY = 0x401e,
    F_ERROR = 0x4400,
    F_REASON = 0x4402,
    F_EXIT_VECTOR = 0x4404,
    F_VECTORING = 0x4408,
    F_LENGTH = 0x440c,
    F_GUEST_ES_LIMIT = 0x4800,
    F_GUEST_ES_ACCESS = 0x4814,
    F_INTERRUPTIBILITY = 0x4824,
    F_ACTIVITY = 0x4826,
    F_TIMER = 0x482e,
    F_HOST_SYSENTER_CS = 0x4c00,
    F_QUALIFICATION = 0x6400,
    F_GUEST_CR0 = 0x6800,
    F_GUEST_CR3 = 0x6802,
    F_GUEST_CR4 = 0x6804,
    F_GUEST_ES_BASE = 0x6806,
    F_GUEST_GDTR_BASE = 0x6816,
    F_GUEST_IDTR_BASE = 0x6818,
    F_GUEST_DR7 = 0x681a,
    F_GUEST_ESP = 0x681c,
    F_GUEST_EIP = 0x681e,
    F_GUEST_EFLAGS = 0x6820,
    F_HOST_CR0 = 0x6c00,
    F_HOST_CR3 = 0x6c02,
    F_HOST_CR4 = 0x6c04,
    F_HOST_TR_BASE = 0x6c0a,
    F_HOST_GDTR_BASE = 0x6c0c,
    F_HOST_IDTR_BASE = 0x6c0e,
    F_HOST_ESP = 0x6c14,
    F_HOST_EIP = 0x6c16
};

/* --- controls --- */
#define PIN_EXTERNAL        BIT(0)
#define PIN_TIMER           BIT(6)
#define PIN_POSTED          BIT(7)
#define PRIMARY_TERTIARY    BIT(17)
#define PRIMARY_TPR_SHADOW  BIT(21)
#define PRIMARY_MTF         BIT(27)
#define PRIMARY_MSR_BITMAP  BIT(28)
#define PRIMARY_SECONDARY   BIT(31)
#define SECONDARY_APIC      BIT(0)
#define SECONDARY_EPT       BIT(1)
#define SECONDARY_X2APIC    BIT(4)
#define SECONDARY_REGISTERS BIT(8)
#define SECONDARY_DELIVERY  BIT(9)
#define TERTIARY_IPIV       BIT(4)
#define EXIT_ACKNOWLEDGE    BIT(15)

/* --- exits --- */
#define EXIT_EXCEPTION   0
#define EXIT_EXTERNAL    1
#define EXIT_VMCALL      18
#define EXIT_MTF         37
#define EXIT_APIC_ACCESS 44
#define EXIT_TIMER       52
#define EXIT_APIC_WRITE  56
#define EXIT_BAD_STATE   0x80000021u
#define ENTRY_FAILED     0x10000u /* plus the error number */
#define ENTRY_NO_VMCS    0x20000u

struct vcpu {
    uint32_t eax, ecx, edx, ebx, ebp, esi, edi, launched; /* as vmm_asm.asm knows them */
};

/* The controls that a test asks for, with what must be 1 added; tertiary ones only with PRIMARY_TERTIARY. */
struct controls {
    uint32_t pin, primary, secondary, tertiary, exit, entry;
};

uint64_t capability(uint32_t msr);        /* 0 where reading it faults */
bool offers(uint32_t msr, uint32_t bits); /* in its allowed-1 half */

/* Paging on, VMXON. False, and said, when there is no VMX. */
bool vmm_start(void);
/* A VMCS whose guest is to call function. */
void vmm_prepare(struct vcpu *vcpu, const struct controls *controls, void (*function)(void));
/* The exit reason, or how the entry failed. */
uint32_t vmm_run(struct vcpu *vcpu);
/* The length of the exiting instruction is added to the guest's EIP. */
void vmm_skip(void);
uint32_t vmread(uint32_t field);
bool vmwrite(uint32_t field, uint32_t value);
void vmwrite64(uint32_t field, uint64_t value);
/* Ends the test: `NAME: end`, then power off. */
NORETURN void vmm_end(void);

static inline void vmcall(void)
{
    __asm__ volatile("vmcall" : : : "memory", "cc");
}

/* A page of zeros that nothing else is in. */
#define PAGE_OF(type, name) static type name ALIGNED(4096)

/* --- physical APIC --- */
void apic_timer_once(unsigned vector, uint32_t ticks);
/* Starts the second CPU, which counts the interrupts that it gets, by vector. */
bool second_cpu_start(void);
extern volatile uint32_t second_cpu_count[256];
extern volatile uint32_t second_cpu_id;
