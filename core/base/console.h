/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's console: serial port and screen, shared by the hypervisor and the guests.
 *
 * One VM has the focus: its output appears as it comes and it gets the keys. The others' output appears in
 * whole lines, never inside a line of somebody else. With more than one VM every guest line begins with
 * "NAME| ". Output is queued: whoever writes, exits for a timer or has nothing else to do sends what the port
 * takes, so that no guest waits for the wire and none is interrupted for it.
 */
#pragma once

#include "arch/x86/types.h"

#define CONSOLE_LINE 1024

/* One guest's stream. */
struct console_stream {
    const char *name;
    char line[CONSOLE_LINE]; /* the line being collected */
    unsigned used;
    unsigned matched; /* bytes that wait: the line may still pretend to be the hypervisor's */
    bool harmless;    /* it cannot any more */
};

/* serial: I/O port of a 16550, 0 for none. Works from the first instructions on. */
bool console_setup(uint16_t serial);

/* Adds the screen: what was written before is repeated there. */
void console_add_display(void);

/* Hypervisor's own text: whole lines; all sinks. */
void console_write(const char *bytes, unsigned count);

/* One byte of a guest's output. */
void console_guest_output(struct console_stream *stream, uint8_t byte);

/* How many bytes of a guest's output may be queued now without waiting for the wire; about. */
unsigned console_room(void);

/* Ends a stream: what it still holds is shown. */
void console_guest_end(struct console_stream *stream);

/* Several VMs: prefix each guest line with its VM's name. */
void console_set_prefixes(bool on);

/* The stream that gets the keys, or NULL. */
void console_focus(struct console_stream *stream);
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
void console_interrupt(void *context); /* the serial port has received something */

/* Some is queued. */
extern volatile bool console_backlog;
bool console_pump_queued(void);
/* Sends what is queued as far as the port takes it now; true while there is more. The common case costs no
 * lock: code that queues something pumps it as well. */
static inline bool console_pump(void)
{
    return console_backlog && console_pump_queued();
}
/* The same, but rate-limited: for callers that come by often. */
void console_pump_in_passing(void);
/* The port interrupts the boot CPU until all that is queued now is sent, for when nobody else may do it. */
void console_send_on(void);
/* Waits until all is on the wire. */
void console_flush(void);

/* For a panic: from now on no locks, everything is flushed at once. */
void console_panic_mode(void);
