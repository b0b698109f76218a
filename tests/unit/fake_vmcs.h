/* SPDX-License-Identifier: BSD-2-Clause */
/* vmx/vmcs.h with a VMCS in memory, by field encoding. Include it before any other header of vmx/. */
#pragma once

#define vmcs_read  real_vmcs_read
#define vmcs_write real_vmcs_write
#include "vmx/vmcs.h"
#undef vmcs_read
#undef vmcs_write

uint64_t fake_vmcs[0x7000];

/* Bits 14:13 of the encoding are the width: SDM volume 3, "Field encoding in VMCS". */
static inline uint64_t fake_vmcs_width(uint32_t encoding)
{
    static const uint64_t masks[] = {UINT16_MAX, UINT64_MAX, UINT32_MAX, UINT64_MAX};

    return masks[encoding >> 13 & 3];
}

static inline uint64_t vmcs_read(struct vmcs_field f)
{
    return fake_vmcs[f.encoding] & fake_vmcs_width(f.encoding);
}

static inline void vmcs_write(struct vmcs_field f, uint64_t value)
{
    fake_vmcs[f.encoding] = value & fake_vmcs_width(f.encoding);
}
