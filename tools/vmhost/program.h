/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of one program: bochs-bin of Debian's bochs 3.0+dfsg-1 for amd64, read off its disassembly.
 *
 * Its C++ methods are dynamic symbols, bound here by their mangled names; `this` is their first argument.
 * Members have no symbols: they are offsets, and hold for this build alone.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define BUILD_ID "f9c80ecb172a805acee2c7c2d7772a1f38b70396"

struct cpu;
struct apic;

/* Weak, so that the module loads into any program, and can then say why it does not fit. */
#define METHOD(name) __asm__(name) __attribute__((weak, visibility("default")))

bool cpu_rdmsr(struct cpu *, uint32_t msr, uint64_t *value) METHOD("_ZN8BX_CPU_C5rdmsrEjPm");
void cpu_init_vmx_capabilities(struct cpu *) METHOD("_ZN8BX_CPU_C21init_vmx_capabilitiesEv");
bool cpu_vmcs_field_supported(struct cpu *, uint32_t field) METHOD("_ZN8BX_CPU_C20vmcs_field_supportedEj");
uint16_t cpu_vmread16(struct cpu *, uint32_t field) METHOD("_ZN8BX_CPU_C8VMread16Ej");
uint32_t cpu_vmread32(struct cpu *, uint32_t field) METHOD("_ZN8BX_CPU_C8VMread32Ej");
uint64_t cpu_vmread64(struct cpu *, uint32_t field) METHOD("_ZN8BX_CPU_C8VMread64Ej");
uint32_t cpu_check_vm_controls(struct cpu *) METHOD("_ZN8BX_CPU_C26VMenterLoadCheckVmControlsEv");
uint32_t cpu_check_guest_state(struct cpu *, uint64_t *)
    METHOD("_ZN8BX_CPU_C26VMenterLoadCheckGuestStateEPm");
void cpu_inject_events(struct cpu *) METHOD("_ZN8BX_CPU_C19VMenterInjectEventsEv");
void cpu_vmexit(struct cpu *, uint32_t reason, uint64_t qualification) METHOD("_ZN8BX_CPU_C6VMexitEjm");
void cpu_exception(struct cpu *, uint32_t vector, uint16_t error) METHOD("_ZN8BX_CPU_C9exceptionEjt");
void cpu_interrupt_mask_change(struct cpu *) METHOD("_ZN8BX_CPU_C25handleInterruptMaskChangeEv");
void cpu_handle_external(struct cpu *) METHOD("_ZN8BX_CPU_C18HandleExtInterruptEv");
bool cpu_posted_interrupt(struct cpu *, uint8_t vector)
    METHOD("_ZN8BX_CPU_C31VMX_Posted_Interrupt_ProcessingEh");
void cpu_evaluate_virtual(struct cpu *) METHOD("_ZN8BX_CPU_C39VMX_Evaluate_Pending_Virtual_InterruptsEv");
void cpu_deliver_virtual(struct cpu *) METHOD("_ZN8BX_CPU_C29VMX_Deliver_Virtual_InterruptEv");
bool cpu_wait_for_event(struct cpu *) METHOD("_ZN8BX_CPU_C18handleWaitForEventEv");
uint32_t cpu_read_apic_page(struct cpu *, uint32_t offset) METHOD("_ZN8BX_CPU_C21VMX_Read_Virtual_APICEj");
void cpu_write_apic_page(struct cpu *, uint32_t offset, int size, const void *)
    METHOD("_ZN8BX_CPU_C22VMX_Write_Virtual_APICEjiPh");
void cpu_apic_page_write(struct cpu *, uint64_t address, uint32_t size, void *)
    METHOD("_ZN8BX_CPU_C22VMX_Virtual_Apic_WriteEmjPv");
void cpu_apic_access_trap(struct cpu *) METHOD("_ZN8BX_CPU_C28VMX_Virtual_Apic_Access_TrapEv");
bool cpu_x2apic_write(struct cpu *, uint32_t msr, uint64_t)
    METHOD("_ZN8BX_CPU_C23Virtualize_X2APIC_WriteEjm");
bool cpu_in_x2apic_mode(struct cpu *) METHOD("_ZN8BX_CPU_C11x2apic_modeEv");
uint32_t cpu_resolve_memtype(struct cpu *, uint32_t address, uint32_t type)
    METHOD("_ZN8BX_CPU_C15resolve_memtypeEjj");
uint64_t cpu_read_physical(struct cpu *, uint64_t address, uint32_t type, uint32_t reason)
    METHOD("_ZN8BX_CPU_C19read_physical_qwordEmj12AccessReason");
void cpu_write_physical(struct cpu *, uint64_t address, uint64_t value, uint32_t type, uint32_t reason)
    METHOD("_ZN8BX_CPU_C20write_physical_qwordEmmj12AccessReason");
void *cpu_icache_entry(struct cpu *) METHOD("_ZN8BX_CPU_C14getICacheEntryEv");
void cpu_run_trace(struct cpu *) METHOD("_ZN8BX_CPU_C13cpu_run_traceEv");
void apic_send_ipi(struct apic *, uint32_t destination, uint32_t low)
    METHOD("_ZN15bx_local_apic_c8send_ipiEjj");
void log_error(struct cpu *, const char *format, ...) METHOD("_ZN12logfunctions5errorEPKcz");

extern jmp_buf main_loop METHOD("_ZN8BX_CPU_C11jmp_buf_envE");
extern struct cpu **all_cpus METHOD("bx_cpu_array");
extern uint8_t cpu_count METHOD("bx_cpu_count");

/* Members. */
#define MEMBER(type, name, offset)                       \
    static inline type *name(struct cpu *cpu)            \
    {                                                    \
        return (type *)(void *)((char *)cpu + (offset)); \
    }
MEMBER(uint64_t, cpu_rip, 0xe0)
MEMBER(uint64_t, cpu_previous_rip, 0x118) /* of the last finished instruction's end */
MEMBER(uint8_t, cpu_rsp_speculative, 0x130)
MEMBER(uint64_t, cpu_instructions, 0x138)
MEMBER(uint32_t, cpu_inhibited, 0x148)
MEMBER(struct apic *, cpu_apic, 0xd18)
MEMBER(uint8_t, cpu_in_guest, 0x8eb9)
MEMBER(uint32_t, cpu_pin_controls, 0x8ee0)
MEMBER(uint32_t, cpu_primary_controls, 0x8ee4)
MEMBER(uint32_t, cpu_secondary_controls, 0x8ee8)
MEMBER(uint64_t, cpu_tertiary_controls, 0x8ef0)
MEMBER(uint32_t, cpu_cr3_targets, 0x8f68)
MEMBER(uint32_t, cpu_apic_page_offset, 0x8fa8) /* of the write that is being virtualized */
MEMBER(uint32_t, cpu_notification_vector, 0x8fac)
MEMBER(uint64_t, cpu_posted_descriptor, 0x8fb0)
MEMBER(uint64_t, cpu_ept_pointer, 0x8fb8)
MEMBER(uint8_t, cpu_rvi, 0x8ff9)
MEMBER(uint32_t, cpu_vectoring_info, 0x90a8) /* saved when a VM exit cuts the delivery of an event short */
MEMBER(uint32_t, cpu_vectoring_error, 0x90ac)
MEMBER(uint32_t, cpu_activity, 0x91d4)
MEMBER(uint32_t, cpu_pending, 0x91d8)
MEMBER(uint32_t, cpu_masked, 0x91dc)
MEMBER(uint32_t, cpu_async, 0x91e0)

/* What VMX offers, as the MSRs show it. */
#define ALLOWED_PIN       0x9168
#define ALLOWED_PRIMARY   0x916c
#define ALLOWED_SECONDARY 0x9170
#define ALLOWED_TERTIARY  0x9178
#define ALLOWED_EXIT      0x9180
#define ALLOWED_EXIT2     0x9184
#define ALLOWED_ENTRY     0x9188
#define ALLOWED_EPT       0x9190
#define ALLOWED_FUNCTIONS 0x9198

static inline uint32_t *cpu_word(struct cpu *cpu, unsigned offset)
{
    return (uint32_t *)(void *)((char *)cpu + offset);
}

/* Of the local APIC. */
static inline uint32_t *apic_preemption_shift(struct apic *apic)
{
    return (uint32_t *)(void *)((char *)apic + 0x140);
}

/* Bits of cpu_pending() and cpu_masked(). */
#define EVENT_VIRTUAL_INTERRUPT (1u << 9)
#define EVENT_PIC               (1u << 10)
#define EVENT_APIC              (1u << 11)
#define EVENT_VTPR              (1u << 13)
#define EVENT_VEOI              (1u << 14)
#define EVENT_APIC_PAGE         (1u << 15)

#define ASYNC_EVENT      1u
#define ASYNC_STOP_TRACE (1u << 31)

enum { ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_SIPI };
