/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's own end. */
#pragma once

#include "arch/x86/types.h"

/*
 * Three ends, each from any CPU that has no vCPU loaded; the first to call one decides. Each takes every CPU
 * out of its guest and of VMX operation first. power_off: ACPI S5, or a halt where there is none.
 * power_release: boot/host/release.h; powers off, with a reason, when that cannot be.
 */
NORETURN void power_off(void);
NORETURN void power_reboot(void);
NORETURN void power_release(void);

/* All VMs have ended: the one of these that the configuration names. */
NORETURN void power_when_done(void);

/* Prints "halted: why" and stops this CPU for good; the others must be idle. */
NORETURN void power_halt(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A CPU that finds cpu->leave set: gives up virtualization, says so, and stops, or goes on with the release.
 */
NORETURN void power_leave(void);
