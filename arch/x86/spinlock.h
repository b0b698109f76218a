/* SPDX-License-Identifier: BSD-2-Clause */
/* Test-and-set lock. Root mode runs with interrupts off, so taking one never needs to disable them. */
#pragma once

#include "arch/x86/cpu.h"

struct spinlock {
    volatile bool held;
};

static inline bool spin_try(struct spinlock *l)
{
    return !__atomic_exchange_n(&l->held, true, __ATOMIC_ACQUIRE);
}

static inline void spin_lock(struct spinlock *l)
{
    while (!spin_try(l)) {
        while (l->held)
            cpu_pause();
    }
}

static inline void spin_unlock(struct spinlock *l)
{
    __atomic_store_n(&l->held, false, __ATOMIC_RELEASE);
}
