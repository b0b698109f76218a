/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is started, measured into the machine's TPM before it is used (TCG EFI Protocol Specification, level
 * 00 revision 00.13): configuration and boot options into PCR 8, the hypervisor and all other files into PCR
 * 9, as GRUB does, an event each with the name. Machines without a TPM start without.
 */
#pragma once

#include "arch/x86/types.h"

#define PCR_CONFIGURATION 8
#define PCR_FILES         9

void measure_begin(void); /* finds the TPM */

/* False, with a line: there is a TPM, and it does not take it. */
bool measure(unsigned pcr, const void *data, uint64_t size, const char *name);

/* A line with both PCRs as they are now, to be compared with what `skerry measure` says. */
void measure_show(void);
