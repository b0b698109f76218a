/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Skerry's own interface for guests, for C and assembly. docs/hypercalls.md says what each call does.
 *
 * Leaf 40000000h: EAX highest leaf, EBX:ECX:EDX = "SkerrySkerry". Leaf 40000001h: EAX version of this ABI.
 * Leaf 40000010h: EAX, EBX: rate of the TSC and of the local APIC's timer in kHz. KVM's interface begins at
 * 40000100h.
 *
 * VMCALL in ring 0: number in RAX, arguments in RBX, RCX, RDX, RSI; the result is in RAX, all other registers
 * are kept. Outside 64-bit code the lower halves count.
 */
#ifndef SKERRY_ABI_H
#define SKERRY_ABI_H

#define SKERRY_CPUID_BASE   0x40000000
#define SKERRY_CPUID_ABI    0x40000001
#define SKERRY_CPUID_TIMING 0x40000010
#define SKERRY_ABI_VERSION  3 /* 1: PROTECT alone. 2: exits are counted by Intel's reasons */

/* Results; 0 and more: done. Below 0 nothing was done. */
#define SKERRY_EPERM  (-1)    /* the caller is not in ring 0 */
#define SKERRY_ENOENT (-2)    /* no such vCPU or channel */
#define SKERRY_EFAULT (-14)   /* that is not the guest's RAM, or protected */
#define SKERRY_EBUSY  (-16)   /* something there is registered, for Skerry to write to */
#define SKERRY_EINVAL (-22)   /* an argument is out of range */
#define SKERRY_ENODEV (-19)   /* this VM, or this processor, does not have it */
#define SKERRY_EPIPE  (-32)   /* nobody listens at the other end */
#define SKERRY_ENOSYS (-1000) /* no such call */

#define SKERRY_CALL_NOP           0x534b0000 /* nothing, for measuring */
#define SKERRY_CALL_PROTECT       0x534b0001 /* address, size: no write to this RAM until the next reset */
#define SKERRY_CALL_CONSOLE_WRITE 0x534b0002 /* address, size up to SKERRY_CONSOLE_MAX: bytes taken */
#define SKERRY_CALL_VM_INFO       0x534b0003 /* address, size: bytes of struct skerry_vm_info written */
#define SKERRY_CALL_YIELD_TO      0x534b0004 /* APIC ID: 1 when it waited for a CPU, and the caller gives way */
#define SKERRY_CALL_STATISTICS    0x534b0005 /* APIC ID: address of its struct skerry_statistics */
#define SKERRY_CALL_CHANNEL       0x534b0006 /* number, address, size: bytes of struct skerry_channel written */
#define SKERRY_CALL_LISTEN        0x534b0007 /* number, vector (0: no longer), APIC ID: where its doorbell rings */
#define SKERRY_CALL_DOORBELL      0x534b0008 /* number: rings at the other end */
#define SKERRY_CALL_CR3_TARGET    0x534b0009 /* slot, value: MOV of it to CR3 does not exit on this vCPU */
#define SKERRY_CALL_CR3_CLEAR     0x534b000a /* slot */

#define SKERRY_CONSOLE_MAX 1024

/* Where they are in guest-physical memory: one page each, by APIC ID and by number of channel. */
#define SKERRY_STATISTICS_BASE 0xfef00000
#define SKERRY_CHANNEL_BASE    0xfef40000

/* Kinds of exits, by which they are counted. */
#define SKERRY_EXIT_EXCEPTION        0 /* exception or NMI */
#define SKERRY_EXIT_HOST_INTERRUPT   1 /* interrupt of the host */
#define SKERRY_EXIT_TRIPLE_FAULT     2 /* triple fault */
#define SKERRY_EXIT_INTERRUPT_WINDOW 3 /* an interrupt can be delivered */
#define SKERRY_EXIT_NMI_WINDOW       4 /* an NMI can be delivered */
#define SKERRY_EXIT_PRIORITY         5 /* the priority of the local APIC has dropped */
#define SKERRY_EXIT_TASK_SWITCH      6 /* task switch */
#define SKERRY_EXIT_CPUID            7
#define SKERRY_EXIT_HLT              8
#define SKERRY_EXIT_PAUSE            9  /* PAUSE, in a loop */
#define SKERRY_EXIT_MWAIT            10 /* MONITOR or MWAIT */
#define SKERRY_EXIT_CACHES           11 /* INVD or WBINVD */
#define SKERRY_EXIT_RDPMC            12
#define SKERRY_EXIT_CALL             13 /* hypercall */
#define SKERRY_EXIT_VIRTUALIZATION   14 /* an instruction of the processor's virtualization */
#define SKERRY_EXIT_CONTROL_REGISTER 15 /* access to a control register */
#define SKERRY_EXIT_DEBUG_REGISTER   16 /* access to a debug register */
#define SKERRY_EXIT_IO               17 /* access to an I/O port */
#define SKERRY_EXIT_RDMSR            18
#define SKERRY_EXIT_WRMSR            19
#define SKERRY_EXIT_XSETBV           20
#define SKERRY_EXIT_STEP             21 /* an instruction was executed for the monitor */
#define SKERRY_EXIT_MEMORY           22 /* access that the second-level tables do not allow */
#define SKERRY_EXIT_APIC_ACCESS      23 /* access to the page of the local APIC */
#define SKERRY_EXIT_APIC_WRITE       24 /* write to a register of the local APIC, done by the processor */
#define SKERRY_EXIT_EOI              25 /* end of a level-triggered interrupt, done by the processor */
#define SKERRY_EXIT_TIMER            26 /* timer of the guest, or end of its slice */
#define SKERRY_EXIT_FAILED_ENTRY     27 /* entry that failed */
#define SKERRY_EXIT_OTHER            28
#define SKERRY_EXIT_BUS_LOCK         29 /* an access that locked the bus for all CPUs */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct skerry_vm_info {
    uint32_t abi_version;
    uint32_t vcpus;
    uint64_t memory; /* bytes of RAM */
    uint64_t tsc_khz;
    uint32_t resets;       /* how often it was started again */
    uint32_t channels;     /* numbers 0 to this less one */
    uint32_t cr3_targets;  /* slots; 0: cr3-exits is off, or the processor has none */
    uint32_t kvm_features; /* as in KVM's leaf */
    char name[32];         /* of the VM in the configuration, with a 0 behind it */
};

struct skerry_channel {
    uint64_t page;      /* guest-physical address of the 4096 bytes that both ends may read and write */
    uint32_t listening; /* the other end has a vector for its doorbell */
    uint32_t reserved;
    char name[32]; /* in the configuration */
};

#define SKERRY_STATISTICS_KINDS  32
#define SKERRY_STATISTICS_COUNTS 16

/* Read-only, changes while it is read; each word by itself is right. */
struct skerry_statistics {
    uint64_t exits[SKERRY_STATISTICS_KINDS]; /* by kind: SKERRY_EXIT_* */
    uint64_t interrupts_injected, switches, migrations, migration_ipis, icr_exits, ports_denied, msrs_denied;
    uint64_t steal_ticks; /* of the host's TSC */
    uint64_t cr3_exits, pv_eois, pv_kicks, pv_ipis, pv_yields, pv_flushes, doorbells;
    uint64_t root_ticks; /* of the host's TSC, in the hypervisor for this vCPU; 0 while it is not traced */
};
#endif

#endif
