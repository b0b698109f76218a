/* SPDX-License-Identifier: BSD-2-Clause */
/* The console and its terminal above a serial port that takes what a test lets it: include it once. */
#pragma once

#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "core/base/console.c"
#include "core/base/terminal.c"

#include <string.h>

/* --- the serial port: takes what fits, and what has left it is the wire --- */

static char wire[256 * 1024];
static unsigned wire_used, room; /* bytes the port takes before it is full */
static bool port_there, port_stuck;
static char screen[128 * 1024];
static unsigned screen_used;

bool uart16550_setup(const struct uart_place *place)
{
    return port_there && place->port == 0x3f8;
}

static const char *typed, *pressed;

unsigned uart16550_send(const char *bytes, unsigned count)
{
    unsigned n = MIN(MIN(count, 16), room);

    if (port_stuck)
        return 0;
    memcpy(wire + wire_used, bytes, n);
    wire_used += n;
    room -= n;
    return n;
}

void uart16550_leave(void)
{
    port_there = false;
}

bool uart16550_idle(void)
{
    return true;
}

bool uart16550_receive(uint8_t *byte)
{
    if (!typed || !*typed)
        return false;
    *byte = (uint8_t)*typed++;
    return true;
}

bool ps2_keyboard_receive(uint8_t *byte)
{
    if (!pressed || !*pressed)
        return false;
    *byte = (uint8_t)*pressed++;
    return true;
}

void display_write(const char *bytes, unsigned count)
{
    memcpy(screen + screen_used, bytes, count);
    screen_used += count;
}

unsigned cpu_count = 1;
struct machine machine = {.tsc_hz = 1000000000};
static struct cpu cpu;
static uint64_t deadline; /* of the timer for the console */
static unsigned UNUSED timer_sets, goes_on;

void lapic_timer_go_on(void)
{
    goes_on++;
}

void lapic_timer_set(enum timer_user user, uint64_t tsc)
{
    assert_int_equal(user, TIMER_CONSOLE);
    cpu.timer_deadlines[user] = deadline = tsc;
    timer_sets++;
}

static const struct uart_place com1 = {.port = 0x3f8};
static struct console_stream a, b, c;

static void clear(struct console_ring *r)
{
    r->head = r->tail = r->ends = r->ends_taken = r->mark_head = r->mark_tail = 0;
}

/* As at boot, with one VM in front. */
static int set_up(void **state)
{
    (void)state;
    fake_this_cpu = &cpu;
    cpu = (struct cpu){.id = 0};
    wire_used = screen_used = made_head = made_tail = prompt_used = drawn_used = left_out = line_length = 0;
    clear(&terminal_ours);
    streams = front = last = speaking = NULL;
    room = UINT32_MAX;
    port_there = waiting = starting = true;
    port_stuck = display = prefixes = panicking = in_panic = line_open = we_speak = false;
    terminal_use(false, false);
    last_shown = deadline = alarm_at = poll_at = visit_at = 0;
    fake_tsc = 1000;
    a = (struct console_stream){.name = "a"};
    b = (struct console_stream){.name = "b"};
    c = (struct console_stream){.name = "c"};
    console_add(&a);
    console_add(&b);
    console_add(&c);
    console_focus(&a);
    serial = false;
    return console_setup(&com1) ? 0 : -1;
}

static void guest(struct console_stream *s, const char *text)
{
    for (; *text; text++)
        console_guest_output(s, (uint8_t)*text);
}

static void host(const char *text)
{
    console_write(text, (unsigned)strlen(text));
}

/* As much as may be shown now. */
static void settle(void)
{
    while (send_some())
        ;
}

/* The wire as a terminal shows it: CR LF and CR CR LF are line ends. */
static void assert_shown(const char *expected)
{
    static char text[sizeof(wire) + 1];
    unsigned n = 0;

    settle();
    for (unsigned i = 0; i < wire_used; i++) {
        if (wire[i] == '\n') {
            assert_true(i > 0 && wire[i - 1] == '\r');
            while (n > 0 && text[n - 1] == '\r')
                n--;
        }
        text[n++] = wire[i];
    }
    text[n] = 0;
    assert_string_equal(text, expected);
}

#define ONE(f) cmocka_unit_test_setup(f, set_up)
