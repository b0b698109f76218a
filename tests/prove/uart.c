/* SPDX-License-Identifier: BSD-2-Clause */
/* The UART: any accesses, typed bytes and breaks, in any order, above a line that is now busy and now not. */
#include "tests/prove/prove.h"

#include "dev/uart.c"

void main(void);

static bool transmit(void *context, uint8_t byte)
{
    (void)context;
    (void)byte;
    return any_bool();
}

static void set_irq(void *context, bool level)
{
    (void)context;
    (void)level;
}

void main(void)
{
    struct uart u;

    uart_init(&u, transmit, set_irq, NULL);
    while (any_bool()) {
        switch (Frama_C_interval(0, 5)) {
        case 0: uart_read(&u, any32()); break;
        case 1: uart_write(&u, any32(), any8()); break;
        case 2: uart_writable(&u); break;
        case 3: uart_receive(&u, any8()); break;
        case 4: uart_break(&u); break;
        default: uart_reset(&u); break;
        }
    }
}
