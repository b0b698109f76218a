/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine for another kernel: what [host] of skerry.cfg names under `release`, a Linux bzImage or a
 * Multiboot2 kernel, is started as a boot loader would, without a reset in between.
 */
#pragma once

#include "core/config/config.h"

/* At boot, with the configuration: finds the files and plans where they go. Reports what is wrong. */
void release_prepare(struct config *config);

/* They are there and will fit. */
bool release_possible(void);

/* What follows when all VMs have ended; DONE_POWER_OFF when something else was wanted that cannot be. */
enum when_done release_when_done(void);

/*
 * On the boot CPU, with all CPUs out of VMX operation: clears the memory of guests, resets the other CPUs,
 * and starts the kernel. Returns, after a report, only when memory is short.
 */
void release_start(void);
