/* SPDX-License-Identifier: BSD-2-Clause */
/* What the exit qualification says, by exit reason (SDM volume 3, "Basic VM-exit information"). */
#pragma once

#include "vcpu/exit_argument.h"

/* Task switches: the selector of the TSS, and CALL, IRET, JMP or a task gate of the IDT. */
#define QUALIFIED_TASK(q)        ((uint32_t)(q)&0xffff)
#define QUALIFIED_TASK_SOURCE(q) ((unsigned)((q) >> 30) & 3)

/* An instruction that takes too long. */
#define QUALIFIED_CONTEXT_LOST BIT(0)

/* Of these two, and of the exit of an exception that is not one in a delivery (interruption information): the
 * IRET that has not come to its end has unblocked NMIs. */
#define NMI_UNBLOCKED BIT(12)
