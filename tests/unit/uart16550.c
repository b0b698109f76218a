/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's serial port when nobody answers at its ports. */
#include "tests/unit/unit.h"

#define inb   real_inb
#define outb  real_outb
#define rdtsc real_rdtsc
#include "arch/x86/cpu.h"
#undef inb
#undef outb
#undef rdtsc

#define PORT 0x3f8

static uint8_t registers[8];
static bool gone; /* reads float to FFh */
static uint64_t tsc = 1;
static unsigned sent;

static uint64_t rdtsc(void)
{
    return tsc;
}

static uint8_t inb(uint16_t port)
{
    assert_in_range(port, PORT, PORT + 7);
    return gone ? 0xff : registers[port - PORT];
}

static void outb(uint16_t port, uint8_t value)
{
    assert_in_range(port, PORT, PORT + 7);
    sent += port == PORT && !(registers[3] & 0x80); /* not the divisor */
    if (port - PORT != 5)                           /* LSR is read only */
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

/* A BMC whose other end nobody reads. */
static void stalled_port_stops_nobody(void **state)
{
    (void)state;
    sent = 0;
    assert_int_equal(uart16550_send("0123456789", 10), 10);
    registers[LSR] &= (uint8_t) ~(LSR_THRE | LSR_TEMT);
    tsc += STALLED;
    assert_int_equal(uart16550_send("abc", 3), 0); /* from now on */
    tsc += STALLED - 1;
    assert_int_equal(uart16550_send("abc", 3), 0);
    assert_false(uart16550_idle());
    tsc++;
    assert_int_equal(uart16550_send("abc", 3), 3);
    assert_true(uart16550_idle());
    assert_int_equal(uart16550_send("0123456789abcdefgh", 18), 16);
    assert_int_equal(sent, 10);
    registers[LSR] |= LSR_THRE;
    assert_int_equal(uart16550_send("def", 3), 3);
    assert_int_equal(sent, 13);
    assert_false(uart16550_idle());
    registers[LSR] &= (uint8_t)~LSR_THRE;
    assert_int_equal(uart16550_send("ghi", 3), 0); /* anew */
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
        cmocka_unit_test_setup(stalled_port_stops_nobody, set_up),
        cmocka_unit_test_setup(gone_port_is_not_set_up, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
