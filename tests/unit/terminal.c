/* SPDX-License-Identifier: BSD-2-Clause */
/* One wire, several speakers: what the terminal shows. */
#include "tests/unit/fake_wire.h"

#define TWO(f) cmocka_unit_test_setup(f, set_up_two)

/* Two VMs, a in front. */
static int set_up_two(void **state)
{
    set_up(state);
    console_set_prefixes(true);
    return 0;
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
        TWO(prompt_stays_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
