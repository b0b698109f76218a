/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's own end. */
#pragma once

#include "arch/x86/types.h"

/* Takes every CPU out of virtualization mode and switches the machine off through ACPI S5; halts if it
 * cannot. */
NORETURN void power_off(void);

/* Prints "halted: why" and stops this CPU for good; the others must be idle. */
NORETURN void power_halt(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A CPU that finds cpu->leave set: gives up virtualization, says so, and stops. */
NORETURN void power_leave(void);
