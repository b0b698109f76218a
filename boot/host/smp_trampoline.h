/* SPDX-License-Identifier: BSD-2-Clause */
/* What boot/trampoline.asm finds at the end of its page. */
#pragma once

#include "arch/x86/types.h"

struct trampoline_data {
    uint64_t cr3; /* below 4 GiB: it is loaded in 32-bit mode */
    uint64_t stack, cpu, entry;
};
