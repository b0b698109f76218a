/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time-stamp counter that a guest sees: host TSC * multiplier / 2^48 + offset (SDM volume 3, "TSC
 * scaling").
 */
#pragma once

#include "arch/x86/types.h"

#define GUEST_TSC_FRACTION 48

struct guest_tsc {
    uint64_t multiplier; /* 0: the guest's counts as fast as the host's */
    uint64_t offset;
};

/* A number of host ticks in guest ticks. */
static inline uint64_t guest_tsc_scale(const struct guest_tsc *t, uint64_t host_ticks)
{
    if (!t->multiplier)
        return host_ticks;
    return (uint64_t)((unsigned __int128)host_ticks * t->multiplier >> GUEST_TSC_FRACTION);
}

static inline uint64_t guest_tsc_at(const struct guest_tsc *t, uint64_t host_tsc)
{
    return guest_tsc_scale(t, host_tsc) + t->offset;
}

/* numerator * 2^48 / denominator, rounded up; UINT64_MAX when it does not fit. */
static inline uint64_t guest_tsc_divide(uint64_t numerator, uint64_t denominator)
{
    uint64_t high = numerator >> (64 - GUEST_TSC_FRACTION), low = numerator << GUEST_TSC_FRACTION, remainder;

    if (high >= denominator)
        return UINT64_MAX;
    __asm__("divq %2" : "+a"(low), "+d"(high) : "r"(denominator) : "cc");
    remainder = high;
    return low + (remainder && low != UINT64_MAX);
}

/* A number of guest ticks in host ticks, rounded up: a timer must not fire early. */
static inline uint64_t guest_tsc_unscale(const struct guest_tsc *t, uint64_t guest_ticks)
{
    return t->multiplier ? guest_tsc_divide(guest_ticks, t->multiplier) : guest_ticks;
}
