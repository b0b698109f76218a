/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/console.h"

#include "arch/x86/display.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/string.h"
#include "arch/x86/uart16550.h"
#include "core/base/format.h"
#include "core/config/config.h"

#define RING_SIZE    (8 * 1024)
#define WAITING_SIZE 2048
#define PROMPT_SIZE  (CONSOLE_PROMPT + 8)
#define CLEAR_LINE   "\r\033[K\r"
#define PASSING      UINT64_C(500000) /* TSC ticks */
#define QUIET                                                                                    \
    UINT64_C(20000000) /* TSC ticks without output after which an unfinished line is interrupted \
                        */

volatile bool console_backlog;

static const char mark[] = "skerry: "; /* how our own lines begin */
static struct spinlock lock;           /* guards everything below but the flags set once at boot */
static char ring[RING_SIZE];
static unsigned ring_head, ring_tail; /* free-running */
static bool serial, display, prefixes, panicking;
static bool sending_on;            /* the port interrupts when it takes more; the boot CPU's */
static bool line_open;             /* the focused VM has begun a line and not ended it */
static uint64_t last_write;        /* TSC of its last byte */
static char waiting[WAITING_SIZE]; /* whole lines of others that wait for the end of it, in order */
static unsigned waiting_used;
static char prompt[PROMPT_SIZE]; /* the line at the bottom, ended as the terminal needs it */
static unsigned prompt_used;
static struct console_stream *focused;
static console_input *input_handler;

static void take_lock(void)
{
    if (!panicking)
        spin_lock(&lock);
}

static void drop_lock(void)
{
    console_backlog = ring_head != ring_tail || waiting_used;
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

static void emit(const char *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            queue('\r');
        queue(bytes[i]);
    }
    if (display && !serial)
        display_write(bytes, count);
    if (count)
        line_open = bytes[count - 1] != '\n';
}

static void release_waiting(void)
{
    unsigned count = waiting_used;

    waiting_used = 0;
    if (!count)
        return;
    if (line_open)
        emit("\n", 1);
    emit(waiting, count);
}

/* A focused VM that stops in the middle of a line, at a prompt, holds the others up only for so long. */
static bool line_busy(void)
{
    return line_open && !panicking && rdtsc() - last_write < QUIET;
}

static void hide_prompt(void)
{
    if (prompt_used)
        emit(CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
    line_open = false;
}

static void show_prompt(void)
{
    emit(prompt, prompt_used);
    line_open = false; /* nobody has to wait for its end */
}

/* Whole lines of the hypervisor or of a VM in the background. */
static void emit_lines(const char *bytes, unsigned count)
{
    if (prompt_used) {
        hide_prompt();
        emit(bytes, count);
        show_prompt();
        return;
    }
    if (line_busy() && count <= WAITING_SIZE - waiting_used) {
        memcpy(waiting + waiting_used, bytes, count);
        waiting_used += count;
        return;
    }
    release_waiting();
    if (line_open)
        emit("\n", 1);
    emit(bytes, count);
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

void console_write(const char *bytes, unsigned count)
{
    take_lock();
    if (display && serial)
        display_write(bytes, count);
    emit_lines(bytes, count);
    pump();
    drop_lock();
    if (panicking)
        console_flush();
}

static unsigned prefix_length(const struct console_stream *s)
{
    return prefixes ? (unsigned)strlen(s->name) : 0;
}

static void emit_prefix(const struct console_stream *s)
{
    if (!prefixes)
        return;
    emit(s->name, prefix_length(s));
    emit("| ", 2);
}

/* A finished line of a VM in the background. */
static void background_line(struct console_stream *s)
{
    char text[CONFIG_NAME_SIZE + 2 + CONSOLE_LINE + 1];
    unsigned used = prefix_length(s);

    memcpy(text, s->name, used);
    if (prefixes) {
        text[used++] = '|';
        text[used++] = ' ';
    }
    memcpy(text + used, s->line, s->used);
    used += s->used;
    text[used++] = '\n';
    s->used = 0;
    emit_lines(text, used);
}

static void queue_bytes(const struct console_stream *s, const char *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] != '\r' && bytes[i] != '\n' && !line_open)
            emit_prefix(s);
        if (bytes[i] != '\r' || line_open)
            emit(&bytes[i], 1);
    }
    if (!line_open)
        release_waiting();
}

/* What waited because the line might still become one of ours: it does not any more. */
static void put_matched(struct console_stream *s)
{
    queue_bytes(s, mark, s->matched);
    s->matched = 0;
}

/*
 * A guest must not speak in the hypervisor's name: a line of its own that begins like one of ours gets
 * "guest: " put before. While a line may still become one, its bytes wait. True: c is taken.
 */
static bool hold_back(struct console_stream *s, char c)
{
    bool ends = c == '\r' || c == '\n';

    if (!line_open && !s->matched)
        s->harmless = false; /* somebody else has ended its line */
    if (!s->harmless && c == mark[s->matched]) {
        if (++s->matched < sizeof(mark) - 1)
            return true;
        queue_bytes(s, "guest: ", 7);
        put_matched(s);
        s->harmless = true;
        return true;
    }
    put_matched(s);
    s->harmless = !ends;
    return false;
}

static void foreground_byte(struct console_stream *s, char c)
{
    last_write = rdtsc();
    if (!hold_back(s, c))
        queue_bytes(s, &c, 1);
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

/* A byte may become two, and an end of a line brings its beginning along. */
unsigned console_room(void)
{
    unsigned room = RING_SIZE - (ring_head - ring_tail);

    return room > RING_SIZE / 2 ? (room - RING_SIZE / 2) / 2 : 0;
}

void console_guest_end(struct console_stream *s)
{
    take_lock();
    if (s->used)
        background_line(s);
    if (s == focused || !focused) {
        put_matched(s);
        if (line_open)
            emit("\n", 1);
        release_waiting();
    }
    drop_lock();
}

void console_set_prefixes(bool on)
{
    prefixes = on;
}

void console_focus(struct console_stream *s)
{
    take_lock();
    if (focused)
        put_matched(focused);
    if (line_open)
        emit("\n", 1);
    release_waiting();
    focused = s;
    if (s && s->used) {
        queue_bytes(s, s->line, s->used);
        s->used = 0;
    }
    drop_lock();
}

struct console_stream *console_focused(void)
{
    return focused;
}

void console_set_prompt(const char *text, unsigned cursor)
{
    unsigned length = (unsigned)strnlen(text, CONSOLE_PROMPT), shown;
    char drawn[PROMPT_SIZE];

    shown = (unsigned)format(drawn, sizeof(drawn), cursor < length ? "%.*s\033[%uD" : "%.*s", (int)length,
                             text, length - cursor);
    take_lock();
    if (line_open)
        emit("\n", 1);
    if (!prompt_used || shown < prompt_used || memcmp(drawn, prompt, prompt_used)) {
        hide_prompt();
        prompt_used = 0;
    }
    emit(drawn + prompt_used, shown - prompt_used); /* what was typed at its end */
    line_open = false;
    memcpy(prompt, drawn, shown);
    prompt_used = shown;
    pump();
    drop_lock();
}

void console_set_input(console_input *input)
{
    input_handler = input;
}

void console_send_on(void)
{
    sending_on = console_pump();
    uart16550_enable_interrupts(sending_on);
}

static bool take_received(void)
{
    bool any = false;
    uint8_t byte;

    while (uart16550_receive(&byte)) {
        any = true;
        if (input_handler)
            input_handler(byte);
    }
    return any;
}

/* An edge: a byte that comes while the transmitter's interrupt holds the line up makes none, and is found
 * behind console_pump(), which lets the line go. */
void console_interrupt(void *context UNUSED)
{
    take_received();
    do {
        if (!console_pump() && sending_on)
            console_send_on();
    } while (take_received());
}

bool console_pump_queued(void)
{
    bool more;

    take_lock();
    if (!line_busy())
        release_waiting();
    pump();
    more = ring_head != ring_tail;
    drop_lock();
    return more;
}

void console_pump_in_passing(void)
{
    static uint64_t last; /* of any CPU's: a race does no harm */
    uint64_t now = rdtsc();

    if (now - last < PASSING)
        return;
    last = now;
    console_pump();
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
