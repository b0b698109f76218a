/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the short way through an exit needs of a vCPU (vmx/fastpath.asm, by offsets): near its registers, and
 * right without being asked, as whoever changes what a field depends on keeps it. The fields decide nothing
 * by themselves: without the short way, the long one does the same.
 */
#pragma once

#include "arch/x86/types.h"

#define FASTPATH_NEVER UINT64_MAX
#define FASTPATH_AHEAD \
    0x3fffffffu /* ticks: as far ahead of now as the low half of a TSC can say, and rounded up */

struct pid_table;

struct fastpath {
    uint64_t deadline; /* what the backend's timer is to end the guest's run for: host TSC, 0: nothing */
    uint64_t other;    /* host TSC of what is not the guest's among that; FASTPATH_NEVER: nothing */
    uint32_t low;      /* when the timer is to expire: low half of a host TSC, rounded up to its counts */
    uint32_t started;  /* low half of the TSC at which the exit that is being handled was recorded */
    union {
        struct {
            uint8_t deadline_mode; /* the local APIC's timer, at the TSC's own rate: apic/ */
            uint8_t hv_timer;      /* and it is on the backend's timer: backend */
            uint8_t vector_open;   /* it raises a vector when it fires: apic/ */
            uint8_t delivers;      /* which the processor delivers: backend */
        };
        uint32_t timer; /* all four */
    };
    uint32_t irr_bit; /* of that vector, */
    uint16_t irr;     /* in this word of the local APIC's page: offset */
    uint8_t vector;
    bool calls;                  /* the VM has hypercalls */
    bool x2apic;                 /* its local APIC is on, in x2APIC mode */
    uint32_t place;              /* of an answer, while an exit is handled */
    struct pid_table *mailboxes; /* of its VM */
};

#define FASTPATH_WRITES 0x0101u     /* of timer: a new deadline */
#define FASTPATH_FIRES  0x01010101u /* and its end */
