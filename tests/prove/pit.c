/* SPDX-License-Identifier: BSD-2-Clause */
/* The 8254, ACPI's timer and the keyboard controller: any accesses, in any order, at any time. */
#include "tests/prove/prove.h"

#include "dev/keyboard.c"
#include "dev/pit.c"

void main(void);

static unsigned any_offset(void)
{
    return any_bool() ? PIT_PORT_CONTROL : (unsigned)Frama_C_interval(0, PIT_PORTS - 1);
}

void main(void)
{
    struct pit p;
    struct keyboard k;

    pit_reset(&p);
    keyboard_reset(&k);
    while (any_bool()) {
        switch (Frama_C_interval(0, 4)) {
        case 0: pit_read(&p, any_offset(), any64()); break;
        case 1: pit_write(&p, any_offset(), any8(), any64()); break;
        case 2: keyboard_read(&k, any_bool() ? KEYBOARD_PORT_DATA : KEYBOARD_PORT_COMMAND); break;
        case 3: keyboard_write(&k, any_bool() ? KEYBOARD_PORT_DATA : KEYBOARD_PORT_COMMAND, any8()); break;
        default: pm_timer(any64()); break;
        }
    }
}
