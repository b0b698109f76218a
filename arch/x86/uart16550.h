/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's serial port, a 16550 in I/O space: the hypervisor's console. */
#pragma once

#include "arch/x86/types.h"

/* 115200 8N1 with FIFOs; false when there is no such chip at port. */
bool uart16550_setup(uint16_t port);

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

/* Every port that was set up, as it was before; idle now, and no longer used. */
void uart16550_put_back(void);
