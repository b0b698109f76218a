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

static const struct uart_place com = {.port = PORT};

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
    assert_true(uart16550_setup(&com));
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
        assert_true(uart16550_setup(&com));
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
    assert_true(uart16550_setup(&com));
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
    assert_true(uart16550_setup(&com));
    uart16550_set_rate(0);
    assert_int_equal(divisor(), 1);
}

static void gone_port_is_not_set_up(void **state)
{
    (void)state;
    gone = true;
    assert_false(uart16550_setup(&com));
}

/* A register each 1, 2 or 4 bytes, by accesses of any width that fits: nothing beside them is touched. */
static void registers_in_memory(void **state)
{
    (void)state;
    for (unsigned stride = 1; stride <= 4; stride *= 2) {
        for (unsigned width = 1; width <= stride; width *= 2) {
            uint8_t space[8 * 4 + 1] ALIGNED(4), byte = 0;
            const struct uart_place place = {
                .registers = space, .stride = (uint8_t)stride, .width = (uint8_t)width, .keep_rate = true};

            memset(space, 0xee, sizeof(space));
            for (unsigned i = 0; i < 8; i++)
                memset(&space[i * stride], 0, width);
            space[LSR * stride] = LSR_THRE | LSR_TEMT | LSR_DATA;
            note_count = 0;
            assert_true(uart16550_setup(&place));
            assert_int_equal(space[SCR * stride], 0x5a);
            assert_int_equal(space[LCR * stride], LCR_8N1);
            assert_int_equal(space[MCR * stride], MCR_DTR_RTS | MCR_OUT2);
            assert_int_equal(uart16550_send("x", 1), 1);
            assert_int_equal(space[DATA * stride], 'x');
            assert_true(uart16550_receive(&byte));
            assert_int_equal(byte, 'x');
            for (unsigned i = 0; i < 8 * stride; i++)
                assert_true(i % stride < width || space[i] == 0xee);
            assert_int_equal(space[8 * stride], 0xee);
            space[LSR * stride] = 0xff;
            assert_false(uart16550_setup(&place));
        }
    }
}

/* Its clock is its maker's: 115200 by a divisor of 1 is a PC's. */
static void rate_of_an_unknown_clock(void **state)
{
    const struct uart_place card = {.port = PORT, .keep_rate = true};

    (void)state;
    uart16550_put_back();
    assert_true(uart16550_setup(&card));
    assert_int_equal(divisor(), 0x180);
    uart16550_set_rate(9600);
    assert_int_equal(divisor(), 0x180);
}

/* One that does not answer takes nothing away from the one before; one that is left gets nothing. */
static void port_that_is_left(void **state)
{
    uint8_t nothing[8] = {0};
    const struct uart_place place = {.registers = nothing, .stride = 1, .width = 1};

    (void)state;
    nothing[LSR] = 0xff;
    assert_false(uart16550_setup(&place));
    sent = 0;
    assert_int_equal(uart16550_send("a", 1), 1);
    assert_int_equal(sent, 1);
    uart16550_leave();
    assert_int_equal(uart16550_send("a", 1), 0);
    assert_true(uart16550_idle());
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
        cmocka_unit_test_setup(registers_in_memory, set_up),
        cmocka_unit_test_setup(rate_of_an_unknown_clock, set_up),
        cmocka_unit_test_setup(port_that_is_left, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
