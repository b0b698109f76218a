/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an exit was about, in the argument of its event in the trace: as VMX has it in the exit qualification
 * (SDM volume 3, "Basic VM-exit information"); other backends put what they know into the same form.
 */
#pragma once

#include "arch/x86/types.h"

/* Control-register accesses. */
#define QUALIFIED_CR(q)       ((unsigned)(q)&15)
#define QUALIFIED_ACCESS(q)   ((unsigned)((q) >> 4) & 3)
#define QUALIFIED_REGISTER(q) ((unsigned)((q) >> 8) & 15)
#define QUALIFIED_LMSW(q)     ((q) >> 16 & 0xf)
enum cr_access { TO_CR, FROM_CR, CLTS, LMSW };

/* Debug-register accesses; the general register as above. */
#define QUALIFIED_DR(q)      ((unsigned)(q)&7)
#define QUALIFIED_FROM_DR(q) (((q)&BIT(4)) != 0)

/* I/O instructions. */
#define QUALIFIED_SIZE(q) (((unsigned)(q)&7) + 1)
#define QUALIFIED_IN      BIT(3)
#define QUALIFIED_STRING  BIT(4)
#define QUALIFIED_REP     BIT(5)
#define QUALIFIED_PORT(q) ((uint16_t)((q) >> 16))

/* Accesses to memory that the second-level tables do not allow. */
#define QUALIFIED_WRITE    BIT(1)
#define QUALIFIED_FETCH    BIT(2)
#define QUALIFIED_READABLE BIT(3) /* the second-level tables let it be read */
#define QUALIFIED_LINEAR   BIT(7) /* there is a linear address, */
#define QUALIFIED_FINAL    BIT(8) /* and this is its translation, not a paging-structure entry */

/* APIC accesses, and writes behind which the processor exits. */
#define QUALIFIED_OFFSET(q) ((unsigned)(q)&0xfff)
