/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's serial port when nobody answers at its ports. */
#include "tests/unit/unit.h"

#define inb  real_inb
#define outb real_outb
#include "arch/x86/cpu.h"
#undef inb
#undef outb

#define PORT 0x3f8

static uint8_t registers[8];
static bool gone; /* reads float to FFh */

static uint8_t inb(uint16_t port)
{
    assert_in_range(port, PORT, PORT + 7);
    return gone ? 0xff : registers[port - PORT];
}

static void outb(uint16_t port, uint8_t value)
{
    assert_in_range(port, PORT, PORT + 7);
    if (port - PORT != 5) /* LSR is read only */
        registers[port - PORT] = value;
}

#include "arch/x86/uart16550.c"

static int set_up(void **state)
{
    (void)state;
    gone = false;
    registers[LSR] = LSR_THRE | LSR_TEMT;
    note_count = 0;
    assert_true(uart16550_setup(PORT));
    return 0;
}

static void byte_comes(void **state)
{
    uint8_t byte = 0;

    (void)state;
    assert_false(uart16550_receive(&byte));
    registers[DATA] = 'x';
    registers[LSR] |= LSR_DATA;
    assert_true(uart16550_receive(&byte));
    assert_int_equal(byte, 'x');
}

/* Else the loop of who takes all bytes would never end. */
static void gone_port_has_no_bytes(void **state)
{
    uint8_t byte = 'y';

    (void)state;
    gone = true;
    assert_false(uart16550_receive(&byte));
    assert_int_equal(byte, 'y');
    gone = false;
    registers[DATA] = 'z';
    registers[LSR] |= LSR_DATA;
    assert_true(uart16550_receive(&byte));
    assert_int_equal(byte, 'z');
}

static void gone_port_is_not_set_up(void **state)
{
    (void)state;
    gone = true;
    assert_false(uart16550_setup(PORT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(byte_comes, set_up),
        cmocka_unit_test_setup(gone_port_has_no_bytes, set_up),
        cmocka_unit_test_setup(gone_port_is_not_set_up, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
