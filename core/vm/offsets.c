/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled to assembly only: the Makefile turns each "->NAME value" into a %define for NASM. */
#include "arch/x86/layout.h"
#include "arch/x86/selectors.h"
#include "boot/host/release_stub.h"
#include "boot/host/smp_trampoline.h"
#include "core/vm/vm.h"

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
    DEFINE(IA32_SPEC_CTRL, 0x48);
    DEFINE(IA32_FLUSH_CMD, 0x10b);
    DEFINE(REGS_SIZE, offsetof(struct guest_regs, host_rsp));
}
