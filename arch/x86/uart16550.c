/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/uart16550.h"

#include "arch/x86/cpu.h"

enum { DATA, IER, FCR, LCR, MCR, LSR, MSR, SCR };

#define LCR_8N1     0x03
#define LCR_DLAB    0x80
#define FCR_ENABLE  0x07 /* and clear both FIFOs, trigger at one byte */
#define MCR_DTR_RTS 0x03
#define MCR_OUT2    0x08 /* lets the interrupt out */
#define LSR_DATA    0x01
#define LSR_THRE    0x20
#define LSR_TEMT    0x40
#define LSR_GONE    0xff /* nobody answers: a BMC takes its UART away while it resets */
#define IER_RECEIVE 0x01
#define STALLED     100000000u /* TSC ticks: 10 ms and more on any CPU, in which a FIFO is sent seven times */
#define BASE_BAUD   115200u    /* by a divisor of 1 */

#define IIR_FIFO   0xc0 /* both: FIFOs are on, and work; a 16550 without A has the upper bit alone */
#define FIFO_SIZE  16
#define MAX_SETUPS 2 /* COM1, and the one of SPCR */

struct note {
    uint16_t port, divisor;
    uint8_t ier, lcr, mcr, fcr, scr;
};

static uint16_t base;
static unsigned room; /* bytes that an empty transmitter takes */
static uint64_t
    full_since; /* TSC when it had no room for the first time since it took something; 0: it has */
static bool stalled;
static struct note notes[MAX_SETUPS];
static unsigned note_count;

static uint16_t read_divisor(uint16_t port, uint8_t lcr)
{
    uint16_t divisor;

    outb(port + LCR, lcr | LCR_DLAB);
    divisor = (uint16_t)(inb(port + DATA) | inb(port + IER) << 8);
    outb(port + LCR, lcr);
    return divisor;
}

/* Leaves DLAB behind. */
static void write_divisor(uint16_t port, uint16_t divisor)
{
    outb(port + LCR, LCR_DLAB);
    outb(port + DATA, (uint8_t)divisor);
    outb(port + IER, (uint8_t)(divisor >> 8));
}

static bool has_fifo(uint16_t port)
{
    return (inb(port + FCR) & IIR_FIFO) == IIR_FIFO;
}

static const struct note *find_note(uint16_t port)
{
    for (unsigned i = 0; i < note_count; i++) {
        if (notes[i].port == port)
            return &notes[i];
    }
    return NULL;
}

static void note(uint16_t port, uint8_t scr)
{
    uint8_t lcr = inb(port + LCR) & (uint8_t)~LCR_DLAB;

    if (note_count == MAX_SETUPS || find_note(port))
        return;
    outb(port + LCR, lcr);
    notes[note_count++] = (struct note){
        .port = port,
        .divisor = read_divisor(port, lcr),
        .ier = inb(port + IER),
        .lcr = lcr,
        .mcr = inb(port + MCR),
        .fcr = has_fifo(port) ? FCR_ENABLE : 0,
        .scr = scr,
    };
}

void uart16550_put_back(void)
{
    for (unsigned i = 0; i < note_count; i++) {
        const struct note *n = &notes[i];

        outb(n->port + IER, 0);
        write_divisor(n->port, n->divisor);
        outb(n->port + LCR, n->lcr);
        outb(n->port + FCR, n->fcr);
        outb(n->port + MCR, n->mcr);
        outb(n->port + SCR, n->scr);
        outb(n->port + IER, n->ier);
    }
    base = 0;
}

bool uart16550_setup(uint16_t port)
{
    uint8_t scr = inb(port + SCR);

    outb(port + SCR, 0x5a);
    if (inb(port + SCR) != 0x5a || inb(port + LSR) == 0xff)
        return false;
    note(port, scr);
    base = port;
    outb(port + IER, 0);
    write_divisor(port, 1);
    outb(port + LCR, LCR_8N1);
    outb(port + FCR, FCR_ENABLE);
    outb(port + MCR, MCR_DTR_RTS | MCR_OUT2);
    room = has_fifo(port) ? FIFO_SIZE : 1;
    return true;
}

void uart16550_set_rate(uint32_t baud)
{
    const struct note *n = find_note(base);
    uint16_t divisor = n ? n->divisor : 0;

    if (!base)
        return;
    if (baud)
        divisor = (uint16_t)(BASE_BAUD / baud);
    write_divisor(base, divisor ? divisor : 1); /* 0: nobody had ever set it */
    outb(base + LCR, LCR_8N1);
}

/* Whether it has had no room for so long that nobody reads at its other end; and that it has none now. */
static bool no_room(void)
{
    uint64_t now = rdtsc();

    if (!full_since)
        full_since = now;
    stalled = now - full_since >= STALLED;
    return stalled;
}

unsigned uart16550_send(const char *bytes, unsigned count)
{
    if (!base)
        return 0;
    count = MIN(count, room);
    if (!(inb(base + LSR) & LSR_THRE))
        return no_room() ? count : 0;
    full_since = 0;
    stalled = false;
    for (unsigned i = 0; i < count; i++)
        outb(base + DATA, (uint8_t)bytes[i]);
    return count;
}

bool uart16550_idle(void)
{
    return !base || stalled || (inb(base + LSR) & LSR_TEMT);
}

bool uart16550_receive(uint8_t *byte)
{
    uint8_t lsr = base ? inb(base + LSR) : LSR_GONE;

    if (lsr == LSR_GONE || !(lsr & LSR_DATA))
        return false;
    *byte = inb(base + DATA);
    return true;
}

void uart16550_enable_interrupts(void)
{
    if (base)
        outb(base + IER, IER_RECEIVE);
}
