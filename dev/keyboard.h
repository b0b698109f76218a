/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyboard controller 8042 at ports 60h and 64h (IBM PC AT technical reference, "Keyboard controller")
 * without anything plugged in: its status, its self-tests, its command byte, and the pulses that reset the
 * machine. ACPI says that there is none, so that systems that know ACPI look for no keyboard.
 */
#pragma once

#include "arch/x86/types.h"

#define KEYBOARD_PORT_DATA    0x60
#define KEYBOARD_PORT_COMMAND 0x64 /* reads: the status */

struct keyboard {
    uint8_t command_byte;
    uint8_t output; /* what the next read of the data port gives */
    bool full;      /* it was not read yet */
    uint8_t waits;  /* the command whose byte of data comes next; 0: none */
};

void keyboard_reset(struct keyboard *k);
uint8_t keyboard_read(struct keyboard *k, uint16_t port);

/* True: the machine is reset. */
bool keyboard_write(struct keyboard *k, uint16_t port, uint8_t value);
