/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inputs of which nothing is known but their type, for Frama-C's Eva ("Built-ins", Frama_C_interval and its
 * like). A proof includes the file that it is about and calls its functions in every order with every
 * argument: what Eva then does not warn of cannot happen.
 */
#pragma once

#include <stddef.h>

/* The compiler's own, of which Eva only knows what it writes: byte by byte, so that what is read must be
 * there. */
static inline void prove_copy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
}
#define __builtin_memcpy(to, from, n) prove_copy(to, from, n)

#include "arch/x86/types.h"

extern volatile int prove_nondet;
/*@ assigns \result \from min, max, prove_nondet;
    ensures min <= \result <= max; */
extern int Frama_C_interval(int min, int max);

static inline uint8_t any8(void)
{
    return (uint8_t)Frama_C_interval(0, 255);
}

/*@ assigns \result \from prove_nondet; */
uint16_t any16(void);
/*@ assigns \result \from prove_nondet; */
uint32_t any32(void);
/*@ assigns \result \from prove_nondet; */
uint64_t any64(void);

/* Not what a builtin of the compiler does. */
#undef likely
#undef unlikely
#define likely(x)   (x)
#define unlikely(x) (x)

/* An ASSERT that could fail is an alarm: the write below is one, wherever it is reached. */
void assertion_failed(unsigned line, const char *condition);

void assertion_failed(unsigned line, const char *condition)
{
    (void)line;
    (void)condition;
    *(volatile char *)NULL = 0;
    for (;;)
        ;
}

static inline bool any_bool(void)
{
    return Frama_C_interval(0, 1);
}
