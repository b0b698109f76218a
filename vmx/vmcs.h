/* SPDX-License-Identifier: BSD-2-Clause */
/* Access to the current VMCS, and the bits of its control fields (SDM volume 3, "VM-execution control
 * fields"). */
#pragma once

#include "arch/x86/types.h"
#include "vmx/control_bits.h"
#include "vmx/shadow.h"
#include "vmx/vmcs_fields.h"

/* A type of its own: a field cannot pass for a value, nor a value for a field. */
struct vmcs_field {
    uint32_t encoding;
};

#define VMCS_CONSTANT(name, code) static const struct vmcs_field vmcs_##name UNUSED = {code};
VMCS_FIELDS(VMCS_CONSTANT)
#undef VMCS_CONSTANT

/* The same for tables and asserts, which need constant expressions. */
#define VMCS_CODE(name, code) FIELD_##name = (code),
enum vmcs_code { VMCS_FIELDS(VMCS_CODE) };
#undef VMCS_CODE

const char *vmcs_field_name(struct vmcs_field f);

/* Hands on every field of an area (bits 11:10 of the encoding) of the current VMCS. */
typedef void vmcs_visitor(const char *name, uint32_t encoding, bool there, uint64_t value);
void vmcs_each_field(unsigned area, vmcs_visitor *visit);

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

/* Control bits that code names; all are in control_bits.h. Pin-based. */
#define PIN_EXTERNAL_INTERRUPT BIT(PIN_EXTERNAL_INTERRUPT_BIT)
#define PIN_NMI                BIT(PIN_NMI_BIT)
#define PIN_VIRTUAL_NMI        BIT(PIN_VIRTUAL_NMI_BIT)
#define PIN_PREEMPTION_TIMER   BIT(PIN_PREEMPTION_TIMER_BIT)
#define PIN_POSTED_INTERRUPTS  BIT(PIN_POSTED_INTERRUPTS_BIT)

/* Primary processor-based controls. */
#define PROC_INTERRUPT_WINDOW BIT(PROC_INTERRUPT_WINDOW_BIT)
#define PROC_TSC_OFFSET       BIT(PROC_TSC_OFFSET_BIT)
#define PROC_HLT              BIT(PROC_HLT_BIT)
#define PROC_MWAIT            BIT(PROC_MWAIT_BIT)
#define PROC_RDPMC            BIT(PROC_RDPMC_BIT)
#define PROC_CR3_LOAD         BIT(PROC_CR3_LOAD_BIT)
#define PROC_CR3_STORE        BIT(PROC_CR3_STORE_BIT)
#define PROC_TERTIARY         BIT(PROC_TERTIARY_BIT)
#define PROC_CR8_LOAD         BIT(PROC_CR8_LOAD_BIT)
#define PROC_CR8_STORE        BIT(PROC_CR8_STORE_BIT)
#define PROC_TPR_SHADOW       BIT(PROC_TPR_SHADOW_BIT)
#define PROC_NMI_WINDOW       BIT(PROC_NMI_WINDOW_BIT)
#define PROC_MOV_DR           BIT(PROC_MOV_DR_BIT)
#define PROC_IO_BITMAPS       BIT(PROC_IO_BITMAPS_BIT)
#define PROC_MTF              BIT(PROC_MTF_BIT)
#define PROC_MSR_BITMAPS      BIT(PROC_MSR_BITMAPS_BIT)
#define PROC_MONITOR          BIT(PROC_MONITOR_BIT)
#define PROC_SECONDARY        BIT(PROC_SECONDARY_BIT)

/* Secondary processor-based controls. */
#define PROC2_VIRTUALIZE_APIC  BIT(PROC2_VIRTUALIZE_APIC_BIT)
#define PROC2_EPT              BIT(PROC2_EPT_BIT)
#define PROC2_RDTSCP           BIT(PROC2_RDTSCP_BIT)
#define PROC2_X2APIC           BIT(PROC2_X2APIC_BIT)
#define PROC2_VPID             BIT(PROC2_VPID_BIT)
#define PROC2_WBINVD           BIT(PROC2_WBINVD_BIT)
#define PROC2_UNRESTRICTED     BIT(PROC2_UNRESTRICTED_BIT)
#define PROC2_APIC_REGISTER    BIT(PROC2_APIC_REGISTER_BIT)
#define PROC2_VIRTUAL_DELIVERY BIT(PROC2_VIRTUAL_DELIVERY_BIT)
#define PROC2_PAUSE_LOOP       BIT(PROC2_PAUSE_LOOP_BIT)
#define PROC2_INVPCID          BIT(PROC2_INVPCID_BIT)
#define PROC2_XSAVES           BIT(PROC2_XSAVES_BIT)
#define PROC2_TSC_SCALING      BIT(PROC2_TSC_SCALING_BIT)
#define PROC2_ENCLS            BIT(PROC2_ENCLS_BIT)
#define PROC2_ENCLV            BIT(PROC2_ENCLV_BIT)
#define PROC2_BUS_LOCK         BIT(PROC2_BUS_LOCK_BIT)
#define PROC2_NOTIFY           BIT(PROC2_NOTIFY_BIT)

/* Tertiary processor-based controls: 64 bits. */
#define PROC3_IPI BIT(PROC3_IPI_BIT)

/* VM-exit and VM-entry controls. */
#define EXIT_SAVE_DEBUG    BIT(EXIT_SAVE_DEBUG_BIT)
#define EXIT_HOST_64       BIT(EXIT_HOST_64_BIT)
#define EXIT_ACK_INTERRUPT BIT(EXIT_ACK_INTERRUPT_BIT)
#define EXIT_SAVE_PAT      BIT(EXIT_SAVE_PAT_BIT)
#define EXIT_LOAD_PAT      BIT(EXIT_LOAD_PAT_BIT)
#define EXIT_SAVE_EFER     BIT(EXIT_SAVE_EFER_BIT)
#define EXIT_LOAD_EFER     BIT(EXIT_LOAD_EFER_BIT)
#define ENTRY_LOAD_DEBUG   BIT(ENTRY_LOAD_DEBUG_BIT)
#define ENTRY_IA32E        BIT(ENTRY_IA32E_BIT)
#define ENTRY_LOAD_PAT     BIT(ENTRY_LOAD_PAT_BIT)
#define ENTRY_LOAD_EFER    BIT(ENTRY_LOAD_EFER_BIT)

/* Interruptibility state. */
#define BLOCKING_STI    BIT(0)
#define BLOCKING_MOV_SS BIT(1)
#define BLOCKING_NMI    BIT(3)

/* Pending debug exceptions: BS. */
#define PENDING_STEP BIT(14)
#define DEBUGCTL_BTF BIT(1) /* TF is for branches: SDM volume 3, "Single-stepping on branches" */

#define EXIT_REASONS 80

/* Basic exit reasons (SDM volume 3, appendix "VMX basic exit reasons"), and the kind that each counts as. */
#define EXIT_ENTRY_FAILED BIT(31)
#define EXIT_NAMES(E)                                               \
    E(EXCEPTION, 0, "exception or NMI", EXCEPTION)                  \
    E(EXTERNAL_INTERRUPT, 1, "external interrupt", HOST_INTERRUPT)  \
    E(TRIPLE_FAULT, 2, "triple fault", TRIPLE_FAULT)                \
    E(INIT, 3, "INIT", OTHER)                                       \
    E(SIPI, 4, "SIPI", OTHER)                                       \
    E(INTERRUPT_WINDOW, 7, "interrupt window", INTERRUPT_WINDOW)    \
    E(NMI_WINDOW, 8, "NMI window", NMI_WINDOW)                      \
    E(TASK_SWITCH, 9, "task switch", TASK_SWITCH)                   \
    E(CPUID, 10, "CPUID", CPUID)                                    \
    E(GETSEC, 11, "GETSEC", OTHER)                                  \
    E(HLT, 12, "HLT", HLT)                                          \
    E(INVD, 13, "INVD", CACHES)                                     \
    E(INVLPG, 14, "INVLPG", OTHER)                                  \
    E(RDPMC, 15, "RDPMC", RDPMC)                                    \
    E(RDTSC, 16, "RDTSC", OTHER)                                    \
    E(RSM, 17, "RSM", OTHER)                                        \
    E(VMCALL, 18, "VMCALL", CALL)                                   \
    E(VMCLEAR, 19, "VMCLEAR", VIRTUALIZATION)                       \
    E(VMLAUNCH, 20, "VMLAUNCH", VIRTUALIZATION)                     \
    E(VMPTRLD, 21, "VMPTRLD", VIRTUALIZATION)                       \
    E(VMPTRST, 22, "VMPTRST", VIRTUALIZATION)                       \
    E(VMREAD, 23, "VMREAD", VIRTUALIZATION)                         \
    E(VMRESUME, 24, "VMRESUME", VIRTUALIZATION)                     \
    E(VMWRITE, 25, "VMWRITE", VIRTUALIZATION)                       \
    E(VMXOFF, 26, "VMXOFF", VIRTUALIZATION)                         \
    E(VMXON, 27, "VMXON", VIRTUALIZATION)                           \
    E(CR_ACCESS, 28, "control register access", CONTROL_REGISTER)   \
    E(MOV_DR, 29, "MOV DR", DEBUG_REGISTER)                         \
    E(IO, 30, "I/O instruction", IO)                                \
    E(RDMSR, 31, "RDMSR", RDMSR)                                    \
    E(WRMSR, 32, "WRMSR", WRMSR)                                    \
    E(INVALID_GUEST_STATE, 33, "invalid guest state", FAILED_ENTRY) \
    E(MSR_LOADING, 34, "MSR loading", FAILED_ENTRY)                 \
    E(MWAIT, 36, "MWAIT", MWAIT)                                    \
    E(MTF, 37, "monitor trap flag", STEP)                           \
    E(MONITOR, 39, "MONITOR", MWAIT)                                \
    E(PAUSE, 40, "PAUSE", PAUSE)                                    \
    E(MACHINE_CHECK, 41, "machine check on entry", FAILED_ENTRY)    \
    E(TPR_BELOW, 43, "TPR below threshold", PRIORITY)               \
    E(APIC_ACCESS, 44, "APIC access", APIC_ACCESS)                  \
    E(VIRTUAL_EOI, 45, "virtualized EOI", EOI)                      \
    E(GDTR_IDTR, 46, "GDTR or IDTR access", OTHER)                  \
    E(LDTR_TR, 47, "LDTR or TR access", OTHER)                      \
    E(EPT_VIOLATION, 48, "EPT violation", MEMORY)                   \
    E(EPT_MISCONFIG, 49, "EPT misconfiguration", MEMORY)            \
    E(INVEPT, 50, "INVEPT", VIRTUALIZATION)                         \
    E(RDTSCP, 51, "RDTSCP", OTHER)                                  \
    E(PREEMPTION_TIMER, 52, "preemption timer", TIMER)              \
    E(INVVPID, 53, "INVVPID", VIRTUALIZATION)                       \
    E(WBINVD, 54, "WBINVD", CACHES)                                 \
    E(XSETBV, 55, "XSETBV", XSETBV)                                 \
    E(APIC_WRITE, 56, "APIC write", APIC_WRITE)                     \
    E(RDRAND, 57, "RDRAND", OTHER)                                  \
    E(INVPCID, 58, "INVPCID", OTHER)                                \
    E(VMFUNC, 59, "VMFUNC", VIRTUALIZATION)                         \
    E(ENCLS, 60, "ENCLS", OTHER)                                    \
    E(RDSEED, 61, "RDSEED", OTHER)                                  \
    E(PML_FULL, 62, "page-modification log full", OTHER)            \
    E(XSAVES, 63, "XSAVES", OTHER)                                  \
    E(XRSTORS, 64, "XRSTORS", OTHER)                                \
    E(UMWAIT, 67, "UMWAIT", OTHER)                                  \
    E(TPAUSE, 68, "TPAUSE", OTHER)                                  \
    E(ENCLV, 70, "ENCLV", OTHER)                                    \
    E(BUS_LOCK, 74, "bus lock", BUS_LOCK)                           \
    E(NOTIFY, 75, "no event window for too long", OTHER)

#define EXIT_ENUM(name, number, text, kind) EXIT_##name = number,
enum exit_reason { EXIT_NAMES(EXIT_ENUM) };
#undef EXIT_ENUM

_Static_assert(EXIT_NOTIFY < EXIT_REASONS - 1, "the last row is for reasons that are not known");

/* vmcs.c: VMXON, VMXOFF; every field that we use is there in the current VMCS, or we say which is not. */
bool vmx_vmxon(void *region);
void vmx_vmxoff(void);
void vmx_verify_fields(void);
