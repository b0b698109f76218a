/* SPDX-License-Identifier: BSD-2-Clause */
/* What the exit qualification says, by exit reason (SDM volume 3, "Basic VM-exit information"). */
#pragma once

#include "arch/x86/types.h"

/* Control-register accesses. */
#define QUALIFIED_CR(q)       ((unsigned)(q)&15)
#define QUALIFIED_ACCESS(q)   ((unsigned)((q) >> 4) & 3)
#define QUALIFIED_REGISTER(q) ((unsigned)((q) >> 8) & 15)
enum cr_access { TO_CR, FROM_CR, CLTS, LMSW };

/* I/O instructions. */
#define QUALIFIED_SIZE(q) (((unsigned)(q)&7) + 1)
#define QUALIFIED_IN      BIT(3)
#define QUALIFIED_STRING  BIT(4)
#define QUALIFIED_REP     BIT(5)
#define QUALIFIED_PORT(q) ((uint16_t)((q) >> 16))

/* EPT violations. */
#define QUALIFIED_WRITE BIT(1)
#define QUALIFIED_FETCH BIT(2)

/* APIC accesses, and writes behind which the processor exits. */
#define QUALIFIED_OFFSET(q) ((unsigned)(q)&0xfff)
