/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of 32 bits at multiples of four, and accesses of 1, 2, 4 or 8 bytes at any offset. A read gives
 * what the registers that it touches hold there; a write of a part leaves the rest of the register as it is.
 * Manuals leave open what such an access does; this is what the page of a virtual APIC does in the processor.
 */
#pragma once

#include "arch/x86/types.h"

struct registers {
    uint32_t (*read)(void *context, unsigned offset);
    uint32_t (*peek)(void *context, unsigned offset); /* the same, but nothing happens */
    void (*write)(void *context, unsigned offset, uint32_t value);
};

/* What drivers do: whoever has the register need not come here for it. */
static inline bool registers_whole(unsigned offset, unsigned size)
{
    return size == 4 && offset % 4 == 0;
}

uint64_t registers_read(const struct registers *r, void *context, unsigned offset, unsigned size);
void registers_write(const struct registers *r, void *context, unsigned offset, unsigned size,
                     uint64_t value);
