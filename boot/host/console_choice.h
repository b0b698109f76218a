/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which serial port is the console: COM1 before anything is known of the machine, then the one that the boot
 * option `console=` names, else the one of the firmware's SPCR, else COM1. machine.serial says which it is.
 */
#pragma once

void console_start(void);  /* COM1 */
void console_choose(void); /* the ACPI tables are known */

/* For the next kernel, when nothing is sent any more. */
void console_choice_put_back(void);
