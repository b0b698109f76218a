/* SPDX-License-Identifier: BSD-2-Clause */
/* The small devices: UART, clock, power ports. */
#include "tests/unit/unit.h"

#include "dev/power.h"
#include "dev/rtc.h"
#include "dev/uart.h"

#include <string.h>
#include <time.h>

/* --- UART --- */

static struct uart uart;
static char sent[64];
static unsigned sent_count, irq_changes;
static bool irq;

static bool no_room; /* behind this byte */

static bool transmit(void *context, uint8_t byte)
{
    assert_ptr_equal(context, &uart);
    sent[sent_count++ % sizeof(sent)] = (char)byte;
    return !no_room;
}

static void set_irq(void *context, bool level)
{
    assert_ptr_equal(context, &uart);
    assert_true(level != irq);
    irq = level;
    irq_changes++;
}

static int uart_set_up(void **state)
{
    (void)state;
    sent_count = irq_changes = 0;
    irq = false;
    uart_init(&uart, transmit, set_irq, &uart);
    uart_write(&uart, 4, 0x0b); /* DTR, RTS, OUT2 */
    return 0;
}

/* Whoever takes the bytes has no room for another: the transmitter is not empty until there is. */
static void uart_back_pressure(void **state)
{
    (void)state;
    uart_write(&uart, 1, 2);
    assert_true(irq); /* empty */
    assert_int_equal(uart_read(&uart, 2) & 0xf, 2);
    assert_false(irq);
    no_room = true;
    uart_write(&uart, 0, 'x');
    assert_false(irq);
    assert_int_equal(uart_read(&uart, 5), 0);
    uart_write(&uart, 1, 0);
    uart_write(&uart, 1, 2);
    assert_false(irq);
    no_room = false;
    uart_writable(&uart);
    assert_true(irq);
    assert_int_equal(uart_read(&uart, 5), 0x60);
    uart_writable(&uart); /* nothing new */
    assert_int_equal(uart_read(&uart, 2) & 0xf, 2);
    uart_writable(&uart);
    assert_false(irq);
}

static void uart_detected(void **state)
{
    (void)state;
    /* What a driver's probe looks at: IER keeps four bits, FIFOs show in IIR, scratch keeps all. */
    uart_write(&uart, 1, 0xff);
    assert_int_equal(uart_read(&uart, 1), 0x0f);
    uart_write(&uart, 1, 0);
    uart_write(&uart, 2, 1);
    assert_int_equal(uart_read(&uart, 2), 0xc1);
    uart_write(&uart, 2, 0);
    assert_int_equal(uart_read(&uart, 2), 0x01);
    uart_write(&uart, 7, 0xa5);
    assert_int_equal(uart_read(&uart, 7), 0xa5);
    uart_write(&uart, 3, 0x83);
    uart_write(&uart, 0, 1);
    uart_write(&uart, 1, 2);
    assert_int_equal(uart_read(&uart, 0), 1);
    assert_int_equal(uart_read(&uart, 1), 2);
    uart_write(&uart, 3, 0x03);
    assert_int_equal(uart_read(&uart, 3), 0x03);
    assert_int_equal(uart_read(&uart, 1), 0);
    assert_int_equal(uart_read(&uart, 5), 0x60);
    assert_int_equal(uart_read(&uart, 6), 0xb0);
    assert_int_equal(sent_count, 0);
}

static void uart_sends(void **state)
{
    (void)state;
    uart_write(&uart, 0, 'h');
    uart_write(&uart, 0, 'i');
    assert_memory_equal(sent, "hi", 2);
    assert_false(irq);
    uart_write(&uart, 1, 2); /* raises at once: the transmitter is empty */
    assert_true(irq);
    assert_int_equal(uart_read(&uart, 2), 0x02);
    assert_false(irq);
    assert_int_equal(uart_read(&uart, 2), 0x01);
    uart_write(&uart, 0, '!');
    assert_true(irq);
    irq_changes = 0;
    uart_write(&uart, 0, '!'); /* falls and rises: an edge per byte */
    assert_int_equal(irq_changes, 2);
    uart_write(&uart, 1, 0);
    assert_false(irq);
}

static void uart_receives(void **state)
{
    (void)state;
    uart_write(&uart, 1, 1);
    assert_true(uart_receive(&uart, 'a'));
    assert_false(uart_receive(&uart, 'b')); /* no FIFO yet */
    assert_true(irq);
    assert_int_equal(uart_read(&uart, 2), 0x04);
    assert_int_equal(uart_read(&uart, 5), 0x61);
    assert_int_equal(uart_read(&uart, 0), 'a');
    assert_false(irq);
    uart_write(&uart, 2, 1);
    for (unsigned i = 0; i < 16; i++)
        assert_true(uart_receive(&uart, (uint8_t)i));
    assert_false(uart_receive(&uart, 99));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(uart_read(&uart, 0), i);
    for (unsigned i = 16; i < 26; i++)
        assert_true(uart_receive(&uart, (uint8_t)i));
    for (unsigned i = 10; i < 26; i++)
        assert_int_equal(uart_read(&uart, 0), i);
    assert_int_equal(uart_read(&uart, 0), 0);
    assert_false(irq);
    uart_receive(&uart, 1);
    uart_write(&uart, 2, 3); /* clears the FIFO */
    assert_false(irq);
    assert_int_equal(uart_read(&uart, 5), 0x60);
}

/* A break is a byte of 0, of which the line status tells when it is the next one, once. */
static void uart_hears_breaks(void **state)
{
    (void)state;
    uart_write(&uart, 2, 1);
    uart_write(&uart, 4, 8);
    uart_write(&uart, 1, 4); /* line status only */
    uart_receive(&uart, 'a');
    assert_false(irq);
    assert_true(uart_break(&uart));
    assert_false(irq); /* 'a' comes first */
    assert_int_equal(uart_read(&uart, 5), 0xe1);
    assert_int_equal(uart_read(&uart, 0), 'a');
    assert_true(irq);
    assert_int_equal(uart_read(&uart, 2), 0xc6);
    assert_int_equal(uart_read(&uart, 5), 0xf1);
    assert_false(irq);
    assert_int_equal(uart_read(&uart, 5), 0x61);
    assert_int_equal(uart_read(&uart, 0), 0);
    assert_int_equal(uart_read(&uart, 5), 0x60);
    assert_true(uart_break(&uart));
    assert_int_equal(uart_read(&uart, 0), 0); /* read without a look */
    uart_receive(&uart, 'b');
    assert_int_equal(uart_read(&uart, 5), 0x61);
    assert_true(uart_break(&uart));
    uart_write(&uart, 2, 3); /* clears the FIFO */
    uart_receive(&uart, 'c');
    assert_int_equal(uart_read(&uart, 5), 0x61);
    for (unsigned i = 0; i < 15; i++)
        assert_true(uart_break(&uart));
    assert_false(uart_break(&uart)); /* full */
    uart_write(&uart, 4, 0x18);
    uart_read(&uart, 0);
    assert_false(uart_break(&uart)); /* in loopback */
}

static void uart_out2_gates(void **state)
{
    (void)state;
    uart_write(&uart, 4, 0);
    uart_write(&uart, 1, 1);
    uart_receive(&uart, 'x');
    assert_false(irq);
    uart_write(&uart, 4, 8);
    assert_true(irq);
    uart_reset(&uart);
    assert_false(irq);
    assert_int_equal(uart_read(&uart, 4), 0);
}

static void uart_loops_back(void **state)
{
    (void)state;
    uart_write(&uart, 4, 0x1a); /* loop, OUT2, RTS: Linux's autoconfiguration */
    assert_int_equal(uart_read(&uart, 6) & 0xf0, 0x90);
    uart_write(&uart, 0, 0x42);
    assert_int_equal(sent_count, 0);
    assert_false(uart_receive(&uart, 'x'));
    assert_int_equal(uart_read(&uart, 5), 0x61);
    uart_write(&uart, 0, 0x43);
    assert_int_equal(uart_read(&uart, 5), 0x63); /* overrun: no FIFO */
    assert_int_equal(uart_read(&uart, 5), 0x61);
    assert_int_equal(uart_read(&uart, 0), 0x42);
    uart_write(&uart, 4, 0x10);
    assert_int_equal(uart_read(&uart, 6), 0x09); /* CTS and DCD have changed */
    assert_int_equal(uart_read(&uart, 6), 0x00);
}

static void uart_status_interrupts(void **state)
{
    (void)state;
    uart_write(&uart, 1, 0x0c);
    uart_write(&uart, 4, 0x18);
    uart_write(&uart, 0, 1);
    uart_write(&uart, 0, 2);
    assert_int_equal(uart_read(&uart, 2), 0x06); /* line status before modem status */
    uart_read(&uart, 5);
    assert_int_equal(uart_read(&uart, 2), 0x00);
    uart_read(&uart, 6);
    assert_int_equal(uart_read(&uart, 2), 0x01);
    assert_false(irq);
}

/* --- clock --- */

static uint8_t cmos(struct rtc *r, uint8_t index, uint64_t now)
{
    rtc_write(r, 0, index | 0x80, (struct rtc_time){now, 0});
    return rtc_read(r, 1, (struct rtc_time){now, 0});
}

static void set_cmos(struct rtc *r, uint8_t index, uint8_t value, uint64_t now)
{
    rtc_write(r, 0, index, (struct rtc_time){now, 0});
    rtc_write(r, 1, value, (struct rtc_time){now, 0});
}

static void expect_time(struct rtc *r, uint64_t now, uint64_t shown)
{
    time_t t = (time_t)shown;
    struct tm tm;

    gmtime_r(&t, &tm);
    assert_int_equal(cmos(r, 0x00, now), tm.tm_sec);
    assert_int_equal(cmos(r, 0x02, now), tm.tm_min);
    assert_int_equal(cmos(r, 0x04, now), tm.tm_hour);
    assert_int_equal(cmos(r, 0x06, now), tm.tm_wday + 1);
    assert_int_equal(cmos(r, 0x07, now), tm.tm_mday);
    assert_int_equal(cmos(r, 0x08, now), tm.tm_mon + 1);
    assert_int_equal(cmos(r, 0x09, now), tm.tm_year % 100);
    assert_int_equal(cmos(r, 0x32, now), (tm.tm_year + 1900) / 100);
}

static void rtc_calendar(void **state)
{
    static const uint64_t times[] = {0,         68169599,   68169600,   951782399,   951868799,
                                     951868800, 1709251199, 4107542400, 253402300799};
    struct rtc r;

    (void)state;
    rtc_reset(&r, (struct rtc_time){0, 0});
    set_cmos(&r, 0x0b, 0x06, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(times); i++)
        expect_time(&r, times[i], times[i]);
    for (uint64_t t = 0; t < 250000000000; t += 39916801)
        expect_time(&r, t, t);
    expect_time(&r, UINT64_MAX, 253402300799);
}

static void rtc_formats(void **state)
{
    uint64_t evening = 1700000000; /* 2023-11-14 22:13:20 */
    struct rtc r;

    (void)state;
    rtc_reset(&r, (struct rtc_time){0, 0});
    assert_int_equal(cmos(&r, 0x0b, 0), 0x02);
    assert_int_equal(cmos(&r, 0x04, evening), 0x22);
    assert_int_equal(cmos(&r, 0x09, evening), 0x23);
    assert_int_equal(cmos(&r, 0x32, evening), 0x20);
    set_cmos(&r, 0x0b, 0x00, evening);
    assert_int_equal(cmos(&r, 0x04, evening), 0x90);
    assert_int_equal(cmos(&r, 0x04, evening - 10 * 3600), 0x92); /* noon is 12 PM */
    assert_int_equal(cmos(&r, 0x04, evening + 2 * 3600), 0x12);  /* midnight is 12 AM */
    assert_int_equal(cmos(&r, 0x0a, 0), 0x26);
    assert_int_equal(cmos(&r, 0x0d, 0), 0x80);
    set_cmos(&r, 0x0d, 0, 0);
    assert_int_equal(cmos(&r, 0x0d, 0), 0x80);
    set_cmos(&r, 0x0a, 0xff, 0);
    assert_int_equal(cmos(&r, 0x0a, 0), 0x7f);
    set_cmos(&r, 0x7f, 0x5a, 0);
    assert_int_equal(cmos(&r, 0x7f, 0), 0x5a);
    assert_int_equal(rtc_read(&r, 0, (struct rtc_time){0, 0}), 0xff);
}

static void rtc_set(void **state)
{
    uint64_t now = 1700000000;
    struct rtc r;

    (void)state;
    rtc_reset(&r, (struct rtc_time){0, 0});
    set_cmos(&r, 0x0b, 0x86, now); /* stopped, binary */
    set_cmos(&r, 0x00, 1, now);
    set_cmos(&r, 0x02, 2, now + 1);
    set_cmos(&r, 0x04, 3, now + 2);
    set_cmos(&r, 0x07, 29, now + 2);
    set_cmos(&r, 0x08, 2, now + 2);
    set_cmos(&r, 0x09, 0, now + 2);
    assert_int_equal(cmos(&r, 0x00, now + 9), 1);
    set_cmos(&r, 0x0b, 0x06, now + 10);
    expect_time(&r, now + 10, 951793321); /* 2000-02-29 03:02:01 */
    expect_time(&r, now + 75, 951793321 + 65);
    set_cmos(&r, 0x02, 30, now + 10); /* running: takes effect at once */
    expect_time(&r, now + 10, 951793321 + 28 * 60);
    set_cmos(&r, 0x08, 13, now + 10); /* no such month */
    expect_time(&r, now + 10, 951793321 + 28 * 60);
    for (unsigned i = 0; i < 100000; i++) {
        set_cmos(&r, (uint8_t)(i * 7), (uint8_t)(i >> 5), UINT64_MAX - i);
        rtc_read(&r, 1, (struct rtc_time){i, 0});
    }
}

/* --- power --- */

static void power_ports(void **state)
{
    struct power p;

    (void)state;
    power_reset(&p);
    assert_int_equal(power_write(&p, 0x600, 0x34), POWER_OFF);
    assert_int_equal(power_write(&p, 0x600, 0x14), POWER_NONE);
    assert_int_equal(power_write(&p, 0x600, 0x30), POWER_NONE);
    assert_int_equal(power_write(&p, 0x601, 0x34), POWER_NONE);
    assert_int_equal(power_write(&p, 0xcf9, 0x02), POWER_NONE);
    assert_int_equal(power_read(&p, 0xcf9), 2);
    assert_int_equal(power_write(&p, 0xcf9, 0x06), POWER_RESET);
    assert_int_equal(power_write(&p, 0xcf9, 0x0e), POWER_RESET);
    assert_int_equal(power_read(&p, 0x92), 2);
    assert_int_equal(power_write(&p, 0x92, 0x00), POWER_NONE);
    assert_int_equal(power_read(&p, 0x92), 0);
    assert_int_equal(power_write(&p, 0x92, 0x03), POWER_RESET);
    assert_int_equal(power_read(&p, 0x600), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(uart_back_pressure, uart_set_up),
        cmocka_unit_test_setup(uart_detected, uart_set_up),
        cmocka_unit_test_setup(uart_sends, uart_set_up),
        cmocka_unit_test_setup(uart_receives, uart_set_up),
        cmocka_unit_test_setup(uart_hears_breaks, uart_set_up),
        cmocka_unit_test_setup(uart_out2_gates, uart_set_up),
        cmocka_unit_test_setup(uart_loops_back, uart_set_up),
        cmocka_unit_test_setup(uart_status_interrupts, uart_set_up),
        cmocka_unit_test(rtc_calendar),
        cmocka_unit_test(rtc_formats),
        cmocka_unit_test(rtc_set),
        cmocka_unit_test(power_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
