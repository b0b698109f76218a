/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O APIC's registers, and the interrupts of the serial port that come through its pin 4. */
#include "lib/guest.h"

#define IOAPIC 0xfec00000u
#define PIN    4
#define VECTOR 0x74
#define MASKED 0x10000u
#define UART   0x3f8
#define LOOP   0x10
#define NORMAL 0x0b

enum { IER_RECEIVED = 1, IER_EMPTY = 2, IIR_NONE = 1, IIR_EMPTY = 2, IIR_RECEIVED = 4 };

const char guest_name[] = "ioapic-uart";

static volatile uint32_t count;
static volatile uint8_t cause;

static uint32_t io_read(unsigned reg)
{
    mmio_write(IOAPIC, reg);
    return mmio_read(IOAPIC + 0x10);
}

static void io_write(unsigned reg, uint32_t value)
{
    mmio_write(IOAPIC, reg);
    mmio_write(IOAPIC + 0x10, value);
}

static void on_uart(struct trap_frame *frame)
{
    (void)frame;
    cause = inb(UART + 2) & 0xf;
    count++;
    apic_write(APIC_EOI, 0);
}

static void open_window(void)
{
    interrupts_on();
    for (volatile unsigned i = 0; i < 50; i++)
        ;
    interrupts_off();
}

static void test_registers(void)
{
    uint32_t version = io_read(1);

    check((version >> 16 & 0xff) == 23 && (version & 0xff) >= 0x11, "version %x", (unsigned)version);
    check(io_read(0x10 + 2 * PIN) & MASKED, "pins start masked");
    io_write(0x11 + 2 * PIN, 0);
    io_write(0x10 + 2 * PIN, MASKED | VECTOR);
    check(io_read(0x10 + 2 * PIN) == (MASKED | VECTOR) && io_read(0x11 + 2 * PIN) == 0,
          "a redirection entry reads back");
    check(io_read(0x10 + 2 * 24) == 0, "no pin 24");
}

static void test_transmit(void)
{
    uint32_t before = count;
    uint8_t after;

    uart_drain();
    outb(UART + 1, IER_EMPTY);
    open_window();
    check(count == before, "a masked pin is silent");
    outb(UART + 1, 0);
    io_write(0x10 + 2 * PIN, VECTOR);
    before = count;
    outb(UART + 1, IER_EMPTY);
    wait_change(&count, before);
    after = inb(UART + 2) & 0xf;
    outb(UART + 1, 0); /* before a word is said, which would cause the next one */
    check(cause == IIR_EMPTY, "transmitter empty, cause %u", cause);
    check(after == IIR_NONE, "reading the cause clears it");
}

/* In loopback the interrupt line is not connected: the cause shows, the interrupt comes when loopback ends.
 */
static void test_loopback(void)
{
    uint32_t before;
    uint8_t byte, seen;
    bool silent;

    uart_drain();
    outb(UART + 4, LOOP | NORMAL);
    outb(UART + 1, IER_RECEIVED);
    before = count;
    outb(UART, 0xa5);
    open_window();
    seen = inb(UART + 2) & 0xf;
    silent = count == before;
    outb(UART + 4, NORMAL);
    open_window();
    byte = inb(UART);
    outb(UART + 1, 0);
    check(seen == IIR_RECEIVED || seen == 0xc, "received data, cause %u", seen);
    check(byte == 0xa5, "loopback byte %x", byte);
    check(silent && count == before + 1, "its interrupt waits for the end of loopback");
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    on_interrupt(VECTOR, on_uart);
    apic_enable();
    test_registers();
    test_transmit();
    test_loopback();
}
