/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: the port, the screen, the locks, and what guests are told. */
#include "tests/unit/fake_wire.h"

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

static unsigned alarms;

static void on_alarm(void)
{
    alarms++;
}

/* The boot CPU is called once, in time, with or without something to send, and its words are not late for it.
 */
static void alarm_comes_once(void **state)
{
    (void)state;
    console_set_waiting(false);
    alarms = 0;
    console_set_alarm(fake_tsc + 100 * machine.tsc_hz, on_alarm);
    assert_true(cpu.sends);
    assert_int_equal(deadline, fake_tsc + 100 * machine.tsc_hz);
    room = 3;
    guest(&a, "0123456789\n");
    assert_int_equal(deadline, fake_tsc + machine.tsc_hz / VISITS);
    room = UINT32_MAX;
    fake_tsc = deadline;
    console_timer();
    assert_shown("0123456789\n");
    assert_true(cpu.sends && !alarms);
    fake_tsc = deadline;
    console_timer();
    assert_int_equal(alarms, 1);
    assert_true(!cpu.sends && !deadline);
    console_set_alarm(fake_tsc + 1000, on_alarm);
    console_set_alarm(0, NULL);
    fake_tsc += 2000;
    console_timer();
    assert_int_equal(alarms, 1);
    assert_true(!cpu.sends && !deadline);
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
    port_there = serial = false;
    terminal_use(false, false);
    assert_false(console_setup(&com1));
    console_add_display();
    host("skerry: hello\n");
    guest(&a, "on screen\n");
    assert_int_equal(wire_used, 0);
    assert_memory_equal(screen, "skerry: hello\non screen\n", 24);
    assert_false(cpu.sends);
    console_flush();
}

/* Nobody is without a console. */
static void screen_alone(void **state)
{
    (void)state;
    host("skerry: one\n");
    assert_false(console_leave_port());
    assert_int_equal(wire_used, 13);
    console_add_display();
    assert_true(console_leave_port());
    host("skerry: two\n");
    assert_int_equal(wire_used, 13);
    assert_memory_equal(screen + screen_used - 12, "skerry: two\n", 12);
}

/* The screen gets what was said before it was there, and then the hypervisor's lines only. */
static void screen_catches_up(void **state)
{
    static struct cpu other = {.id = 1};

    (void)state;
    host("skerry: one\n");
    console_add_display();
    host("skerry: two\n");
    guest(&a, "guest\n");
    assert_int_equal(screen_used, 24);
    console_set_waiting(false); /* VMs run: only who has time draws */
    host("skerry: three\n");
    assert_int_equal(screen_used, 24);
    fake_this_cpu = &other;
    console_idle();
    assert_int_equal(screen_used, 24);
    fake_this_cpu = &cpu;
    console_idle();
    assert_memory_equal(screen, "skerry: one\nskerry: two\nskerry: three\n", 38);
    for (unsigned i = 0; i < 10; i++)
        host("line\n");
    console_idle();
    assert_int_equal(screen_used, 38 + 2 * 5); /* two at a time */
    for (unsigned i = 0; i < 10; i++)
        console_idle();
    assert_int_equal(screen_used, 38 + 10 * 5);
    console_set_waiting(true);
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
    console_take_keys();
    console_set_input(on_input);
    typed = "\x1cxyz";
    console_take_keys();
    assert_string_equal(keys, "\x1cxyz");
}

/* Where no interrupt tells of keys the boot CPU looks for them in time, however much it has to send. */
static void polled_typing(void **state)
{
    uint64_t period = machine.tsc_hz / VISITS;

    (void)state;
    console_set_waiting(false);
    console_set_input(on_input);
    memset(keys, 0, sizeof(keys));
    console_poll(true);
    assert_true(cpu.sends);
    assert_int_equal(deadline, fake_tsc + period);
    typed = "a";
    for (unsigned i = 0; i < 9; i++) {
        fake_tsc += period / 10;
        guest(&a, "x"); /* does not put it off */
        console_timer();
    }
    assert_string_equal(keys, "");
    fake_tsc += period / 10;
    console_timer();
    assert_string_equal(keys, "a");
    assert_int_equal(deadline, fake_tsc + period);
    alarms = 0;
    console_set_alarm(fake_tsc + period / 2, on_alarm);
    assert_int_equal(deadline, fake_tsc + period / 2);
    pressed = "b";
    for (unsigned i = 0; i < 2; i++) {
        fake_tsc = deadline;
        console_timer();
    }
    assert_int_equal(alarms, 1);
    assert_string_equal(keys, "ab");
    console_poll(false);
    assert_true(!cpu.sends && !deadline);
    console_set_input(NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(slow_port),        ONE(alarm_comes_once), ONE(one_fifo_at_a_time),  ONE(taken_lock),
        ONE(words_of_others),  ONE(last_bytes),       ONE(back_pressure),       ONE(write_as_much_as_fits),
        ONE(left_out_is_said), ONE(no_port),          ONE(screen_alone),        ONE(screen_catches_up),
        ONE(typing),           ONE(polled_typing),    ONE(panic_needs_no_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
