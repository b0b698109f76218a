/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the boot CPU hears of typed bytes: the inputs of the I/O APICs to which serial port and keyboard are
 * wired. Where there is no such input, or where it cannot be relied on, the boot CPU looks by itself.
 */
#pragma once

#include "arch/x86/isa_line.h"

/* Masks all inputs of all I/O APICs, and notes what they were. */
void console_lines_setup(void);

/* False: no I/O APIC has that input, and the console is polled. */
bool console_line_open(struct interrupt_line line);

/* For the next kernel: nothing comes any more, nobody looks; and the inputs as they were. */
void console_lines_close(void);
void console_lines_put_back(void);
