/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/console.h"

#include "arch/x86/display.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/string.h"
#include "arch/x86/uart16550.h"

#define RING_SIZE (16 * 1024)
#define QUIET                                                                                    \
    UINT64_C(20000000) /* TSC ticks without output after which an unfinished line is interrupted \
                        */

static struct spinlock lock; /* guards everything below but the flags set once at boot */
static char ring[RING_SIZE];
static unsigned ring_head, ring_tail; /* free-running */
static bool serial, display, prefixes, panicking;
static bool line_open;      /* the last byte written was not a newline */
static uint64_t last_write; /* TSC of the focused stream's last byte */
static struct console_stream *focused;
static console_input *input_handler;

static void take_lock(void)
{
    if (!panicking)
        spin_lock(&lock);
}

static void drop_lock(void)
{
    if (!panicking)
        spin_unlock(&lock);
}

static void pump(void)
{
    while (ring_head != ring_tail) {
        unsigned at = ring_tail % RING_SIZE, n = MIN(ring_head - ring_tail, RING_SIZE - at);

        n = uart16550_send(ring + at, n);
        if (!n)
            break;
        ring_tail += n;
    }
}

static void queue(char c)
{
    if (!serial)
        return;
    while (ring_head - ring_tail >= RING_SIZE)
        pump();
    ring[ring_head++ % RING_SIZE] = c;
}

static void emit(const char *bytes, unsigned count, bool to_display)
{
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            queue('\r');
        queue(bytes[i]);
    }
    if (display && (to_display || !serial))
        display_write(bytes, count);
    if (count)
        line_open = bytes[count - 1] != '\n';
}

bool console_setup(uint16_t port)
{
    serial = port && uart16550_setup(port);
    return serial;
}

void console_add_display(void)
{
    take_lock();
    display = true;
    for (unsigned i = ring_head > RING_SIZE ? ring_head - RING_SIZE : 0; i != ring_head; i++) {
        if (ring[i % RING_SIZE] != '\r')
            display_write(&ring[i % RING_SIZE], 1);
    }
    drop_lock();
}

static void end_open_line(void)
{
    if (line_open)
        emit("\n", 1, false);
}

void console_write(const char *bytes, unsigned count)
{
    take_lock();
    end_open_line();
    emit(bytes, count, true);
    pump();
    drop_lock();
    if (panicking)
        console_flush();
}

static void emit_prefix(const struct console_stream *s)
{
    if (!prefixes)
        return;
    emit(s->name, (unsigned)strlen(s->name), false);
    emit("| ", 2, false);
}

static void release_held(struct console_stream *s)
{
    if (!s->held_used)
        return;
    end_open_line();
    emit(s->held, s->held_used, false);
    s->held_used = 0;
}

static void hold(struct console_stream *s, const char *bytes, unsigned count)
{
    if (count > sizeof(s->held) - s->held_used)
        release_held(s);
    memcpy(s->held + s->held_used, bytes, count);
    s->held_used += count;
}

/* A finished line of a VM in the background. */
static void background_line(struct console_stream *s)
{
    if (prefixes) {
        hold(s, s->name, (unsigned)strlen(s->name));
        hold(s, "| ", 2);
    }
    hold(s, s->line, s->used);
    hold(s, "\n", 1);
    s->used = 0;
    if (!line_open || rdtsc() - last_write > QUIET)
        release_held(s);
}

static void put(const struct console_stream *s, const char *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] != '\r' && bytes[i] != '\n' && !line_open)
            emit_prefix(s);
        if (bytes[i] != '\r' || line_open)
            emit(&bytes[i], 1, false);
    }
}

/*
 * A guest must not speak in the hypervisor's name: a line of its own that begins like one of ours gets
 * "guest: " put before. While a line may still become one, its bytes wait. True: c is taken.
 */
static bool hold_back(struct console_stream *s, char c)
{
    static const char mark[] = "skerry: ";
    bool ends = c == '\r' || c == '\n';

    if (!s->harmless && c == mark[s->matched]) {
        if (++s->matched < sizeof(mark) - 1)
            return true;
        put(s, "guest: ", 7);
        put(s, mark, s->matched);
        s->matched = 0;
        s->harmless = true;
        return true;
    }
    put(s, mark, s->matched);
    s->matched = 0;
    s->harmless = !ends;
    return false;
}

static void foreground_byte(struct console_stream *s, char c)
{
    release_held(s);
    last_write = rdtsc();
    if (!hold_back(s, c))
        put(s, &c, 1);
}

void console_guest_output(struct console_stream *s, uint8_t byte)
{
    char c = (char)byte;

    take_lock();
    if (s == focused || !focused) {
        foreground_byte(s, c);
    } else if (c == '\n' || s->used == CONSOLE_LINE) {
        background_line(s);
        if (c != '\n')
            s->line[s->used++] = c;
    } else if (c != '\r') {
        s->line[s->used++] = c;
    }
    pump();
    drop_lock();
}

void console_guest_end(struct console_stream *s)
{
    take_lock();
    if (s->used)
        background_line(s);
    end_open_line();
    release_held(s);
    drop_lock();
}

void console_set_prefixes(bool on)
{
    prefixes = on;
}

void console_focus(struct console_stream *s)
{
    take_lock();
    end_open_line();
    focused = s;
    if (s) {
        release_held(s);
        if (s->used) {
            emit_prefix(s);
            emit(s->line, s->used, false);
            s->used = 0;
        }
    }
    drop_lock();
}

struct console_stream *console_focused(void)
{
    return focused;
}

void console_set_input(console_input *input)
{
    input_handler = input;
}

void console_interrupt(void)
{
    uint8_t byte;

    while (uart16550_receive(&byte)) {
        if (input_handler)
            input_handler(byte);
    }
    console_pump();
}

bool console_pump(void)
{
    bool more;

    take_lock();
    pump();
    more = ring_head != ring_tail;
    drop_lock();
    return more;
}

void console_flush(void)
{
    while (serial && (ring_head != ring_tail || !uart16550_idle()))
        pump();
}

void console_panic_mode(void)
{
    panicking = true;
}
