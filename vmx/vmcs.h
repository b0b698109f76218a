/* SPDX-License-Identifier: BSD-2-Clause */
/* Access to the current VMCS, and the bits of its control fields (SDM volume 3, "VM-execution control
 * fields"). */
#pragma once

#include "arch/x86/types.h"
#include "vmx/shadow.h"
#include "vmx/vmcs_fields.h"

/* A type of its own: a field cannot pass for a value, nor a value for a field. */
struct vmcs_field {
    uint32_t encoding;
};

#define VMCS_CONSTANT(name, code) static const struct vmcs_field vmcs_##name UNUSED = {code};
VMCS_FIELDS(VMCS_CONSTANT)
#undef VMCS_CONSTANT

const char *vmcs_field_name(struct vmcs_field f);

/* These cannot fail: vmx_verify_fields() has read every field once, and a VMCS is current when we run. */
static inline uint64_t vmcs_read(struct vmcs_field f)
{
    uint64_t value;

    shadow_access();
    __asm__ volatile("vmread %q1, %0" : "=r"(value) : "r"((uint64_t)f.encoding) : "cc");
    return value;
}

static inline void vmcs_write(struct vmcs_field f, uint64_t value)
{
    shadow_access();
    __asm__ volatile("vmwrite %0, %q1" ::"r"(value), "r"((uint64_t)f.encoding) : "cc");
}

/* Pin-based controls. */
#define PIN_EXTERNAL_INTERRUPT BIT(0)
#define PIN_NMI                BIT(3)
#define PIN_VIRTUAL_NMI        BIT(5)
#define PIN_PREEMPTION_TIMER   BIT(6)
#define PIN_POSTED_INTERRUPTS  BIT(7)

/* Primary processor-based controls. */
#define PROC_INTERRUPT_WINDOW BIT(2)
#define PROC_TSC_OFFSET       BIT(3)
#define PROC_HLT              BIT(7)
#define PROC_MWAIT            BIT(10)
#define PROC_RDPMC            BIT(11)
#define PROC_CR3_LOAD         BIT(15)
#define PROC_CR3_STORE        BIT(16)
#define PROC_TERTIARY         BIT(17)
#define PROC_CR8_LOAD         BIT(19)
#define PROC_CR8_STORE        BIT(20)
#define PROC_TPR_SHADOW       BIT(21)
#define PROC_NMI_WINDOW       BIT(22)
#define PROC_MOV_DR           BIT(23)
#define PROC_IO_BITMAPS       BIT(25)
#define PROC_MTF              BIT(27)
#define PROC_MSR_BITMAPS      BIT(28)
#define PROC_MONITOR          BIT(29)
#define PROC_SECONDARY        BIT(31)

/* Secondary processor-based controls. */
#define PROC2_VIRTUALIZE_APIC  BIT(0)
#define PROC2_EPT              BIT(1)
#define PROC2_RDTSCP           BIT(3)
#define PROC2_X2APIC           BIT(4)
#define PROC2_VPID             BIT(5)
#define PROC2_WBINVD           BIT(6)
#define PROC2_UNRESTRICTED     BIT(7)
#define PROC2_APIC_REGISTER    BIT(8)
#define PROC2_VIRTUAL_DELIVERY BIT(9)
#define PROC2_PAUSE_LOOP       BIT(10)
#define PROC2_INVPCID          BIT(12)
#define PROC2_XSAVES           BIT(20)
#define PROC2_TSC_SCALING      BIT(25)

/* Tertiary processor-based controls: 64 bits. */
#define PROC3_IPI BIT(4)

/* VM-exit and VM-entry controls. */
#define EXIT_SAVE_DEBUG    BIT(2)
#define EXIT_HOST_64       BIT(9)
#define EXIT_ACK_INTERRUPT BIT(15)
#define EXIT_SAVE_PAT      BIT(18)
#define EXIT_LOAD_PAT      BIT(19)
#define EXIT_SAVE_EFER     BIT(20)
#define EXIT_LOAD_EFER     BIT(21)
#define ENTRY_LOAD_DEBUG   BIT(2)
#define ENTRY_IA32E        BIT(9)
#define ENTRY_LOAD_PAT     BIT(14)
#define ENTRY_LOAD_EFER    BIT(15)

/* Interruption information, for entry, exit and IDT vectoring alike. */
#define EVENT_VALID      BIT(31)
#define EVENT_ERROR_CODE BIT(11)
#define EVENT_VECTOR(x)  ((unsigned)((x)&0xff))
#define EVENT_TYPE(x)    ((unsigned)((x) >> 8 & 7))
enum event_type {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_EXCEPTION = 3,
    EVENT_SOFTWARE_INTERRUPT = 4,
    EVENT_PRIVILEGED_SOFTWARE = 5,
    EVENT_SOFTWARE_EXCEPTION = 6,
};

/* Interruptibility state. */
#define BLOCKING_STI    BIT(0)
#define BLOCKING_MOV_SS BIT(1)
#define BLOCKING_NMI    BIT(3)

/* Pending debug exceptions: BS. */
#define PENDING_STEP BIT(14)

/* Basic exit reasons (SDM volume 3, appendix "VMX basic exit reasons"). */
#define EXIT_ENTRY_FAILED BIT(31)
#define EXIT_NAMES(E)                                 \
    E(EXCEPTION, 0, "exception or NMI")               \
    E(EXTERNAL_INTERRUPT, 1, "external interrupt")    \
    E(TRIPLE_FAULT, 2, "triple fault")                \
    E(INIT, 3, "INIT")                                \
    E(SIPI, 4, "SIPI")                                \
    E(INTERRUPT_WINDOW, 7, "interrupt window")        \
    E(NMI_WINDOW, 8, "NMI window")                    \
    E(TASK_SWITCH, 9, "task switch")                  \
    E(CPUID, 10, "CPUID")                             \
    E(GETSEC, 11, "GETSEC")                           \
    E(HLT, 12, "HLT")                                 \
    E(INVD, 13, "INVD")                               \
    E(INVLPG, 14, "INVLPG")                           \
    E(RDPMC, 15, "RDPMC")                             \
    E(RDTSC, 16, "RDTSC")                             \
    E(RSM, 17, "RSM")                                 \
    E(VMCALL, 18, "VMCALL")                           \
    E(VMCLEAR, 19, "VMCLEAR")                         \
    E(VMLAUNCH, 20, "VMLAUNCH")                       \
    E(VMPTRLD, 21, "VMPTRLD")                         \
    E(VMPTRST, 22, "VMPTRST")                         \
    E(VMREAD, 23, "VMREAD")                           \
    E(VMRESUME, 24, "VMRESUME")                       \
    E(VMWRITE, 25, "VMWRITE")                         \
    E(VMXOFF, 26, "VMXOFF")                           \
    E(VMXON, 27, "VMXON")                             \
    E(CR_ACCESS, 28, "control register access")       \
    E(MOV_DR, 29, "MOV DR")                           \
    E(IO, 30, "I/O instruction")                      \
    E(RDMSR, 31, "RDMSR")                             \
    E(WRMSR, 32, "WRMSR")                             \
    E(INVALID_GUEST_STATE, 33, "invalid guest state") \
    E(MSR_LOADING, 34, "MSR loading")                 \
    E(MWAIT, 36, "MWAIT")                             \
    E(MTF, 37, "monitor trap flag")                   \
    E(MONITOR, 39, "MONITOR")                         \
    E(PAUSE, 40, "PAUSE")                             \
    E(MACHINE_CHECK, 41, "machine check on entry")    \
    E(TPR_BELOW, 43, "TPR below threshold")           \
    E(APIC_ACCESS, 44, "APIC access")                 \
    E(VIRTUAL_EOI, 45, "virtualized EOI")             \
    E(GDTR_IDTR, 46, "GDTR or IDTR access")           \
    E(LDTR_TR, 47, "LDTR or TR access")               \
    E(EPT_VIOLATION, 48, "EPT violation")             \
    E(EPT_MISCONFIG, 49, "EPT misconfiguration")      \
    E(INVEPT, 50, "INVEPT")                           \
    E(RDTSCP, 51, "RDTSCP")                           \
    E(PREEMPTION_TIMER, 52, "preemption timer")       \
    E(INVVPID, 53, "INVVPID")                         \
    E(WBINVD, 54, "WBINVD")                           \
    E(XSETBV, 55, "XSETBV")                           \
    E(APIC_WRITE, 56, "APIC write")                   \
    E(RDRAND, 57, "RDRAND")                           \
    E(INVPCID, 58, "INVPCID")                         \
    E(VMFUNC, 59, "VMFUNC")                           \
    E(ENCLS, 60, "ENCLS")                             \
    E(RDSEED, 61, "RDSEED")                           \
    E(PML_FULL, 62, "page-modification log full")     \
    E(XSAVES, 63, "XSAVES")                           \
    E(XRSTORS, 64, "XRSTORS")                         \
    E(UMWAIT, 67, "UMWAIT")                           \
    E(TPAUSE, 68, "TPAUSE")

#define EXIT_ENUM(name, number, text) EXIT_##name = number,
enum exit_reason { EXIT_NAMES(EXIT_ENUM) };
#undef EXIT_ENUM
