/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's PS/2 keyboard behind an 8042 (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller"): what is typed, as a terminal would send it. The layout is that of the United
 * States; firmware may let a USB keyboard look like one, drivers for USB there are none.
 */
#pragma once

#include "arch/x86/types.h"

#define KEYBOARD_IRQ 1

/* Switched on, with its interrupt; false when there is no such controller. */
bool ps2_keyboard_setup(void);

/* Takes one byte; false when there is none, or no keyboard. Cursor keys are several: ESC [ A and the like. */
bool ps2_keyboard_receive(uint8_t *byte);

/* As it was before. */
void ps2_keyboard_put_back(void);
