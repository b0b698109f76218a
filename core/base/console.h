/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's console: serial port and screen, shared by the hypervisor and the guests.
 *
 * Each speaker has a ring of its own: the hypervisor, and each VM. Whoever has said something sends what the
 * port takes now, at most one FIFO of it, and its CPU comes back each millisecond until its words are sent:
 * nobody waits for the wire, and no CPU is interrupted for the words of a VM that does not run there. A VM
 * whose ring is full waits for its own transmitter to become empty; what it writes all the same is lost, and
 * counted.
 *
 * One VM has the focus: its output appears as it comes and it gets the keys. The others' output appears in
 * whole lines of printable characters, never inside a line of somebody else. With more than one VM every
 * guest line begins with "NAME| ".
 */
#pragma once

#include "arch/x86/percpu.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/uart16550.h"

#define CONSOLE_RING  4096 /* bytes of a VM that wait for the wire */
#define CONSOLE_LINE  1024 /* a longer line of a VM is cut while others wait */
#define CONSOLE_MARKS 64   /* lines among them whose time is known; those behind have that of the last */

/* When the bytes up to a place were written. */
struct console_mark {
    uint64_t at; /* TSC */
    unsigned end;
};

/* One side puts, the other one takes; all counts run freely. */
struct console_ring {
    char *bytes;
    struct console_mark *marks;
    unsigned size, mark_count; /* of both: powers of two */
    unsigned head, tail;
    unsigned mark_head, mark_tail;
    unsigned ends, ends_taken; /* line ends among them */
    const struct cpu *keeper;  /* that put the last of them, and comes back to send them */
};

/* One guest's stream. */
struct console_stream {
    const char *name;
    struct console_ring ring;
    char bytes[CONSOLE_RING];
    struct console_mark marks[CONSOLE_MARKS];
    struct spinlock lock;            /* of those that write */
    uint64_t lost;                   /* bytes written into the full ring */
    void (*writable)(void *context); /* there is room again, see console_guest_output() */
    void *context;
    bool starved;                         /* it was told that there is none */
    bool starts, returned;                /* what it says next may begin a line on the terminal; by its CR */
    enum { PLAIN, ESCAPE, CSI } sequence; /* of the terminal's, that it is in the middle of */
    struct console_stream *next;
};

/* With a serial port, from the first instructions on. False: there is none, and all stays as it was. */
bool console_setup(const struct uart_place *place);

/* The screen alone from now on. False: there is none. */
bool console_leave_port(void);

/* Adds the screen: what was written before is repeated there. Beside a port it shows the hypervisor's lines,
 * drawn by the boot CPU alone, while it starts, has nothing to do, or ends: a line more can mean the whole
 * screen. */
void console_add_display(void);
void console_idle(void); /* about to halt */

/*
 * Hypervisor's own text: whole lines; all sinks. While the console may wait, it waits for room; else a text
 * for which there is none is left out, and a line says how many were.
 */
void console_write(const char *bytes, unsigned count);

/* Whether console_write() on the boot CPU may wait for the wire: before VMs run, and in the monitor. */
void console_set_waiting(bool on);

/* A stream with its name, in the order in which they speak. writable may be NULL. */
void console_add(struct console_stream *s);
void console_remove(struct console_stream *s);

/* Less room than this, and a guest's transmitter is not empty. */
#define CONSOLE_RESERVE 512

/*
 * One byte of a guest's output. False: there is less than CONSOLE_RESERVE left, or the byte was lost;
 * writable(context) is called when there is room again, by any CPU.
 */
bool console_guest_output(struct console_stream *s, uint8_t byte);

/* As many of them as there is room for beside CONSOLE_RESERVE, which is the transmitter's: how many. Several
 * CPUs of a guest may write at once. */
unsigned console_guest_write(struct console_stream *s, const char *bytes, unsigned count);

/* So many that there was no room for are not written at all. */
void console_guest_lose(struct console_stream *s, uint64_t count);

/* How many bytes of a guest's output may be queued now. */
unsigned console_room(const struct console_stream *s);

/* Ends what a stream has begun to say: it is shown. */
void console_guest_end(struct console_stream *s);

/* Several VMs: prefix each guest line with its VM's name. */
void console_set_prefixes(bool on);

/* The stream that gets the keys, or NULL. One that was not added is the hypervisor's: its lines then do not
 * wait for much that guests have said before. */
void console_focus(struct console_stream *s);
struct console_stream *console_focused(void);

/*
 * A line that stays below all others, drawn anew: the monitor's. text "": none. cursor: from its first
 * character. Only while no guest's stream has the focus.
 */
#define CONSOLE_PROMPT 160
void console_set_prompt(const char *text, unsigned cursor);

/* A typed byte, and where it goes: called on the boot CPU with interrupts off. */
typedef void console_input(uint8_t byte);
void console_set_input(console_input *input);
bool console_take_keys(void); /* all that were typed; false: there was none */

/* On the boot CPU, where no interrupt tells of keys: it looks for them a thousand times a second. */
void console_poll(bool on);

/* The timer that this CPU set for the console may have come. */
void console_timer(void);

/* On the boot CPU: alarm is called there at this TSC, once, with interrupts off, whatever its guest does. 0:
 * not any more. */
void console_set_alarm(uint64_t tsc, void (*alarm)(void));

/* Waits until all is on the wire. */
void console_flush(void);

/* For a panic: from now on no locks, and the hypervisor's text alone, which is flushed at once. */
void console_panic_mode(void);
