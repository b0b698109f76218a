/* SPDX-License-Identifier: BSD-2-Clause */
/* One wire, several speakers: what the terminal shows. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "core/base/console.c"

#include <string.h>

/* --- the serial port: takes what fits, and what has left it is the wire --- */

static char wire[256 * 1024];
static unsigned wire_used, room; /* bytes the port takes before it is full */
static bool port_there, port_stuck;
static char screen[128 * 1024];
static unsigned screen_used;

bool uart16550_setup(uint16_t port)
{
    return port_there && port == 0x3f8;
}

static const char *typed, *typed_meanwhile; /* the second comes while the port sends */

unsigned uart16550_send(const char *bytes, unsigned count)
{
    unsigned n = MIN(MIN(count, 16), room);

    if (port_stuck)
        return 0;
    memcpy(wire + wire_used, bytes, n);
    wire_used += n;
    room -= n;
    if (n && typed_meanwhile) {
        typed = typed_meanwhile;
        typed_meanwhile = NULL;
    }
    return n;
}

bool uart16550_idle(void)
{
    return true;
}

static bool transmit_interrupts;

void uart16550_enable_interrupts(bool transmit)
{
    transmit_interrupts = transmit;
}

bool uart16550_receive(uint8_t *byte)
{
    if (!typed || !*typed)
        return false;
    *byte = (uint8_t)*typed++;
    return true;
}

void display_write(const char *bytes, unsigned count)
{
    memcpy(screen + screen_used, bytes, count);
    screen_used += count;
}

static struct console_stream a, b, c;

static int set_up(void **state)
{
    (void)state;
    wire_used = screen_used = ring_head = ring_tail = waiting_used = prompt_used = 0;
    room = UINT32_MAX;
    port_there = true;
    serial = display = prefixes = panicking = line_open = false;
    focused = NULL;
    last_write = 0;
    fake_tsc = 1000;
    a = (struct console_stream){.name = "a"};
    b = (struct console_stream){.name = "b"};
    c = (struct console_stream){.name = "c"};
    return console_setup(0x3f8) ? 0 : -1;
}

/* Two VMs, a in front. */
static int set_up_two(void **state)
{
    set_up(state);
    console_set_prefixes(true);
    console_focus(&a);
    return 0;
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

/* The wire as a terminal shows it: CR LF and CR CR LF are line ends. */
static void assert_shown(const char *expected)
{
    static char text[sizeof(wire) + 1];
    unsigned n = 0;

    while (console_pump())
        ;
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

static void one_guest(void **state)
{
    (void)state;
    console_focus(&a);
    host("skerry: hello\n");
    guest(&a, "one\r\ntwo\r\n# ");
    assert_shown("skerry: hello\none\ntwo\n# ");
}

/* The hypervisor's lines wait for the end of the one in front like everybody's. */
static void host_lines_begin_lines(void **state)
{
    (void)state;
    console_focus(&a);
    guest(&a, "login: ");
    host("skerry: note\n");
    guest(&a, "root\n");
    host("skerry: more\n");
    assert_shown("login: root\nskerry: note\nskerry: more\n");
}

static void prefixes_of_two(void **state)
{
    (void)state;
    guest(&a, "x\r\n\r\ny");
    guest(&b, "background\r\n");
    host("skerry: note\n");
    guest(&a, "z\n");
    assert_shown("a| x\n\na| yz\nb| background\nskerry: note\n");
}

static void background_comes_in_lines(void **state)
{
    (void)state;
    guest(&b, "half");
    guest(&a, "front\n");
    guest(&b, " a line\nnext");
    assert_shown("a| front\nb| half a line\n");
    console_guest_end(&b);
    assert_shown("a| front\nb| half a line\nb| next\n");
}

/* A line of somebody else waits while the one in front is in the middle of its own. */
static void open_line_is_kept_whole(void **state)
{
    (void)state;
    guest(&a, "co");
    guest(&b, "one\ntwo\n");
    guest(&a, "unting\n");
    guest(&b, "three\n");
    assert_shown("a| counting\nb| one\nb| two\nb| three\n");
}

/* But not for ever: a prompt may stand there for hours. */
static void quiet_prompt_is_interrupted(void **state)
{
    (void)state;
    guest(&a, "# ");
    fake_tsc += QUIET - 1;
    guest(&b, "one\n");
    host("skerry: note\n");
    assert_shown("a| # ");
    fake_tsc++;
    assert_shown("a| # \nb| one\nskerry: note\n");
    guest(&b, "two\n");
    guest(&a, "ls\n");
    assert_shown("a| # \nb| one\nskerry: note\nb| two\na| ls\n");
}

/* Nor without bound: what waits is kept in so many bytes, and no line of it is torn. */
static void many_lines_wait(void **state)
{
    static char expected[2 * WAITING_SIZE + 400];
    unsigned used = 0;

    (void)state;
    guest(&a, "# ");
    used += (unsigned)sprintf(expected, "a| # \n");
    for (unsigned i = 0; i < 2 * WAITING_SIZE / 60; i++) {
        char line[64];

        sprintf(line, "%05u 0123456789012345678901234567890123456789012345678\n", i);
        guest(i % 2 ? &b : &c, line);
        used += (unsigned)sprintf(expected + used, "%s| %s", i % 2 ? "b" : "c", line);
    }
    guest(&a, "ls\n");
    used += (unsigned)sprintf(expected + used, "a| ls\n");
    assert_shown(expected);
}

static void long_lines_are_cut(void **state)
{
    char text[2 * CONSOLE_LINE + 4], *p = text;

    (void)state;
    memset(text, 'x', sizeof(text));
    strcpy(text + CONSOLE_LINE + 1, "y\n");
    guest(&b, text);
    while (console_pump())
        ;
    p = memchr(wire, '\n', wire_used);
    assert_int_equal(p - wire, 3 + CONSOLE_LINE + 1);
    assert_memory_equal(p + 1, "b| xy\r\n", 7);
}

static void focus_moves(void **state)
{
    (void)state;
    guest(&a, "a's prompt");
    guest(&b, "b's prompt");
    console_focus(&b);
    guest(&b, ">");
    guest(&a, " goes on\n");
    guest(&b, " done\n");
    guest(&a, "more\n");
    assert_shown("a| a's prompt\nb| b's prompt> done\na|  goes on\na| more\n");
    assert_ptr_equal(console_focused(), &b);
}

static void nobody_in_front(void **state)
{
    (void)state;
    console_focus(NULL);
    guest(&a, "still\n");
    assert_shown("a| still\n");
}

static void no_forged_lines(void **state)
{
    (void)state;
    console_set_prefixes(false);
    guest(&a, "skerry: power off\n");
    guest(&a, "skerrx\nskerry\nx skerry: no\n\rskerry: panic on CPU 0\nsskerry: x\n");
    assert_shown("guest: skerry: power off\nskerrx\nskerry\nx skerry: no\nguest: skerry: panic on CPU "
                 "0\nsskerry: x\n");
}

/* Whatever two guests and the host say: each line has one speaker, and nobody's words get lost or swapped. */
/* A line of ours that cuts the guest's own in two does not give it a line's beginning for free. */
static void no_forged_line_after_a_cut(void **state)
{
    (void)state;
    guest(&a, "x");
    fake_tsc += UINT64_C(1) << 40;
    host("skerry: note\n");
    guest(&a, "skerry: power off\n");
    assert_shown("x\nskerry: note\nguest: skerry: power off\n");
}

static void what_waits_is_shown_at_the_end(void **state)
{
    (void)state;
    guest(&a, "sk");
    console_guest_end(&a);
    assert_shown("sk\n");
}

static void random_conversation(void **state)
{
    static char said[2][64 * 1024], heard[2][64 * 1024], text[sizeof(wire) + 1];
    unsigned said_n[2] = {0}, heard_n[2] = {0}, hosts = 0, n = 0;
    struct console_stream *const streams[] = {&a, &b};

    (void)state;
    srand(11);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned who = (unsigned)rand() % 2;
        char byte = rand() % 12 ? (char)('a' + rand() % 18) : '\n';

        fake_tsc += (uint64_t)rand() % 100000;
        if (rand() % 400 == 0)
            console_focus(streams[rand() % 2]);
        if (rand() % 200 == 0) {
            host("skerry: note\n");
            hosts++;
        }
        said[who][said_n[who]++] = byte;
        console_guest_output(streams[who], (uint8_t)byte);
    }
    console_guest_end(&a);
    console_guest_end(&b);
    while (console_pump())
        ;
    for (unsigned i = 0; i < wire_used; i++) {
        if (wire[i] != '\r')
            text[n++] = wire[i];
    }
    text[n] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned who = line[0] == 'b';
        size_t length = strlen(line);

        if (!strcmp(line, "skerry: note")) {
            hosts--;
            continue;
        }
        assert_true((line[0] == 'a' || line[0] == 'b') && line[1] == '|' && line[2] == ' ');
        memcpy(heard[who] + heard_n[who], line + 3, length - 3);
        heard_n[who] += (unsigned)length - 3;
    }
    assert_int_equal(hosts, 0);
    for (unsigned who = 0; who < 2; who++) {
        unsigned letters = 0;

        for (unsigned i = 0; i < said_n[who]; i++) {
            if (said[who][i] != '\n')
                said[who][letters++] = said[who][i];
        }
        assert_int_equal(heard_n[who], letters);
        assert_memory_equal(heard[who], said[who], letters);
    }
}

/* A port that takes nothing now: the writer does not wait, and nothing is lost once it does. */
static void slow_port(void **state)
{
    (void)state;
    console_focus(&a);
    room = 3;
    guest(&a, "0123456789\n");
    assert_int_equal(wire_used, 3);
    assert_true(console_pump());
    room = UINT32_MAX;
    assert_false(console_pump());
    assert_shown("0123456789\n");
}

static void no_port(void **state)
{
    (void)state;
    port_there = false;
    assert_false(console_setup(0x3f8));
    assert_false(console_setup(0));
    display = true;
    console_focus(&a);
    host("skerry: hello\n");
    guest(&a, "on screen\n");
    assert_int_equal(wire_used, 0);
    assert_memory_equal(screen, "skerry: hello\non screen\n", 24);
    assert_false(console_pump());
    console_flush();
}

/* The screen gets what was said before it was there, and then the hypervisor's lines only. */
static void screen_catches_up(void **state)
{
    (void)state;
    host("skerry: one\n");
    console_add_display();
    host("skerry: two\n");
    guest(&a, "guest\n");
    assert_int_equal(screen_used, 24);
    assert_memory_equal(screen, "skerry: one\nskerry: two\n", 24);
    for (unsigned i = 0; i < 2000; i++)
        host("skerry: a long text that fills the ring\n");
    screen_used = 0;
    console_add_display();
    assert_in_range(screen_used, RING_SIZE - 1000, RING_SIZE);
}

static char keys[16];

static void on_input(uint8_t byte)
{
    keys[strlen(keys)] = (char)byte;
}

static void typing(void **state)
{
    (void)state;
    typed = "ab";
    console_set_input(NULL);
    console_interrupt(NULL);
    console_set_input(on_input);
    typed = "\x1cxyz";
    console_interrupt(NULL);
    assert_string_equal(keys, "\x1cxyz");
}

/* Its interrupt is an edge: what comes while the port asks for more to send makes none of its own. */
static void typing_while_it_sends(void **state)
{
    (void)state;
    memset(keys, 0, sizeof(keys));
    console_set_input(on_input);
    room = 1;
    console_write("skerry> ", 8);
    console_send_on();
    assert_true(transmit_interrupts);
    room = 16;
    typed = "b";
    typed_meanwhile = "r";
    console_interrupt(NULL);
    assert_string_equal(keys, "br");
    assert_null(typed_meanwhile);
    assert_false(transmit_interrupts);
}

/* The port asks for more until there is none, and only when somebody wanted that. */
static void port_asks_for_more(void **state)
{
    char text[40];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\n';
    room = 16;
    console_write(text, sizeof(text));
    console_interrupt(NULL);
    assert_false(transmit_interrupts);
    console_send_on();
    assert_true(transmit_interrupts);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(transmit_interrupts);
        assert_true(console_backlog);
        room = 16;
        console_interrupt(NULL);
    }
    assert_false(console_backlog);
    assert_false(transmit_interrupts);
    assert_int_equal(wire_used, sizeof(text) + 1);
}

/* The monitor's line stays below all others, and only what changes at its end is sent. */
static void prompt_stays_below(void **state)
{
    (void)state;
    console_focus(&c);
    guest(&a, "half");
    console_set_prompt("> ", 2);
    console_set_prompt("> h", 3);
    console_set_prompt("> he", 4);
    guest(&a, " a line\n");
    host("skerry: note\n");
    console_set_prompt("> xhe", 3);
    console_set_prompt("> xhey", 4);
    console_set_prompt("", 0);
    guest(&b, "b\n");
    assert_shown("> he\r\033[K\ra| half a line\n> he\r\033[K\rskerry: note\n> he"
                 "\r\033[K\r> xhe\033[2D\r\033[K\r> xhey\033[2D\r\033[K\rb| b\n");
}

/* A panic may come from a CPU that holds the lock. */
static void panic_needs_no_lock(void **state)
{
    (void)state;
    spin_lock(&lock);
    console_panic_mode();
    host("skerry: panic\n");
    spin_unlock(&lock);
    assert_int_equal(ring_head, ring_tail);
    assert_memory_equal(wire, "skerry: panic\r\n", 15);
}

#define ONE(f) cmocka_unit_test_setup(f, set_up)
#define TWO(f) cmocka_unit_test_setup(f, set_up_two)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(one_guest),
        ONE(host_lines_begin_lines),
        TWO(prefixes_of_two),
        TWO(background_comes_in_lines),
        TWO(open_line_is_kept_whole),
        TWO(quiet_prompt_is_interrupted),
        TWO(many_lines_wait),
        TWO(long_lines_are_cut),
        TWO(focus_moves),
        TWO(nobody_in_front),
        TWO(no_forged_lines),
        ONE(no_forged_line_after_a_cut),
        ONE(what_waits_is_shown_at_the_end),
        TWO(random_conversation),
        ONE(slow_port),
        ONE(no_port),
        ONE(screen_catches_up),
        ONE(typing),
        ONE(typing_while_it_sends),
        ONE(port_asks_for_more),
        ONE(panic_needs_no_lock),
        TWO(prompt_stays_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
