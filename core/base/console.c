/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/console.h"

#include "arch/x86/lapic.h"
#include "arch/x86/percpu.h"
#include "arch/x86/ps2_keyboard.h"
#include "arch/x86/string.h"
#include "arch/x86/uart16550.h"
#include "core/base/format.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "core/base/terminal.h"

#define FIFO 16 /* bytes that the port takes at once */
#define VISITS                                                                                               \
    1000 /* a second, by a CPU that has something to send, or to look for: more than a FIFO needs at 115,200 \
            baud */
#define LEFT_OUT_SIZE 64

static struct spinlock
    lock; /* of the terminal; held for a piece and a FIFO, and by exits only when it is free */
static struct spinlock our_lock; /* of those that write into our ring */
static bool serial, display, panicking;
static bool waiting = true, starting = true;
static unsigned left_out; /* texts of ours */
static console_input *input_handler;
/* The boot CPU's, TSC; 0: never. visit_at: the first of both */
static uint64_t alarm_at, poll_at, visit_at;
static void (*alarm_handler)(void);

static void take_lock(struct spinlock *l)
{
    if (!panicking)
        spin_lock(l);
}

static void drop_lock(struct spinlock *l)
{
    if (!panicking)
        spin_unlock(l);
}

/* --- to the port --- */

/* One FIFO. True: the port took something, and there is more. */
static bool send_some(void)
{
    const char *bytes;
    unsigned n = terminal_next(&bytes, FIFO), taken = n && serial ? uart16550_send(bytes, n) : 0;

    terminal_sent(taken);
    return taken && terminal_has_more(NULL);
}

/* The boot CPU, where it may stand still. */
static bool may_wait(void)
{
    return waiting && (cpu_count == 0 || this_cpu()->id == 0);
}

static uint64_t own_visit(void)
{
    return this_cpu()->id == 0 ? visit_at : 0;
}

static uint64_t soon(void)
{
    return rdtsc() + machine.tsc_hz / VISITS;
}

/* 0 is never. */
static uint64_t first_of(uint64_t a, uint64_t b)
{
    return MIN(a - 1, b - 1) + 1;
}

static void come_back(bool more)
{
    uint64_t at = first_of(more ? soon() : 0, own_visit());

    this_cpu()->sends = at != 0;
    lapic_timer_set(TIMER_CONSOLE, at);
}

void console_set_alarm(uint64_t tsc, void (*alarm)(void))
{
    ASSERT(this_cpu()->id == 0 && (alarm || !tsc));
    alarm_handler = alarm;
    alarm_at = tsc;
    visit_at = first_of(alarm_at, poll_at);
    come_back(terminal_has_more(this_cpu()));
}

static void sound_alarm(void)
{
    if (!alarm_at || rdtsc() < alarm_at)
        return;
    alarm_at = 0;
    alarm_handler();
}

static void poll(void)
{
    if (!poll_at || rdtsc() < poll_at)
        return;
    console_take_keys();
    poll_at = soon();
}

static void visit(void)
{
    if (!own_visit())
        return;
    sound_alarm();
    poll();
    visit_at = first_of(alarm_at, poll_at);
}

static void send_all(void)
{
    bool on = true;

    while (on) {
        take_lock(&lock);
        on = send_some();
        if (!on && starting)
            terminal_draw();
        drop_lock(&lock);
    }
}

void console_idle(void)
{
    if (this_cpu()->id || !spin_try(&lock))
        return;
    terminal_draw();
    spin_unlock(&lock);
}

/* True: there is more of this CPU's, or somebody else is sending. */
static bool try_to_send(bool tell)
{
    bool more;

    if (!spin_try(&lock))
        return true;
    send_some();
    if (tell)
        terminal_tell_writers();
    more = terminal_has_more(this_cpu());
    spin_unlock(&lock);
    return more;
}

/* Of what has just been said. This CPU looks after the rest. */
static void send_now(void)
{
    bool more;

    if (may_wait()) {
        send_all();
        return;
    }
    more = try_to_send(false);
    if (more != this_cpu()->sends || own_visit())
        come_back(more);
}

void console_timer(void)
{
    if (!this_cpu()->sends)
        return;
    if (rdtsc() < this_cpu()->timer_deadlines[TIMER_CONSOLE]) {
        lapic_timer_go_on(); /* it came for another user, or a little early */
        return;
    }
    visit();
    come_back(try_to_send(true));
}

void console_set_waiting(bool on)
{
    waiting = on;
    if (on)
        return;
    starting = false;
    send_now();
}

static bool all_sent(void)
{
    bool more;

    take_lock(&lock);
    send_some();
    more = terminal_has_more(NULL);
    if (!more)
        more = terminal_draw();
    drop_lock(&lock);
    return !more && uart16550_idle();
}

void console_flush(void)
{
    while (serial && !all_sent())
        ;
}

/* --- the hypervisor --- */

/* Before there are CPUs the boot CPU waits until all is sent. */
static const struct cpu *keeper(void)
{
    return cpu_count ? this_cpu() : NULL;
}

static void put_ours(const char *bytes, unsigned count)
{
    uint64_t now = rdtsc();

    terminal_ours.keeper = keeper();
    for (unsigned i = 0; i < count; i++)
        ring_put(&terminal_ours, bytes[i], now, i == 0);
}

static void put_left_out(void)
{
    char text[LEFT_OUT_SIZE];

    if (!left_out)
        return;
    put_ours(text, (unsigned)format(text, sizeof(text), "skerry: %u lines were left out here\n", left_out));
    left_out = 0;
}

static bool put_or_leave_out(const char *bytes, unsigned count)
{
    bool fits;

    take_lock(&our_lock);
    fits = ring_room(&terminal_ours) >= count + (left_out ? LEFT_OUT_SIZE : 0);
    if (fits) {
        put_left_out();
        put_ours(bytes, count);
    } else if (!may_wait() && !panicking) {
        left_out++;
        fits = true;
    }
    drop_lock(&our_lock);
    return fits;
}

void console_write(const char *bytes, unsigned count)
{
    while (!put_or_leave_out(bytes, count)) {
        send_now();
        if (!panicking && !starting)
            let_interrupts_in();
    }
    if (panicking)
        console_flush();
    else
        send_now();
}

bool console_setup(const struct uart_place *place)
{
    if (!uart16550_setup(place))
        return false;
    serial = true;
    terminal_use(serial, display);
    return true;
}

bool console_leave_port(void)
{
    if (!display)
        return false;
    console_flush();
    serial = false;
    uart16550_leave();
    terminal_use(serial, display);
    return true;
}

void console_add_display(void)
{
    take_lock(&lock);
    display = true;
    terminal_use(serial, display);
    terminal_repeat();
    drop_lock(&lock);
}

void console_panic_mode(void)
{
    panicking = true;
    terminal_panic();
}

/* --- guests --- */

void console_add(struct console_stream *s)
{
    s->ring = (struct console_ring){
        .bytes = s->bytes, .marks = s->marks, .size = CONSOLE_RING, .mark_count = CONSOLE_MARKS};
    s->starts = true;
    take_lock(&lock);
    terminal_add(s);
    drop_lock(&lock);
}

void console_remove(struct console_stream *s)
{
    take_lock(&lock);
    terminal_remove(s);
    drop_lock(&lock);
}

unsigned console_room(const struct console_stream *s)
{
    return ring_room(&s->ring);
}

static char last_of(const struct console_ring *r)
{
    return r->bytes[(r->head - 1) % CONSOLE_RING];
}

static void put_guest(struct console_stream *s, char c)
{
    s->ring.keeper = this_cpu();
    ring_put(&s->ring, c, rdtsc(), !ring_used(&s->ring) || last_of(&s->ring) == '\n');
}

static bool has_room(struct console_stream *s)
{
    bool room = ring_room(&s->ring) >= CONSOLE_RESERVE;

    if (!room)
        __atomic_store_n(&s->starved, true, __ATOMIC_RELEASE);
    return room;
}

bool console_guest_output(struct console_stream *s, uint8_t byte)
{
    bool room;

    spin_lock(&s->lock);
    if (ring_room(&s->ring))
        put_guest(s, (char)byte);
    else
        s->lost++;
    room = has_room(s);
    spin_unlock(&s->lock);
    send_now();
    return room;
}

unsigned console_guest_write(struct console_stream *s, const char *bytes, unsigned count)
{
    spin_lock(&s->lock);
    count = has_room(s) ? MIN(count, ring_room(&s->ring) - CONSOLE_RESERVE) : 0;
    for (unsigned i = 0; i < count; i++)
        put_guest(s, bytes[i]);
    has_room(s);
    spin_unlock(&s->lock);
    send_now();
    return count;
}

void console_guest_lose(struct console_stream *s, uint64_t count)
{
    spin_lock(&s->lock);
    s->lost += count;
    spin_unlock(&s->lock);
}

void console_guest_end(struct console_stream *s)
{
    struct console_ring *r = &s->ring;

    spin_lock(&s->lock);
    if (r->head && last_of(r) != '\n') {
        r->head -= ring_room(r) == 0;
        put_guest(s, '\n');
    }
    spin_unlock(&s->lock);
    send_now();
}

void console_set_prefixes(bool on)
{
    terminal_set_prefixes(on);
}

void console_focus(struct console_stream *s)
{
    take_lock(&lock);
    terminal_focus(s);
    drop_lock(&lock);
    send_now();
}

struct console_stream *console_focused(void)
{
    return terminal_focused();
}

void console_set_prompt(const char *text, unsigned cursor)
{
    take_lock(&lock);
    terminal_set_prompt(text, cursor);
    drop_lock(&lock);
    send_now();
}

/* --- keys --- */

void console_set_input(console_input *input)
{
    input_handler = input;
}

void console_poll(bool on)
{
    ASSERT(this_cpu()->id == 0);
    poll_at = on ? soon() : 0;
    visit_at = first_of(alarm_at, poll_at);
    come_back(terminal_has_more(this_cpu()));
}

bool console_take_keys(void)
{
    uint8_t byte;
    bool any = false;

    while (uart16550_receive(&byte) || ps2_keyboard_receive(&byte)) {
        any = true;
        if (input_handler)
            input_handler(byte);
    }
    return any;
}
