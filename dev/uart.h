/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16550A UART as a guest sees it (PC16550D data sheet, "Registers"): FIFOs, interrupts and loopback, but no
 * line: speed and format are kept and have no effect. The transmitter is empty again at once, unless whoever
 * takes the bytes has no room for more.
 */
#pragma once

#include "arch/x86/types.h"

#define UART_BASE      0x3f8 /* of COM1 */
#define UART_FIFO_SIZE 16

/* False: the transmitter stays busy until uart_writable(). May not call back into the UART. */
typedef bool uart_transmit_fn(void *context, uint8_t byte);
typedef void uart_irq_fn(void *context, bool level); /* called on changes only */

struct uart {
    uart_transmit_fn *transmit;
    uart_irq_fn *set_irq;
    void *context;
    uint8_t fifo[UART_FIFO_SIZE];
    uint8_t head, count;
    uint16_t breaks; /* which of them are a break, a bit for each place; until the line status tells */
    bool fifo_enabled;
    bool overrun;
    bool busy;        /* the transmitter */
    bool thr_pending; /* the "transmitter empty" interrupt was not acknowledged yet */
    bool irq;
    uint8_t ier, lcr, mcr, scr, fcr, dll, dlm;
    uint8_t msr_delta;
};

void uart_init(struct uart *u, uart_transmit_fn *transmit, uart_irq_fn *set_irq, void *context);

/* Power-on state; lowers the interrupt. */
void uart_reset(struct uart *u);

/* reg: 0 to 7, others as their low three bits. */
uint8_t uart_read(struct uart *u, unsigned reg);
void uart_write(struct uart *u, unsigned reg, uint8_t value);

/* There is room for what is written next. */
void uart_writable(struct uart *u);

/* A byte arrives from outside. False, and the byte is not taken, while the receiver is full or in loopback.
 */
bool uart_receive(struct uart *u, uint8_t byte);

/* So a break on the line, which comes as a byte of 0 with a bit in the line status. */
bool uart_break(struct uart *u);
