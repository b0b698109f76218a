/* SPDX-License-Identifier: BSD-2-Clause */
/* What tells two machines with the same processor apart: its microcode, and what the firmware does behind our
 * back. False: this CPU does not say. */
#pragma once

#include "arch/x86/types.h"

bool cpu_microcode(uint32_t *revision);
bool cpu_smi_count(uint32_t *count); /* interrupts that went to the firmware since the reset */
