/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is counted per vCPU. It has a page of its own, which its guest may read (hypercall/abi.h fixes the
 * layout for it), and is written on the vCPU's CPU only.
 */
#pragma once

#include "arch/x86/types.h"
#include "core/vm/exit_kinds.h"

enum vcpu_event {
    COUNT_INJECTED,      /* interrupts that we injected, not the processor */
    COUNT_SWITCH,        /* it was given a CPU */
    COUNT_MIGRATION,     /* another one than before */
    COUNT_MIGRATION_IPI, /* sent for that: none, but in an experiment of vmx/switch.c */
    COUNT_IPI,           /* writes to the ICR that exited */
    COUNT_PORT_DENIED,   /* reads as all ones, write ignored */
    COUNT_MSR_DENIED,    /* #GP */
    COUNT_STEAL,         /* host ticks in which it would have run, and another one did */
    COUNT_CR3_LOAD,      /* MOV to CR3 that exited */
    COUNT_PV_EOI,        /* EOIs without an exit, by a word that the guest shares with us */
    COUNT_PV_KICK,       /* paravirtual calls that did what was asked: kicks, */
    COUNT_PV_IPI,        /* IPIs delivered, */
    COUNT_PV_YIELD,      /* yields to a vCPU that waited for a CPU */
    COUNT_PV_FLUSH,      /* translations flushed at schedule-in, as another vCPU asked */
    COUNT_DOORBELL,      /* rung at it */
    COUNT_ROOT_TICKS,    /* ticks from its exits to the entries behind them, while it was traced */
    COUNT_KINDS
};

struct vcpu_statistics {
    uint64_t exits[EXIT_KINDS];
    uint64_t counts[COUNT_KINDS];
};

_Static_assert(sizeof(struct vcpu_statistics) <= PAGE_SIZE, "one page");
