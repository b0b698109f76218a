/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCALL with up to four arguments. */
#pragma once

#include "guest.h"

static inline int32_t hypercall(uint32_t number, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    int32_t result;

    __asm__ volatile("vmcall" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}
