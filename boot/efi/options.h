/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's boot options: the first line of skerry.cmd, and behind them, unless all is inside a
 * signature, what the boot entry or the shell gave to this program.
 */
#pragma once

#include "boot/efi/files.h"

#define OPTIONS_SIZE 1024 /* with the 0; as much as Multiboot2's command line may have here */

/* False, with a line: more than fits, or a character that is not ASCII. */
bool options_of(const struct boot_file *file, bool take_given, char out[OPTIONS_SIZE]);
