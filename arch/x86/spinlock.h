/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket lock: two CPUs that take it in turn cannot shut out a third. Root mode runs with interrupts off, so
 * taking one never needs to disable them.
 */
#pragma once

#include "arch/x86/cpu.h"

struct spinlock {
    uint16_t next, served; /* tickets: CPUs take the lock in the order in which they asked for it */
};

_Static_assert(sizeof(struct spinlock) == 4, "all zero is a lock that nobody has");

static inline bool spin_try(struct spinlock *l)
{
    uint16_t served = __atomic_load_n(&l->served, __ATOMIC_RELAXED), expected = served;

    return __atomic_compare_exchange_n(&l->next, &expected, (uint16_t)(served + 1), false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline void spin_lock(struct spinlock *l)
{
    uint16_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(&l->served, __ATOMIC_ACQUIRE) != ticket)
        cpu_pause();
}

static inline void spin_unlock(struct spinlock *l)
{
    __atomic_store_n(&l->served, (uint16_t)(l->served + 1), __ATOMIC_RELEASE);
}
