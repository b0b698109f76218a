/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/keyboard.h"

enum { STATUS_FULL = 0x01, STATUS_SYSTEM = 0x04, STATUS_COMMAND = 0x08, STATUS_UNLOCKED = 0x10 };
enum {
    READ_COMMAND_BYTE = 0x20,
    WRITE_COMMAND_BYTE = 0x60,
    TEST_SECOND_PORT = 0xa9,
    SELF_TEST = 0xaa,
    TEST_FIRST_PORT = 0xab,
    READ_INPUT_PORT = 0xc0,
    READ_OUTPUT_PORT = 0xd0,
    WRITE_OUTPUT_PORT = 0xd1,
    FIRST_PULSE = 0xf0,
};
enum { SELF_TEST_GOOD = 0x55, PORT_GOOD = 0x00, OUTPUT_NOT_RESET = 0x01, OUTPUT_A20 = 0x02 };

#define COMMAND_BYTE (STATUS_SYSTEM | 0x30) /* self-test passed; both ports off */

void keyboard_reset(struct keyboard *k)
{
    *k = (struct keyboard){.command_byte = COMMAND_BYTE};
}

/* The input buffer is never full: what is written is done at once. */
static uint8_t status(const struct keyboard *k)
{
    return (uint8_t)(STATUS_SYSTEM | STATUS_UNLOCKED | (k->waits ? STATUS_COMMAND : 0) |
                     (k->full ? STATUS_FULL : 0));
}

uint8_t keyboard_read(struct keyboard *k, uint16_t port)
{
    if (port == KEYBOARD_PORT_COMMAND)
        return status(k);
    k->full = false;
    return k->output;
}

static void answer(struct keyboard *k, uint8_t byte)
{
    k->output = byte;
    k->full = true;
}

/* Commands F0h to FFh pulse those of the output port's low four lines whose bit is 0: line 0 is the reset. */
static bool run_command(struct keyboard *k, uint8_t command)
{
    k->waits = 0;
    switch (command) {
    case READ_COMMAND_BYTE: answer(k, k->command_byte); break;
    case SELF_TEST: answer(k, SELF_TEST_GOOD); break;
    case TEST_FIRST_PORT:
    case TEST_SECOND_PORT: answer(k, PORT_GOOD); break;
    case READ_INPUT_PORT: answer(k, 0); break;
    case READ_OUTPUT_PORT: answer(k, OUTPUT_NOT_RESET | OUTPUT_A20); break;
    case WRITE_COMMAND_BYTE:
    case WRITE_OUTPUT_PORT: k->waits = command; break;
    default: return command >= FIRST_PULSE && !(command & OUTPUT_NOT_RESET);
    }
    return false;
}

bool keyboard_write(struct keyboard *k, uint16_t port, uint8_t value)
{
    uint8_t command = k->waits;

    if (port == KEYBOARD_PORT_COMMAND)
        return run_command(k, value);
    k->waits = 0;
    if (command == WRITE_COMMAND_BYTE)
        k->command_byte = value;
    return command == WRITE_OUTPUT_PORT &&
           !(value & OUTPUT_NOT_RESET); /* else for a keyboard that is not there */
}
