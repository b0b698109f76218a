/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The posted-interrupt descriptor: the one mailbox of a vCPU. Every source sets a bit of PIR and, when ON was
 * clear, notifies; who runs the vCPU collects (SDM volume 3, "Posted-interrupt processing").
 */
#pragma once

#include "arch/x86/types.h"

#define PID_ON BIT(0) /* of control: a notification is outstanding */
#define PID_SN BIT(1) /* suppress notifications */

struct pid {
    uint64_t pir[4];
    uint64_t control; /* ON, SN, NV in bits 23:16, NDST in bits 63:32 */
    uint64_t reserved[3];
} ALIGNED(64);

_Static_assert(sizeof(struct pid) == 64, "fixed by the SDM");

/* Puts vector into the mailbox; true when the caller must notify. */
static inline bool pid_post(struct pid *p, unsigned vector)
{
    __atomic_fetch_or(&p->pir[vector / 64], BIT(vector % 64), __ATOMIC_RELAXED);
    return !(__atomic_fetch_or(&p->control, PID_ON, __ATOMIC_SEQ_CST) & (PID_ON | PID_SN));
}

static inline bool pid_has_mail(const struct pid *p)
{
    return __atomic_load_n(&p->control, __ATOMIC_RELAXED) & PID_ON;
}

/* Empties the mailbox into out: ON first, so that a later post notifies again. */
static inline void pid_collect(struct pid *p, uint64_t out[4])
{
    __atomic_fetch_and(&p->control, ~PID_ON, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < 4; i++)
        out[i] = p->pir[i] ? __atomic_exchange_n(&p->pir[i], 0, __ATOMIC_ACQ_REL) : 0;
}
