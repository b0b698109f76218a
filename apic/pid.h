/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The posted-interrupt descriptor: the one mailbox of a vCPU. Every source sets a bit of PIR and, when ON and
 * SN were clear, notifies; who runs the vCPU collects, be it the processor or software (SDM volume 3,
 * "Posted-interrupt processing"). The steps of its hand-over are those of tests/model/mailbox.pml.
 */
#pragma once

#include "arch/x86/types.h"

#define PID_ON             BIT(0) /* of control: a notification is outstanding */
#define PID_SN             BIT(1) /* suppress notifications */
#define PID_VECTOR(c)      ((unsigned)((c) >> 16) & 0xff)
#define PID_DESTINATION(c) ((uint32_t)((c) >> 32))

struct pid {
    uint64_t pir[4];
    uint64_t control; /* ON, SN, notification vector NV in bits 23:16, destination NDST in bits 63:32 */
    uint64_t reserved[3];
} ALIGNED(64);

_Static_assert(sizeof(struct pid) == 64, "fixed by the SDM");
_Static_assert(offsetof(struct pid, control) == 32, "so that");

/* NDST has the format of the physical local APIC's mode. */
static inline uint32_t pid_encode_destination(uint32_t apic_id, bool x2apic)
{
    return x2apic ? apic_id : (apic_id & 0xff) << 8;
}

static inline uint32_t pid_decode_destination(uint32_t ndst, bool x2apic)
{
    return x2apic ? ndst : ndst >> 8 & 0xff;
}

/*
 * Puts vector into the mailbox, as the processor does for IPI virtualization. True when the caller must send
 * NV to NDST, both in *control.
 */
static inline bool pid_post(struct pid *p, unsigned vector, uint64_t *control)
{
    uint64_t old;

    __atomic_fetch_or(&p->pir[vector / 64], BIT(vector % 64), __ATOMIC_SEQ_CST);
    do {
        old = __atomic_load_n(&p->control, __ATOMIC_RELAXED);
        if (old & (PID_ON | PID_SN))
            return false;
    } while (!__atomic_compare_exchange_n(&p->control, &old, old | PID_ON, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    *control = old;
    return true;
}

static inline bool pid_has_mail(const struct pid *p)
{
    return __atomic_load_n(&p->control, __ATOMIC_SEQ_CST) & PID_ON;
}

/* Also what was posted while SN kept ON clear. */
static inline bool pid_any_mail(const struct pid *p)
{
    return pid_has_mail(p) || (p->pir[0] | p->pir[1] | p->pir[2] | p->pir[3]);
}

/* Empties the mailbox into out: ON first, so that a later post notifies again. */
static inline void pid_collect(struct pid *p, uint64_t out[4])
{
    __atomic_fetch_and(&p->control, ~PID_ON, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < 4; i++)
        out[i] = p->pir[i] ? __atomic_exchange_n(&p->pir[i], 0, __ATOMIC_SEQ_CST) : 0;
}

/* Sets which vector and which CPU are notified from now on. */
static inline void pid_direct(struct pid *p, unsigned vector, uint32_t ndst)
{
    uint64_t old = __atomic_load_n(&p->control, __ATOMIC_RELAXED), new;

    do {
        new = (old & PID_ON) | (uint64_t)vector << 16 | (uint64_t)ndst << 32;
    } while (!__atomic_compare_exchange_n(&p->control, &old, new, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
}

/* Nobody is, until the next pid_direct(): posters only set PIR, so that one has to look at PIR then, whatever
 * ON says. */
static inline void pid_suppress(struct pid *p)
{
    __atomic_fetch_or(&p->control, PID_SN, __ATOMIC_SEQ_CST);
}
