/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's serial port, a 16550 in I/O space or in memory: the hypervisor's console. */
#pragma once

#include "arch/x86/types.h"

/* Where its registers are. */
struct uart_place {
    uint16_t port;               /* of the first one; 0: they are in memory, */
    volatile uint8_t *registers; /* mapped, */
    uint8_t stride, width;       /* a register each so many bytes, read and written by 1, 2 or 4 at a time */
    bool keep_rate; /* its clock is not known: it goes on at the rate that the firmware gave it */
};

/* 115200 8N1 with FIFOs; false when there is no such chip: the one before stays in use. */
bool uart16550_setup(const struct uart_place *place);

/* Of the port that was set up last, in bit/s up to 115200, or 0: as it was before. Nothing may be in flight.
 */
void uart16550_set_rate(uint32_t baud);

/*
 * Writes up to 16 bytes, or one to a chip without FIFO, if the transmitter is empty; returns how many it
 * took. One that takes nothing for long, as the virtual ports of BMCs do while nobody reads, must not stop
 * the machine: what is sent to it is lost from then on, until it takes something again.
 */
unsigned uart16550_send(const char *bytes, unsigned count);

/* True when the last bit has left the wire, or will not for now. */
bool uart16550_idle(void);

/* Takes one received byte; false when there is none. */
bool uart16550_receive(uint8_t *byte);

/* When a byte has come. */
void uart16550_enable_interrupts(void);

/* The port is not used any more. */
void uart16550_leave(void);

/* Every port that was set up, as it was before; idle now, and no longer used. */
void uart16550_put_back(void);
