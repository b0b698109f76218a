/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550A UART: registers, receive FIFO, interrupt priorities, loopback. */
#include "dev/uart.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR, THR = RBR, FCR = IIR, DLL = RBR, DLM = IER };
enum { IER_RECEIVED = 1, IER_THR_EMPTY = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_MODEM = 0, IIR_NONE = 1, IIR_THR_EMPTY = 2, IIR_RECEIVED = 4, IIR_LINE = 6, IIR_FIFO = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RECEIVED = 2 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16 };
enum {
    LSR_READY = 1,
    LSR_OVERRUN = 2,
    LSR_BREAK = 0x10,
    LSR_THR_EMPTY = 0x20,
    LSR_IDLE = 0x40,
    LSR_FIFO_ERROR = 0x80
};
enum { MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

static unsigned capacity(const struct uart *u)
{
    return u->fifo_enabled ? UART_FIFO_SIZE : 1;
}

static uint16_t place_bit(unsigned place)
{
    return (uint16_t)(1u << place % UART_FIFO_SIZE);
}

/* Of the byte that is read next. */
static bool is_break(const struct uart *u)
{
    return u->count > 0 && (u->breaks & place_bit(u->head));
}

/* The cause of highest priority, as IIR shows it. Received data count from the first byte: no timeout needed.
 */
static uint8_t cause(const struct uart *u)
{
    if ((u->ier & IER_LINE) && (u->overrun || is_break(u)))
        return IIR_LINE;
    if ((u->ier & IER_RECEIVED) && u->count > 0)
        return IIR_RECEIVED;
    if ((u->ier & IER_THR_EMPTY) && u->thr_pending)
        return IIR_THR_EMPTY;
    if ((u->ier & IER_MODEM) && u->msr_delta != 0)
        return IIR_MODEM;
    return IIR_NONE;
}

/* In loopback the interrupt line is disconnected from OUT2, and so from the outside. */
static void update_irq(struct uart *u)
{
    bool level = cause(u) != IIR_NONE && (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    if (level == u->irq)
        return;
    u->irq = level;
    u->set_irq(u->context, level);
}

static void clear_received(struct uart *u)
{
    u->head = 0;
    u->count = 0;
    u->breaks = 0;
}

static bool push_byte(struct uart *u, uint8_t byte)
{
    if (u->count >= capacity(u))
        return false;
    u->fifo[(u->head + u->count++) % UART_FIFO_SIZE] = byte;
    return true;
}

static uint8_t pop(struct uart *u)
{
    uint8_t byte = u->fifo[u->head % UART_FIFO_SIZE];

    if (u->count == 0)
        return 0;
    u->breaks &= (uint16_t)~place_bit(u->head);
    u->head = (u->head + 1) % UART_FIFO_SIZE;
    u->count--;
    return byte;
}

/* The modem inputs: all there, or in loopback the outputs. */
static uint8_t modem_lines(const struct uart *u)
{
    if (!(u->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                     (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static uint8_t read_iir(struct uart *u)
{
    uint8_t value = cause(u);

    if (value == IIR_THR_EMPTY)
        u->thr_pending = false;
    return value | (u->fifo_enabled ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct uart *u)
{
    uint8_t value = u->busy ? 0 : LSR_THR_EMPTY | LSR_IDLE;

    value |= (uint8_t)((u->count > 0 ? LSR_READY : 0) | (u->overrun ? LSR_OVERRUN : 0) |
                       (is_break(u) ? LSR_BREAK : 0) | (u->breaks && u->fifo_enabled ? LSR_FIFO_ERROR : 0));
    u->overrun = false;
    if (is_break(u))
        u->breaks &= (uint16_t)~place_bit(u->head);
    return value;
}

static uint8_t read_msr(struct uart *u)
{
    uint8_t value = modem_lines(u) | u->msr_delta;

    u->msr_delta = 0;
    return value;
}

uint8_t uart_read(struct uart *u, unsigned reg)
{
    bool dlab = u->lcr & LCR_DLAB;
    uint8_t value;

    switch (reg & 7) {
    case RBR: value = dlab ? u->dll : pop(u); break;
    case IER: value = dlab ? u->dlm : u->ier; break;
    case IIR: value = read_iir(u); break;
    case LCR: value = u->lcr; break;
    case MCR: value = u->mcr; break;
    case LSR: value = read_lsr(u); break;
    case MSR: value = read_msr(u); break;
    default: value = u->scr; break;
    }
    update_irq(u);
    return value;
}

/* Sent at once, so the transmitter is empty again: the interrupt falls and rises. What is written while it is
 * busy is the receiver's to keep or lose. */
static void write_thr(struct uart *u, uint8_t value)
{
    u->thr_pending = false;
    update_irq(u);
    if (!(u->mcr & MCR_LOOP))
        u->busy = !u->transmit(u->context, value);
    else if (!push_byte(u, value))
        u->overrun = true;
    u->thr_pending = !u->busy;
}

void uart_writable(struct uart *u)
{
    if (!u->busy)
        return;
    u->busy = false;
    u->thr_pending = true;
    update_irq(u);
}

static void write_ier(struct uart *u, uint8_t value)
{
    if (((value & ~u->ier) & IER_THR_EMPTY) && !u->busy)
        u->thr_pending = true;
    u->ier = value & 0x0f;
}

static void write_fcr(struct uart *u, uint8_t value)
{
    bool enable = value & FCR_ENABLE;

    if (enable != u->fifo_enabled || (enable && (value & FCR_CLEAR_RECEIVED)))
        clear_received(u);
    u->fifo_enabled = enable;
    u->fcr = value;
}

static void write_mcr(struct uart *u, uint8_t value)
{
    uint8_t before = modem_lines(u), changed;

    u->mcr = value & 0x1f;
    changed = before ^ modem_lines(u);
    u->msr_delta |= (changed & ~MSR_RI) >> 4;
    if (changed & before & MSR_RI) /* only its end counts */
        u->msr_delta |= MSR_RI >> 4;
}

void uart_write(struct uart *u, unsigned reg, uint8_t value)
{
    bool dlab = u->lcr & LCR_DLAB;

    switch (reg & 7) {
    case THR:
        if (dlab)
            u->dll = value;
        else
            write_thr(u, value);
        break;
    case IER:
        if (dlab)
            u->dlm = value;
        else
            write_ier(u, value);
        break;
    case FCR: write_fcr(u, value); break;
    case LCR: u->lcr = value; break;
    case MCR: write_mcr(u, value); break;
    case SCR: u->scr = value; break;
    default: break; /* LSR and MSR are read-only */
    }
    update_irq(u);
}

bool uart_receive(struct uart *u, uint8_t byte)
{
    if ((u->mcr & MCR_LOOP) || !push_byte(u, byte))
        return false;
    update_irq(u);
    return true;
}

bool uart_break(struct uart *u)
{
    unsigned place = u->head + u->count;

    if ((u->mcr & MCR_LOOP) || !push_byte(u, 0))
        return false;
    u->breaks |= place_bit(place);
    update_irq(u);
    return true;
}

void uart_init(struct uart *u, uart_transmit_fn *transmit, uart_irq_fn *set_irq, void *context)
{
    *u = (struct uart){.transmit = transmit, .set_irq = set_irq, .context = context, .dll = 1};
}

void uart_reset(struct uart *u)
{
    bool raised = u->irq;

    uart_init(u, u->transmit, u->set_irq, u->context);
    if (raised)
        u->set_irq(u->context, false);
}
