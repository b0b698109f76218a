/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts of the hypervisor itself. */
#pragma once

#include "arch/x86/percpu.h"

/* As trap_stubs.asm pushes it, last push first. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss; /* pushed by the processor */
};

_Static_assert(offsetof(struct trap_frame, vector) == 15 * 8 && sizeof(struct trap_frame) == 22 * 8,
               "15 registers, two words of the stub, and five of the processor");

/* Interrupt vectors. Above the exceptions, below the local APIC's. */
#define VECTOR_CONSOLE  0x30 /* host serial port */
#define VECTOR_TIMER    0xf0 /* host local APIC timer */
#define VECTOR_KICK     0xf1 /* another CPU wants this one to look at its requests */
#define VECTOR_POSTED   0xf2 /* mail for the vCPU that runs here: the processor collects it without an exit */
#define VECTOR_WAKEUP   0xf3 /* mail for a vCPU that waits on this CPU */
#define VECTOR_SPURIOUS 0xff

typedef void interrupt_handler(void *context);

/*
 * Installs the handler of a vector 20h..ffh on all CPUs, and what it is told; whoever calls it has sent the
 * EOI already.
 */
void interrupt_install(unsigned vector, interrupt_handler *handler, void *context);

/* Runs the handler of vector: called by the trap path and after a VM exit that acknowledged an interrupt. */
void interrupt_dispatch(unsigned vector);

/* Called for every exception that no fix-up covers, and for NMIs: must not return but for an NMI, or a
 * machine check. */
typedef void trap_handler(const struct trap_frame *frame);
void trap_set_handler(trap_handler *handler);

/* GDT, TSS with IST stacks, IDT and GS_BASE of this CPU. */
void cpu_load_tables(struct cpu *cpu);
