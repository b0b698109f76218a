/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's serial port when nobody answers at its ports, without FIFO, and at any rate. */
#include "tests/unit/unit.h"

#include <string.h>

#define inb   real_inb
#define outb  real_outb
#define rdtsc real_rdtsc
#include "arch/x86/cpu.h"
#undef inb
#undef outb
#undef rdtsc

#define PORT 0x3f8

static uint8_t registers[8], latch[2]; /* the divisor, low byte first */
static uint8_t fifo;                   /* IIR[7:6] while it is on */
static bool gone;                      /* reads float to FFh */
static uint64_t tsc = 1;
static unsigned sent;

static uint64_t rdtsc(void)
{
    return tsc;
}

static uint8_t inb(uint16_t port)
{
    assert_in_range(port, PORT, PORT + 7);
    if (gone)
        return 0xff;
    if (port - PORT <= 1 && (registers[3] & 0x80))
        return latch[port - PORT];
    return port - PORT == 2 ? registers[2] & 1 ? fifo | 1 : 1 : registers[port - PORT];
}

static void outb(uint16_t port, uint8_t value)
{
    assert_in_range(port, PORT, PORT + 7);
    if (port - PORT <= 1 && (registers[3] & 0x80)) {
        latch[port - PORT] = value;
        return;
    }
    sent += port == PORT;
    if (port - PORT != 5) /* LSR is read only */
        registers[port - PORT] = value;
}

#include "arch/x86/uart16550.c"

static int set_up(void **state)
{
    (void)state;
    gone = false;
    fifo = IIR_FIFO;
    memset(registers, 0, sizeof(registers));
    registers[LSR] = LSR_THRE | LSR_TEMT;
    latch[0] = 0x80; /* 300 bit/s by a firmware from long ago */
    latch[1] = 0x01;
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

/* 15 of 16 bytes would be lost. */
static void chip_without_fifo_gets_single_bytes(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 3; bits++) {
        fifo = (uint8_t)(bits << 6);
        assert_true(uart16550_setup(PORT));
        sent = 0;
        assert_int_equal(uart16550_send("abc", 3), 1);
        assert_int_equal(sent, 1);
    }
}

static unsigned divisor(void)
{
    assert_int_equal(registers[LCR], LCR_8N1);
    return latch[0] | latch[1] << 8;
}

static void rate_is_what_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(divisor(), 1);
    uart16550_set_rate(9600);
    assert_int_equal(divisor(), 12);
    uart16550_set_rate(57600);
    assert_int_equal(divisor(), 2);
    uart16550_set_rate(115200);
    assert_int_equal(divisor(), 1);
}

/* SPCR's 0, also when the port was set up twice; and what is put back is the firmware's. */
static void rate_as_it_was(void **state)
{
    (void)state;
    assert_true(uart16550_setup(PORT));
    uart16550_set_rate(0);
    assert_int_equal(divisor(), 0x180);
    uart16550_set_rate(9600);
    uart16550_put_back();
    assert_int_equal(latch[0] | latch[1] << 8, 0x180);
    uart16550_set_rate(9600); /* no port any more */
    assert_int_equal(latch[0] | latch[1] << 8, 0x180);
}

static void rate_that_nobody_set(void **state)
{
    (void)state;
    latch[0] = latch[1] = 0;
    note_count = 0;
    assert_true(uart16550_setup(PORT));
    uart16550_set_rate(0);
    assert_int_equal(divisor(), 1);
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
        cmocka_unit_test_setup(chip_without_fifo_gets_single_bytes, set_up),
        cmocka_unit_test_setup(rate_is_what_is_asked_for, set_up),
        cmocka_unit_test_setup(rate_as_it_was, set_up),
        cmocka_unit_test_setup(rate_that_nobody_set, set_up),
        cmocka_unit_test_setup(gone_port_is_not_set_up, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
