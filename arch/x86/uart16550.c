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
#define MAX_SETUPS 2 /* COM1, and the one that is asked for */

struct note {
    struct uart_place place;
    uint16_t divisor;
    uint8_t ier, lcr, mcr, fcr, scr;
};

static struct uart_place here;
static bool there;
static unsigned room; /* bytes that an empty transmitter takes */
static uint64_t
    full_since; /* TSC when it had no room for the first time since it took something; 0: it has */
static bool stalled;
static struct note notes[MAX_SETUPS];
static unsigned note_count;

static volatile void *address_of(const struct uart_place *p, unsigned reg)
{
    return p->registers + reg * p->stride;
}

static uint8_t get(const struct uart_place *p, unsigned reg)
{
    if (p->port)
        return inb((uint16_t)(p->port + reg));
    if (p->width == 4)
        return (uint8_t) * (volatile uint32_t *)address_of(p, reg);
    return p->width == 2 ? (uint8_t) * (volatile uint16_t *)address_of(p, reg)
                         : *(volatile uint8_t *)address_of(p, reg);
}

static void put(const struct uart_place *p, unsigned reg, uint8_t value)
{
    if (p->port)
        outb((uint16_t)(p->port + reg), value);
    else if (p->width == 4)
        *(volatile uint32_t *)address_of(p, reg) = value;
    else if (p->width == 2)
        *(volatile uint16_t *)address_of(p, reg) = value;
    else
        *(volatile uint8_t *)address_of(p, reg) = value;
}

static uint16_t read_divisor(const struct uart_place *p, uint8_t lcr)
{
    uint16_t divisor;

    put(p, LCR, lcr | LCR_DLAB);
    divisor = (uint16_t)(get(p, DATA) | get(p, IER) << 8);
    put(p, LCR, lcr);
    return divisor;
}

/* Leaves DLAB behind. */
static void write_divisor(const struct uart_place *p, uint16_t divisor)
{
    put(p, LCR, LCR_DLAB);
    put(p, DATA, (uint8_t)divisor);
    put(p, IER, (uint8_t)(divisor >> 8));
}

static bool has_fifo(const struct uart_place *p)
{
    return (get(p, FCR) & IIR_FIFO) == IIR_FIFO;
}

static const struct note *find_note(const struct uart_place *p)
{
    for (unsigned i = 0; i < note_count; i++) {
        if (notes[i].place.port == p->port && notes[i].place.registers == p->registers)
            return &notes[i];
    }
    return NULL;
}

static void note(const struct uart_place *p, uint8_t scr)
{
    uint8_t lcr = get(p, LCR) & (uint8_t)~LCR_DLAB;

    if (note_count == MAX_SETUPS || find_note(p))
        return;
    put(p, LCR, lcr);
    notes[note_count++] = (struct note){
        .place = *p,
        .divisor = read_divisor(p, lcr),
        .ier = get(p, IER),
        .lcr = lcr,
        .mcr = get(p, MCR),
        .fcr = has_fifo(p) ? FCR_ENABLE : 0,
        .scr = scr,
    };
}

void uart16550_put_back(void)
{
    for (unsigned i = 0; i < note_count; i++) {
        const struct note *n = &notes[i];

        put(&n->place, IER, 0);
        write_divisor(&n->place, n->divisor);
        put(&n->place, LCR, n->lcr);
        put(&n->place, FCR, n->fcr);
        put(&n->place, MCR, n->mcr);
        put(&n->place, SCR, n->scr);
        put(&n->place, IER, n->ier);
    }
    there = false;
}

static uint16_t divisor_before(const struct uart_place *p)
{
    const struct note *n = find_note(p);

    return n && n->divisor ? n->divisor : 1; /* 0: nobody had ever set it */
}

bool uart16550_setup(const struct uart_place *p)
{
    uint8_t scr = get(p, SCR);

    put(p, SCR, 0x5a);
    if (get(p, SCR) != 0x5a || get(p, LSR) == LSR_GONE)
        return false;
    note(p, scr);
    here = *p;
    there = true;
    put(p, IER, 0);
    write_divisor(p, p->keep_rate ? divisor_before(p) : 1);
    put(p, LCR, LCR_8N1);
    put(p, FCR, FCR_ENABLE);
    put(p, MCR, MCR_DTR_RTS | MCR_OUT2);
    room = has_fifo(p) ? FIFO_SIZE : 1;
    return true;
}

void uart16550_leave(void)
{
    there = false;
}

void uart16550_set_rate(uint32_t baud)
{
    uint16_t divisor;

    if (!there)
        return;
    divisor = baud && !here.keep_rate ? (uint16_t)(BASE_BAUD / baud) : divisor_before(&here);
    write_divisor(&here, divisor);
    put(&here, LCR, LCR_8N1);
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
    if (!there)
        return 0;
    count = MIN(count, room);
    if (!(get(&here, LSR) & LSR_THRE))
        return no_room() ? count : 0;
    full_since = 0;
    stalled = false;
    for (unsigned i = 0; i < count; i++)
        put(&here, DATA, (uint8_t)bytes[i]);
    return count;
}

bool uart16550_idle(void)
{
    return !there || stalled || (get(&here, LSR) & LSR_TEMT);
}

bool uart16550_receive(uint8_t *byte)
{
    uint8_t lsr = there ? get(&here, LSR) : LSR_GONE;

    if (lsr == LSR_GONE || !(lsr & LSR_DATA))
        return false;
    *byte = get(&here, DATA);
    return true;
}

void uart16550_enable_interrupts(void)
{
    if (there)
        put(&here, IER, IER_RECEIVE);
}
