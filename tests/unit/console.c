/* SPDX-License-Identifier: BSD-2-Clause */
/* One wire, several speakers: what the terminal shows. */
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

bool uart16550_setup(uint16_t port)
{
    return port_there && port == 0x3f8;
}

static const char *typed;

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

void display_write(const char *bytes, unsigned count)
{
    memcpy(screen + screen_used, bytes, count);
    screen_used += count;
}

unsigned cpu_count = 1;
struct machine machine = {.tsc_hz = 1000000000};
static struct cpu cpu;
static uint64_t deadline; /* of the timer for the console */
static unsigned timer_sets, goes_on;

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
    last_shown = deadline = 0;
    fake_tsc = 1000;
    a = (struct console_stream){.name = "a"};
    b = (struct console_stream){.name = "b"};
    c = (struct console_stream){.name = "c"};
    console_add(&a);
    console_add(&b);
    console_add(&c);
    console_focus(&a);
    return console_setup(0x3f8) ? 0 : -1;
}

/* Two VMs, a in front. */
static int set_up_two(void **state)
{
    set_up(state);
    console_set_prefixes(true);
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

/* Nor without bound: what waits is kept in so many bytes of each speaker, and no line of it is torn. */
static void many_lines_wait(void **state)
{
    static char expected[2 * CONSOLE_RING + 400];
    unsigned used = 0;

    (void)state;
    guest(&a, "# ");
    used += (unsigned)sprintf(expected, "a| # ls\n");
    for (unsigned i = 0; i < 2 * (CONSOLE_RING / 60); i++) {
        char line[64];

        sprintf(line, "%05u 0123456789012345678901234567890123456789012345678\n", i);
        guest(i % 2 ? &c : &b, line);
        used += (unsigned)sprintf(expected + used, "%s| %s", i % 2 ? "c" : "b", line);
    }
    guest(&a, "ls\n");
    assert_shown(expected);
    assert_int_equal(a.lost + b.lost + c.lost, 0);
}

static void long_lines_are_cut(void **state)
{
    char text[2 * CONSOLE_LINE + 4], *p = text;

    (void)state;
    memset(text, 'x', sizeof(text));
    strcpy(text + CONSOLE_LINE + 1, "y\n");
    guest(&b, text);
    settle();
    p = memchr(wire, '\n', wire_used);
    assert_int_equal(p - wire, 3 + CONSOLE_LINE + 1);
    assert_memory_equal(p + 1, "b| xy\r\n", 7);
    /* The same in front, but only when somebody waits. */
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    wire_used = 0;
    guest(&a, text);
    settle();
    assert_null(memchr(wire, '\n', wire_used));
    wire_used = 0;
    guest(&b, "now\n");
    guest(&a, "z\n");
    assert_memory_equal(wire, "\r\nb| now\r\na| z\r\n", 16);
}

/* What the one that was in front has still to show of its line comes first. */
static void focus_moves_within_a_line(void **state)
{
    (void)state;
    room = 7;
    guest(&a, "a's last line\n");
    console_focus(&b);
    guest(&b, "b's\n");
    room = UINT32_MAX;
    assert_shown("a| a's last line\nb| b's\n");
}

/* The line that is cut short by that is longer than one of a VM behind may be. */
static void focus_moves_within_a_long_line(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * CONSOLE_LINE; i++)
        guest(&a, "x");
    room = 0;
    guest(&a, "what is more than a FIFO of the port, and so waits in the ring\n");
    console_focus(&b);
    room = UINT32_MAX;
    settle();
    assert_false(terminal_has_more(NULL));
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

/* Then all are behind. */
static void nobody_in_front(void **state)
{
    (void)state;
    console_focus(NULL);
    guest(&a, "sti");
    assert_shown("");
    guest(&a, "ll\n");
    assert_shown("a| still\n");
}

/* A terminal gets nothing from behind that it could take for a command, or answer. */
static void only_printable_from_behind(void **state)
{
    (void)state;
    guest(&b, "\033[6n \005 \033]0;x\007 \2333J\ta\177\n");
    assert_shown("b| .[6n . .]0;x. .3J\ta.\n");
    console_focus(&c);
    guest(&a, "\033[2J 10%\r20%\r\n");
    assert_shown("b| .[6n . .]0;x. .3J\ta.\na| .[2J 10%20%\n");
}

/* In front the terminal is the VM's, but not the names at the beginning of lines. */
static void no_line_of_others(void **state)
{
    (void)state;
    guest(&a, "x\rb| I am b\n");
    assert_shown("a| x\ra| b| I am b\n");
    guest(&a, "y\033[2K\033[1Gskerry: halted\n");
    assert_shown("a| x\ra| b| I am b\na| y\033[2K\033[1Gguest: skerry: halted\n");
    wire_used = 0;
    guest(&a, "y\b\bskerry: no\n\033Mskerry: no\n");
    assert_shown("a| y\b\bguest: skerry: no\na| \033Mguest: skerry: no\n");
}

/* What a guest has said comes before what we say of it, and behind what we have said before. */
static void in_the_order_of_time(void **state)
{
    (void)state;
    room = 0;
    guest(&a, "done\n");
    fake_tsc += 10;
    guest(&b, "done, too\n");
    fake_tsc += 10;
    host("skerry: a has powered off\n");
    fake_tsc += 10;
    guest(&b, "later\n");
    fake_tsc += 10;
    host("skerry: and again\n");
    room = UINT32_MAX;
    assert_shown("a| done\nb| done, too\nskerry: a has powered off\nb| later\nskerry: and again\n");
}

/* What is begun and not ended is not said yet. */
static void lines_are_said_at_their_end(void **state)
{
    (void)state;
    room = 0;
    host("skerry: more than goes to the port at once\n");
    guest(&b, "\r\r");
    fake_tsc += 10;
    host("skerry: b is reset\n");
    fake_tsc += 10;
    guest(&b, "hello\n");
    room = UINT32_MAX;
    assert_shown("skerry: more than goes to the port at once\nskerry: b is reset\nb| hello\n");
}

/* Its marks are used up by single bytes that were shown at once; the next line has its own time all the same.
 */
static void marks_come_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * CONSOLE_MARKS; i++)
        guest(&a, "x");
    guest(&a, "\n");
    settle();
    console_focus(NULL);
    wire_used = 0;
    room = 0;
    fake_tsc += 10;
    host("skerry: more than goes to the port at once\n");
    host("skerry: first\n");
    fake_tsc += 10;
    guest(&a, "second\n");
    assert_int_equal(written_at(&a.ring), fake_tsc);
    room = UINT32_MAX;
    assert_shown("skerry: more than goes to the port at once\nskerry: first\na| second\n");
}

/* But the operator's answer does not wait for what guests have queued. */
static void answers_come_first(void **state)
{
    static struct console_stream own = {.name = "monitor"};

    (void)state;
    room = 0;
    for (unsigned i = 0; i < 200; i++)
        guest(&b, "line\n");
    fake_tsc += 10;
    console_focus(&own);
    host("an answer\n");
    room = 40; /* what has been made up for the port comes before it */
    settle();
    wire[wire_used] = 0;
    assert_non_null(strstr(wire, "an answer\r\n"));
}

/* Those that say much take turns, line by line, with the one in front. */
static void all_have_their_turn(void **state)
{
    unsigned lines[3] = {0};

    (void)state;
    room = 0;
    for (unsigned i = 0; i < CONSOLE_RING / 5 - 1; i++) {
        guest(&a, "from\n");
        guest(&b, "from\n");
        guest(&c, "from\n");
    }
    room = 3000;
    settle();
    for (unsigned i = 0; i + 1 < wire_used; i++) {
        if (wire[i + 1] == '|')
            lines[wire[i] - 'a']++;
    }
    assert_in_range(lines[0], lines[1] - 1, lines[1] + 1);
    assert_in_range(lines[2], lines[1] - 1, lines[1] + 1);
    assert_true(lines[0] > 50);
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
    struct console_stream *const both[] = {&a, &b};

    (void)state;
    srand(11);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned who = (unsigned)rand() % 2;
        char byte = rand() % 12 ? (char)('a' + rand() % 18) : '\n';

        fake_tsc += (uint64_t)rand() % 100000;
        if (rand() % 400 == 0)
            console_focus(both[rand() % 2]);
        if (rand() % 200 == 0) {
            host("skerry: note\n");
            hosts++;
        }
        said[who][said_n[who]++] = byte;
        console_guest_output(both[who], (uint8_t)byte);
    }
    console_guest_end(&a);
    console_guest_end(&b);
    settle();
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
    console_set_waiting(false);
    room = 3;
    guest(&a, "0123456789\n");
    assert_int_equal(wire_used, 3);
    assert_true(cpu.sends);
    room = UINT32_MAX;
    timer_sets = goes_on = 0;
    console_timer(); /* not yet: another user's deadline, which would fire at once, is not set again */
    assert_int_equal(timer_sets, 0);
    assert_int_equal(goes_on, 1);
    assert_int_equal(wire_used, 3);
    fake_tsc = deadline;
    console_timer();
    assert_false(cpu.sends);
    assert_int_equal(deadline, 0);
    assert_shown("0123456789\n");
}

/* While VMs run one FIFO is sent at a time, and the CPU comes back for the rest. */
static void one_fifo_at_a_time(void **state)
{
    char text[41];

    (void)state;
    console_set_waiting(false);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\n';
    console_write(text, sizeof(text));
    for (unsigned sent = 16; sent < 42; sent += 16) {
        assert_int_equal(wire_used, sent);
        assert_true(cpu.sends);
        fake_tsc = deadline;
        console_timer();
    }
    assert_int_equal(wire_used, 42);
    assert_false(cpu.sends);
}

/* A CPU that finds the terminal taken leaves its words and comes back. */
static void taken_lock(void **state)
{
    (void)state;
    console_set_waiting(false);
    spin_lock(&lock);
    guest(&a, "one\n");
    host("skerry: two\n");
    assert_int_equal(wire_used, 0);
    spin_unlock(&lock);
    assert_true(cpu.sends);
    fake_tsc = deadline;
    console_timer();
    assert_shown("one\nskerry: two\n");
}

/* A CPU comes back for its own words only. */
static void words_of_others(void **state)
{
    static struct cpu other = {.id = 1};

    (void)state;
    console_set_waiting(false);
    room = 0;
    guest(&b, "from this CPU\n");
    assert_true(cpu.sends);
    fake_this_cpu = &other;
    for (unsigned i = 0; i < 100; i++)
        guest(&a, "from the other one\n");
    assert_true(other.sends);
    fake_this_cpu = &cpu;
    for (unsigned i = 0; cpu.sends; i++) {
        assert_true(i < 10);
        room = 16;
        fake_tsc = cpu.timer_deadlines[TIMER_CONSOLE];
        console_timer();
    }
    assert_true(terminal_has_more(&other));
    assert_false(terminal_has_more(&cpu));
}

/* The last bytes of a ring are made up for the port already, which has no room for them. */
static void last_bytes(void **state)
{
    static struct cpu other = {.id = 1};

    (void)state;
    console_set_waiting(false);
    fake_this_cpu = &other;
    host("skerry: of another CPU\n");
    settle();
    fake_this_cpu = &cpu;
    room = 5;
    guest(&a, "alpha# ");
    assert_int_equal(ring_used(&a.ring), 0);
    assert_true(cpu.sends);
    room = 16;
    fake_tsc = cpu.timer_deadlines[TIMER_CONSOLE];
    console_timer();
    assert_false(cpu.sends);
    assert_memory_equal(wire + wire_used - 7, "alpha# ", 7);
}

static unsigned writable;

static void on_writable(void *context)
{
    assert_ptr_equal(context, &writable);
    writable++;
}

/* A guest whose ring is full is told so, and when there is room again; what it writes all the same is lost.
 */
static void back_pressure(void **state)
{
    unsigned taken = 1;

    (void)state;
    console_set_waiting(false);
    a.writable = on_writable;
    a.context = &writable;
    writable = 0;
    room = 0;
    while (console_guest_output(&a, 'x'))
        taken++;
    assert_in_range(taken, CONSOLE_RING - CONSOLE_RESERVE, CONSOLE_RING - CONSOLE_RESERVE + 20);
    for (unsigned i = 0; i < CONSOLE_RESERVE + 100; i++)
        assert_false(console_guest_output(&a, 'y'));
    assert_in_range(a.lost, 70, 101);
    host("skerry: we have room of our own\n");
    assert_int_equal(left_out, 0);
    for (unsigned i = 0; i < CONSOLE_RING; i++) {
        room = 16;
        fake_tsc = deadline;
        console_timer();
        if (writable)
            break;
    }
    assert_int_equal(writable, 1);
    assert_in_range(console_room(&a), CONSOLE_RING / 2, CONSOLE_RING / 2 + 200);
    assert_true(console_guest_output(&a, 'z'));
    console_timer();
    assert_int_equal(writable, 1);
}

/* Whoever writes many bytes at once is told how many were taken. */
static void write_as_much_as_fits(void **state)
{
    static const char text[CONSOLE_RING / 2 + 10];

    (void)state;
    console_set_waiting(false);
    room = 0;
    assert_int_equal(console_guest_write(&b, text, sizeof(text)), sizeof(text));
    /* One FIFO of it has left the ring. */
    assert_in_range(console_guest_write(&b, text, sizeof(text)),
                    CONSOLE_RING - CONSOLE_RESERVE - sizeof(text),
                    CONSOLE_RING - CONSOLE_RESERVE - sizeof(text) + 16);
    assert_int_equal(console_guest_write(&b, text, sizeof(text)), 0);
    assert_int_equal(console_room(&b), CONSOLE_RESERVE);
    assert_int_equal(b.lost, 0);
    assert_true(b.starved);
}

/* While VMs run nothing of ours waits: what finds no room is counted. */
static void left_out_is_said(void **state)
{
    unsigned said = 0;

    (void)state;
    console_set_waiting(false);
    room = 0;
    for (; !left_out; said++)
        host("skerry: a line among many\n");
    host("skerry: one more\n");
    assert_int_equal(left_out, 2);
    room = UINT32_MAX;
    settle();
    host("skerry: after it\n");
    settle();
    assert_memory_equal(wire + wire_used - 54, "skerry: 2 lines were left out here\r\n", 36);
    assert_int_equal((said - 1) * 27 + 36 + 18, wire_used);
}

static void no_port(void **state)
{
    (void)state;
    port_there = false;
    assert_false(console_setup(0x3f8));
    assert_false(console_setup(0));
    console_add_display();
    host("skerry: hello\n");
    guest(&a, "on screen\n");
    assert_int_equal(wire_used, 0);
    assert_memory_equal(screen, "skerry: hello\non screen\n", 24);
    assert_false(cpu.sends);
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
    assert_in_range(screen_used, OURS - 1000, OURS);
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

/* A panic may come from a CPU that holds the locks, in the middle of somebody's line. */
static void panic_needs_no_lock(void **state)
{
    (void)state;
    guest(&a, "login: ");
    spin_lock(&lock);
    spin_lock(&our_lock);
    console_panic_mode();
    host("skerry: panic\n");
    guest(&a, "root\n");
    host("skerry: halted\n");
    spin_unlock(&lock);
    spin_unlock(&our_lock);
    assert_false(terminal_has_more(NULL));
    assert_memory_equal(wire, "login: \r\nskerry: panic\r\nskerry: halted\r\n", 40);
    assert_int_equal(wire_used, 40);
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
        TWO(focus_moves_within_a_line),
        TWO(focus_moves_within_a_long_line),
        TWO(nobody_in_front),
        TWO(no_forged_lines),
        ONE(no_forged_line_after_a_cut),
        ONE(what_waits_is_shown_at_the_end),
        TWO(random_conversation),
        TWO(only_printable_from_behind),
        TWO(no_line_of_others),
        TWO(in_the_order_of_time),
        TWO(lines_are_said_at_their_end),
        TWO(marks_come_back),
        TWO(answers_come_first),
        TWO(all_have_their_turn),
        ONE(slow_port),
        ONE(one_fifo_at_a_time),
        ONE(taken_lock),
        ONE(words_of_others),
        ONE(last_bytes),
        ONE(back_pressure),
        ONE(write_as_much_as_fits),
        ONE(left_out_is_said),
        ONE(no_port),
        ONE(screen_catches_up),
        ONE(typing),
        ONE(panic_needs_no_lock),
        TWO(prompt_stays_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
