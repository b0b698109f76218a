/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a vCPU came out of its guest, whichever processor ran it: by these kinds exits are counted, traced, and
 * shown to guests (hypercall/abi.h), so their order is part of that ABI. Each backend maps its processor's
 * reasons to them.
 */
#pragma once

enum exit_kind {
    KIND_EXCEPTION,        /* exception or NMI */
    KIND_HOST_INTERRUPT,   /* interrupt of the host */
    KIND_TRIPLE_FAULT,     /* triple fault */
    KIND_INTERRUPT_WINDOW, /* an interrupt can be delivered */
    KIND_NMI_WINDOW,       /* an NMI can be delivered */
    KIND_PRIORITY,         /* the priority of the local APIC has dropped */
    KIND_TASK_SWITCH,      /* task switch */
    KIND_CPUID,
    KIND_HLT,
    KIND_PAUSE,  /* PAUSE, in a loop */
    KIND_MWAIT,  /* MONITOR or MWAIT */
    KIND_CACHES, /* INVD or WBINVD */
    KIND_RDPMC,
    KIND_CALL,             /* hypercall */
    KIND_VIRTUALIZATION,   /* an instruction of the processor's virtualization */
    KIND_CONTROL_REGISTER, /* access to a control register */
    KIND_DEBUG_REGISTER,   /* access to a debug register */
    KIND_IO,               /* access to an I/O port */
    KIND_RDMSR,
    KIND_WRMSR,
    KIND_XSETBV,
    KIND_STEP,         /* an instruction was executed for the monitor */
    KIND_MEMORY,       /* access that the second-level tables do not allow */
    KIND_APIC_ACCESS,  /* access to the page of the local APIC */
    KIND_APIC_WRITE,   /* write to a register of the local APIC, done by the processor */
    KIND_EOI,          /* end of a level-triggered interrupt, done by the processor */
    KIND_TIMER,        /* timer of the guest, or end of its slice */
    KIND_FAILED_ENTRY, /* entry that failed */
    KIND_OTHER,
    KIND_BUS_LOCK, /* an access that locked the bus for all CPUs */
    KINDS_IN_USE
};

#define EXIT_KINDS 32 /* room for more, without another ABI */

_Static_assert(KINDS_IN_USE <= EXIT_KINDS, "room for all");
_Static_assert(EXIT_KINDS <= 256, "a byte of a trace event holds any");
