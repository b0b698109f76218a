/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled to assembly only: the Makefile turns each "->NAME value" into a %define for NASM. */
#include "apic/ipi.h"
#include "apic/vlapic_state.h"
#include "arch/x86/layout.h"
#include "arch/x86/selectors.h"
#include "arch/x86/trap.h"
#include "boot/host/release_stub.h"
#include "boot/host/smp_trampoline.h"
#include "core/base/trace.h"
#include "core/vm/vm.h"
#include "hypercall/abi.h"
#include "vcpu/cpuid.h"
#include "vmx/vmcs.h"

#define DEFINE(name, value)   __asm__ volatile("\n->" #name " %0" ::"i"(value))
#define OFFSET(name, type, m) DEFINE(name, offsetof(type, m))

void offsets(void);

void offsets(void)
{
    DEFINE(SEL_CODE, SEL_CODE);
    DEFINE(SEL_DATA, SEL_DATA);
    OFFSET(TRAMPOLINE_CR3, struct trampoline_data, cr3);
    OFFSET(TRAMPOLINE_STACK, struct trampoline_data, stack);
    OFFSET(TRAMPOLINE_CPU, struct trampoline_data, cpu);
    OFFSET(TRAMPOLINE_ENTRY, struct trampoline_data, entry);
    DEFINE(TRAMPOLINE_DATA_SIZE, sizeof(struct trampoline_data));
    DEFINE(PAGE_BYTES, PAGE_SIZE);
    OFFSET(RELEASE_CR3, struct release_data, cr3);
    OFFSET(RELEASE_LIST, struct release_data, list);
    OFFSET(RELEASE_MODE, struct release_data, start.mode);
    OFFSET(RELEASE_RIP, struct release_data, start.rip);
    OFFSET(RELEASE_RAX, struct release_data, start.rax);
    OFFSET(RELEASE_RBX, struct release_data, start.rbx);
    OFFSET(RELEASE_RSI, struct release_data, start.rsi);
    OFFSET(RELEASE_START_CR3, struct release_data, start.cr3);
    OFFSET(RELEASE_GDT_BASE, struct release_data, start.gdt_base);
    OFFSET(RELEASE_GDT_LIMIT, struct release_data, start.gdt_limit);
    DEFINE(RELEASE_DATA_SIZE, sizeof(struct release_data));
    OFFSET(REGS_RAX, struct guest_regs, rax);
    OFFSET(REGS_RBX, struct guest_regs, rbx);
    OFFSET(REGS_RCX, struct guest_regs, rcx);
    OFFSET(REGS_RDX, struct guest_regs, rdx);
    OFFSET(REGS_RSI, struct guest_regs, rsi);
    OFFSET(REGS_RDI, struct guest_regs, rdi);
    OFFSET(REGS_RBP, struct guest_regs, rbp);
    OFFSET(REGS_R8, struct guest_regs, r8);
    OFFSET(REGS_R9, struct guest_regs, r9);
    OFFSET(REGS_R10, struct guest_regs, r10);
    OFFSET(REGS_R11, struct guest_regs, r11);
    OFFSET(REGS_R12, struct guest_regs, r12);
    OFFSET(REGS_R13, struct guest_regs, r13);
    OFFSET(REGS_R14, struct guest_regs, r14);
    OFFSET(REGS_R15, struct guest_regs, r15);
    OFFSET(REGS_HOST_RSP, struct guest_regs, host_rsp);
    OFFSET(REGS_SPEC_CTRL, struct guest_regs, spec_ctrl);
    DEFINE(MSR_SPEC_CTRL, IA32_SPEC_CTRL);
    DEFINE(MSR_FLUSH_CMD, IA32_FLUSH_CMD);
    DEFINE(REGS_SIZE, offsetof(struct guest_regs, host_rsp));
    OFFSET(VCPU_PENDING, struct vcpu, pending);
    OFFSET(VCPU_STATS, struct vcpu, stats);
    OFFSET(VCPU_LAPIC, struct vcpu, lapic);
    OFFSET(VCPU_TRACE_WHO, struct vcpu, trace_who);
    OFFSET(VCPU_FAST_DEADLINE, struct vcpu, fast.deadline);
    OFFSET(VCPU_FAST_OTHER, struct vcpu, fast.other);
    OFFSET(VCPU_FAST_LOW, struct vcpu, fast.low);
    OFFSET(VCPU_FAST_STARTED, struct vcpu, fast.started);
    OFFSET(VCPU_FAST_TIMER, struct vcpu, fast.timer);
    OFFSET(VCPU_FAST_IRR, struct vcpu, fast.irr);
    OFFSET(VCPU_FAST_IRR_BIT, struct vcpu, fast.irr_bit);
    OFFSET(VCPU_FAST_VECTOR, struct vcpu, fast.vector);
    OFFSET(VCPU_FAST_CALLS, struct vcpu, fast.calls);
    OFFSET(VCPU_FAST_PLACE, struct vcpu, fast.place);
    OFFSET(VCPU_FAST_X2APIC, struct vcpu, fast.x2apic);
    OFFSET(VCPU_FAST_DELIVERS, struct vcpu, fast.delivers);
    OFFSET(VCPU_FAST_MAILBOXES, struct vcpu, fast.mailboxes);
    OFFSET(VCPU_ASKED, struct vcpu, asked);
    DEFINE(ASKED_MAIL, ASKED_MAIL);
    DEFINE(MAILBOXES, PID_TABLE_SIZE);
    DEFINE(PID_ENTRY_VALID, PID_ENTRY_VALID);
    OFFSET(PID_CONTROL, struct pid, control);
    DEFINE(PID_ON, PID_ON);
    DEFINE(PID_SN, PID_SN);
    DEFINE(DIRECT_BASE, DIRECT_BASE);
    OFFSET(VLAPIC_PID, struct vlapic, pid);
    OFFSET(VLAPIC_VCPU, struct vlapic, vcpu);
    DEFINE(REG_IRR, REG_IRR);
    DEFINE(LAPIC_ICR, LAPIC_ICR);
    DEFINE(LAPIC_ICR_HIGH, LAPIC_ICR_HIGH);
    DEFINE(X2APIC_ICR, IA32_X2APIC_BASE + LAPIC_ICR / 16);
    DEFINE(ICR_NOT_PLAIN, (uint32_t)ICR_NOT_PLAIN);
    DEFINE(ICR_PENDING, ICR_PENDING);
    DEFINE(ICR_TO_SELF, ICR_TO_SELF);
    DEFINE(REG_TMR, REG_TMR);
    DEFINE(ICR_ASSERT, ICR_ASSERT);
    DEFINE(FIRST_VECTOR, FIRST_VECTOR);
    DEFINE(VECTOR_POSTED, VECTOR_POSTED);
    OFFSET(HOST_LAPIC_REGISTERS, struct host_lapic, registers);
    OFFSET(HOST_LAPIC_X2APIC, struct host_lapic, x2apic);
    OFFSET(STATS_IPIS, struct vcpu_statistics, counts[COUNT_IPI]);
    DEFINE(FASTPATH_WRITES, FASTPATH_WRITES);
    DEFINE(FASTPATH_FIRES, FASTPATH_FIRES);
    DEFINE(FASTPATH_AHEAD, FASTPATH_AHEAD);
    OFFSET(VLAPIC_EXPIRES, struct vlapic, expires);
    OFFSET(VLAPIC_DEADLINE, struct vlapic, deadline);
    OFFSET(VLAPIC_TSC_OFFSET, struct vlapic, tsc.offset);
    DEFINE(KIND_CPUID, KIND_CPUID);
    DEFINE(KIND_CALL, KIND_CALL);
    DEFINE(KIND_WRMSR, KIND_WRMSR);
    DEFINE(KIND_TIMER, KIND_TIMER);
    OFFSET(STATS_ROOT_TICKS, struct vcpu_statistics, counts[COUNT_ROOT_TICKS]);
    OFFSET(CPU_TRACE, struct cpu, trace);
    OFFSET(CPU_NDST, struct cpu, ndst);
    OFFSET(EVENT_TSC, struct trace_event, tsc);
    OFFSET(EVENT_RIP, struct trace_event, rip);
    OFFSET(EVENT_ARGUMENT, struct trace_event, argument);
    OFFSET(EVENT_WHO, struct trace_event, who);
    OFFSET(EVENT_EXTRA, struct trace_event, extra);
    DEFINE(EVENT_SIZE, sizeof(struct trace_event));
    DEFINE(EVENT_WRAP, TRACE_WRAP);
    DEFINE(CPUID_PLACES, CPUID_LOW_LEAVES);
    DEFINE(CPUID_SIZE, sizeof(struct low_leaf));
    OFFSET(CPUID_LEAF, struct low_leaf, leaf);
    DEFINE(SKERRY_CALL_NOP, SKERRY_CALL_NOP);
    DEFINE(IA32_TSC_DEADLINE, IA32_TSC_DEADLINE);
    DEFINE(EXIT_CPUID, EXIT_CPUID);
    DEFINE(EXIT_VMCALL, EXIT_VMCALL);
    DEFINE(EXIT_WRMSR, EXIT_WRMSR);
    DEFINE(EXIT_PREEMPTION_TIMER, EXIT_PREEMPTION_TIMER);
    DEFINE(FIELD_exit_reason, FIELD_exit_reason);
    DEFINE(FIELD_exit_instruction_length, FIELD_exit_instruction_length);
    DEFINE(FIELD_guest_rip, FIELD_guest_rip);
    DEFINE(FIELD_guest_rflags, FIELD_guest_rflags);
    DEFINE(FIELD_guest_ss_rights, FIELD_guest_ss_rights);
    DEFINE(FIELD_guest_interruptibility, FIELD_guest_interruptibility);
    DEFINE(FIELD_guest_interrupt_status, FIELD_guest_interrupt_status);
    DEFINE(FIELD_preemption_timer_value, FIELD_preemption_timer_value);
}
