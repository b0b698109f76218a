/* SPDX-License-Identifier: BSD-2-Clause */
/* Segment selectors of the hypervisor's GDT. */
#pragma once

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS  0x18
