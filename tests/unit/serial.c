/* SPDX-License-Identifier: BSD-2-Clause */
/* A serial line: what each end says, hears, and is told of the other. */
#include "tests/unit/unit.h"

#include "dev/virtio/serial.h"

#include <string.h>

static struct serial_line line;
static struct serial_end *const a = &line.ends[0], *const b = &line.ends[1];
static unsigned news_of[2][3];

static void hear(void *context, enum serial_news news)
{
    ((unsigned *)context)[news]++;
}

/* How often an end has heard of something since the last time that this was asked. */
static unsigned news(unsigned end, enum serial_news what)
{
    unsigned n = news_of[end][what];

    news_of[end][what] = 0;
    return n;
}

static void new_line(void)
{
    memset(&line, 0, sizeof(line));
    memset(news_of, 0, sizeof(news_of));
    serial_init(&line);
    serial_connect(a, hear, news_of[0]);
    serial_connect(b, hear, news_of[1]);
}

/* Whether it is to be told, and of what; told then. */
static bool told(struct serial_end *e, bool open)
{
    bool now;

    if (!serial_due(e, &now) || now != open)
        return false;
    serial_tell(e, now);
    return true;
}

static void open_both(void)
{
    new_line();
    serial_open(a);
    serial_open(b);
    assert_true(told(a, true) && told(b, true));
    memset(news_of, 0, sizeof(news_of));
}

static unsigned say_text(struct serial_end *e, const char *text)
{
    return serial_say(e, (const uint8_t *)text, (unsigned)strlen(text));
}

static bool hears(struct serial_end *e, const char *text)
{
    uint8_t got[64];
    unsigned n = serial_take(e, got, sizeof(got));

    return n == strlen(text) && !memcmp(got, text, n);
}

static void fill(struct serial_end *e)
{
    static const uint8_t bytes[SERIAL_BYTES];

    while (serial_may_say(e))
        serial_say(e, bytes, 100);
}

static void closed_ends(void **state UNUSED)
{
    new_line();
    assert_int_equal(say_text(a, "neither"), 7);
    serial_open(a);
    assert_int_equal(news(1, SERIAL_PEER), 1);
    serial_open(a);
    assert_int_equal(news(1, SERIAL_PEER), 0);
    assert_int_equal(say_text(a, "one"), 3);
    assert_true(told(b, true) && !told(b, true) && !told(a, true));
    assert_int_equal(say_text(b, "the other"), 9); /* who is closed says nothing */
    assert_int_equal(a->lost, 10);
    assert_int_equal(b->lost, 9);
    assert_int_equal(a->said + b->said, 0);
    assert_false(serial_has_come(a) || serial_has_come(b) || serial_is_heard(a));
    serial_open(b);
    assert_int_equal(say_text(a, "not yet known"), 13);
    assert_int_equal(a->lost, 23);
    assert_true(told(a, true) && serial_is_heard(a));
    assert_int_equal(say_text(a, "both"), 4);
    assert_int_equal(news(1, SERIAL_CAME), 1);
    assert_int_equal(say_text(a, "!"), 1);
    assert_int_equal(news(1, SERIAL_CAME), 0); /* it knows */
    assert_true(hears(b, "both!") && hears(b, ""));
    assert_int_equal(a->said, 5);
    assert_int_equal(b->heard, 5);
}

static void full_line(void **state UNUSED)
{
    uint8_t bytes[SERIAL_BYTES + 1] = {1};

    open_both();
    assert_int_equal(serial_say(a, bytes, sizeof(bytes)), SERIAL_BYTES);
    assert_false(serial_may_say(a));
    assert_int_equal(say_text(a, "x"), 0);
    assert_int_equal(say_text(b, "x"), 1); /* the other direction is its own */
    assert_int_equal(serial_take(b, bytes, SERIAL_BYTES / 2 - 1), SERIAL_BYTES / 2 - 1);
    assert_int_equal(news(0, SERIAL_ROOM), 0);
    assert_int_equal(serial_take(b, bytes, 1), 1);
    assert_int_equal(news(0, SERIAL_ROOM), 1);
    assert_int_equal(serial_take(b, bytes, 1), 1);
    assert_int_equal(news(0, SERIAL_ROOM), 0);
    assert_int_equal(serial_say(a, bytes, sizeof(bytes)), SERIAL_BYTES / 2 + 1);
    assert_int_equal(a->lost, 0);
}

/* What was said before is heard first; what comes behind waits until the close was told. */
static void hang_up(void **state UNUSED)
{
    open_both();
    say_text(a, "last words");
    serial_close(a);
    assert_int_equal(news(1, SERIAL_PEER), 1);
    assert_false(told(b, false));
    serial_open(a);
    assert_false(serial_may_say(a));
    assert_int_equal(say_text(a, "first"), 0);
    assert_int_equal(say_text(b, "too late"), 8); /* for the one that has gone, not for the one that came */
    assert_true(hears(b, "last words") && hears(a, ""));
    assert_int_equal(news(1, SERIAL_PEER), 2); /* the opening, and that there is something to tell */
    assert_int_equal(news(0, SERIAL_ROOM), 0);
    assert_true(told(b, false));
    assert_int_equal(news(0, SERIAL_ROOM), 1);
    assert_true(told(b, true));
    assert_int_equal(say_text(a, "first"), 5);
    assert_true(hears(b, "first"));
    assert_int_equal(a->lost, 0);
    assert_int_equal(b->lost, 8);
}

/* Nobody waits for one that is reset, and it is told anew. */
static void reset_in_traffic(void **state UNUSED)
{
    open_both();
    fill(a);
    fill(b);
    memset(news_of, 0, sizeof(news_of));
    serial_reset(b);
    assert_int_equal(news(0, SERIAL_ROOM), 1);
    assert_int_equal(news(0, SERIAL_PEER), 1);
    assert_true(serial_may_say(a));
    assert_int_equal(say_text(a, "lost"), 4);
    assert_int_equal(a->lost, SERIAL_BYTES + 4);
    assert_true(told(b, true) && !told(b, true));
    serial_open(b);
    assert_false(serial_may_say(b)); /* the other end has not heard all of the former life */
    while (serial_has_come(a))
        hears(a, "");
    assert_true(told(a, false) && told(a, true));
    assert_true(serial_may_say(b));
    serial_connect(b, NULL, NULL);
    memset(news_of, 0, sizeof(news_of));
    serial_close(a);
    serial_open(a);
    assert_int_equal(news(1, SERIAL_PEER) + news(1, SERIAL_CAME), 0);
    assert_true(told(a, false) && serial_may_say(a));
}

/* An opening that is told only after the close. */
static void quick_session(void **state UNUSED)
{
    new_line();
    serial_open(b);
    serial_open(a);
    assert_true(told(a, true));
    say_text(a, "quick");
    serial_close(a);
    serial_open(a);
    assert_false(serial_may_say(a) || serial_has_come(b));
    assert_int_equal(news(1, SERIAL_CAME), 0);
    assert_true(told(b, true));
    assert_int_equal(news(1, SERIAL_CAME), 1);
    assert_true(hears(b, "quick"));
    assert_true(told(b, false) && told(b, true));
    assert_int_equal(news(0, SERIAL_ROOM), 1);
    serial_close(a);
    serial_close(b);
    assert_true(told(b, false));
    serial_open(b); /* nothing was said */
    serial_open(a);
    serial_close(a);
    serial_open(a);
    assert_true(serial_may_say(a));
}

static void latest_is_kept(void **state UNUSED)
{
    uint8_t bytes[SERIAL_BYTES + 10], got[SERIAL_BYTES];

    new_line();
    serial_connect(b, NULL, NULL);
    b->keeps_latest = true;
    serial_open(b);
    serial_open(a);
    assert_true(told(a, true));
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i / 10);
    assert_int_equal(say_text(a, "oldest"), 6);
    assert_int_equal(serial_say(a, bytes, SERIAL_BYTES), SERIAL_BYTES);
    assert_int_equal(serial_say(a, bytes + SERIAL_BYTES, 10), 10);
    assert_int_equal(a->lost, 16);
    assert_true(serial_may_say(a));
    serial_close(a);
    serial_open(a);
    assert_true(serial_may_say(a)); /* it is told of nothing */
    assert_int_equal(serial_take(b, got, sizeof(got)), SERIAL_BYTES);
    assert_memory_equal(got, bytes + 10, SERIAL_BYTES);
}

/* --- a long time of anything --- */

static unsigned sessions[2], sent[2], last_heard[2], next_byte[2];
static bool fresh[2];
static uint32_t dice;

static unsigned roll(unsigned n)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 16) % n;
}

/* Each byte has the number of its session, modulo 8, and of its place, modulo 32. */
static void say_some(unsigned i)
{
    uint8_t bytes[700];
    unsigned n = roll(sizeof(bytes)), done;
    bool heard = serial_is_heard(&line.ends[i]);

    for (unsigned k = 0; k < n; k++)
        bytes[k] = (uint8_t)(sessions[i] % 8 << 5 | (sent[i] + k) % 32);
    done = serial_say(&line.ends[i], bytes, n);
    sent[i] += heard ? done : 0;
}

/* A session is heard without a gap, and not mixed with another unless it was told of the end of that. */
static void hear_some(unsigned i)
{
    uint8_t bytes[700];
    unsigned n = serial_take(&line.ends[i], bytes, 1 + roll(sizeof(bytes) - 1));

    for (unsigned k = 0; k < n; k++) {
        if (!fresh[i]) {
            assert_int_equal(bytes[k] >> 5, last_heard[i]);
            assert_int_equal(bytes[k] % 32, next_byte[i]);
        }
        fresh[i] = false;
        last_heard[i] = bytes[k] >> 5;
        next_byte[i] = (bytes[k] + 1) % 32;
    }
}

static void reopen(unsigned i)
{
    serial_open(&line.ends[i]);
    if (sent[i]) {
        sessions[i]++;
        sent[i] = 0;
    }
}

static void be_told(unsigned i)
{
    bool open, before = line.ends[i].told;

    if (!serial_due(&line.ends[i], &open))
        return;
    serial_tell(&line.ends[i], open);
    fresh[i] |= before && !open;
}

static void operate(unsigned i)
{
    struct serial_end *e = &line.ends[i];
    unsigned what = roll(40);

    if (what < 12)
        say_some(i);
    else if (what < 24)
        hear_some(i);
    else if (what < 36)
        be_told(i);
    else if (what == 36)
        serial_close(e);
    else if (what == 37)
        serial_reset(e);
    else if (!e->open)
        reopen(i);
    if (what == 36 || what == 37)
        fresh[i] = true; /* its own guest has gone, and begins anew */
}

static void anything(void **state UNUSED)
{
    new_line();
    dice = 1;
    fresh[0] = fresh[1] = true;
    for (unsigned n = 0; n < 2000000; n++) {
        operate(roll(2));
        assert_true(a->head - a->tail <= SERIAL_BYTES && b->head - b->tail <= SERIAL_BYTES);
        assert_true(a->open || !serial_has_come(a));
        assert_true(b->open || !serial_has_come(b));
    }
    assert_true(a->heard > 1000000 && b->heard > 1000000 && sessions[0] > 10000);
    /* At rest all comes through, whatever was before. */
    for (unsigned n = 0; n < 100; n++) {
        for (unsigned i = 0; i < 2; i++) {
            serial_open(&line.ends[i]);
            hear_some(i);
            be_told(i);
        }
    }
    assert_true(a->told && b->told && serial_may_say(a) && serial_may_say(b));
    assert_true(a->said >= b->heard && a->said - b->heard <= a->lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_ends),      cmocka_unit_test(full_line),     cmocka_unit_test(hang_up),
        cmocka_unit_test(reset_in_traffic), cmocka_unit_test(quick_session), cmocka_unit_test(latest_is_kept),
        cmocka_unit_test(anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
