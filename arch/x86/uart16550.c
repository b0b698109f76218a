/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/uart16550.h"

#include "arch/x86/cpu.h"

enum { DATA, IER, FCR, LCR, MCR, LSR, MSR, SCR };

#define LCR_8N1        0x03
#define LCR_DLAB       0x80
#define FCR_ENABLE     0x07 /* and clear both FIFOs, trigger at one byte */
#define MCR_DTR_RTS    0x03
#define MCR_OUT2       0x08 /* lets the interrupt out */
#define LSR_DATA       0x01
#define LSR_THRE       0x20
#define LSR_TEMT       0x40
#define IER_RECEIVE    0x01
#define FIFO_SIZE      16
#define DIVISOR_115200 1

static uint16_t base;

bool uart16550_setup(uint16_t port)
{
    outb(port + SCR, 0x5a);
    if (inb(port + SCR) != 0x5a || inb(port + LSR) == 0xff)
        return false;
    base = port;
    outb(port + IER, 0);
    outb(port + LCR, LCR_DLAB);
    outb(port + DATA, DIVISOR_115200);
    outb(port + IER, 0);
    outb(port + LCR, LCR_8N1);
    outb(port + FCR, FCR_ENABLE);
    outb(port + MCR, MCR_DTR_RTS | MCR_OUT2);
    return true;
}

unsigned uart16550_send(const char *bytes, unsigned count)
{
    if (!base || !(inb(base + LSR) & LSR_THRE))
        return 0;
    count = MIN(count, FIFO_SIZE);
    for (unsigned i = 0; i < count; i++)
        outb(base + DATA, (uint8_t)bytes[i]);
    return count;
}

bool uart16550_idle(void)
{
    return !base || (inb(base + LSR) & LSR_TEMT);
}

bool uart16550_receive(uint8_t *byte)
{
    if (!base || !(inb(base + LSR) & LSR_DATA))
        return false;
    *byte = inb(base + DATA);
    return true;
}

void uart16550_enable_receive_interrupt(void)
{
    if (base)
        outb(base + IER, IER_RECEIVE);
}
