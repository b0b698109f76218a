/* SPDX-License-Identifier: BSD-2-Clause */
/* A typed line: keys, history, and that no sequence of bytes breaks it. */
#include "tests/unit/unit.h"

#include "core/monitor/line_edit.c"

#include <stdlib.h>

static enum line_event type(struct line_edit *l, const char *keys)
{
    enum line_event last = LINE_NONE;

    while (*keys)
        last = line_key(l, (uint8_t)*keys++);
    return last;
}

static void expect(const struct line_edit *l, const char *text, unsigned cursor)
{
    assert_string_equal(l->text, text);
    assert_int_equal(l->used, strlen(text));
    assert_int_equal(l->cursor, cursor);
}

static void test_insert_and_move(void **state)
{
    struct line_edit l = {0};

    (void)state;
    type(&l, "stp\x02o"); /* Ctrl-B */
    expect(&l, "stop", 3);
    type(&l, "\x01!\x05 x"); /* Ctrl-A, Ctrl-E */
    expect(&l, "!stop x", 7);
    type(&l, "\x1b[D\x1b[D\x1b[C-");
    expect(&l, "!stop -x", 7);
    type(&l, "\x1b[H>\x1b[F<\x1b[1~{\x1b[4~}");
    expect(&l, "{>!stop -x<}", 12);
    assert_int_equal(type(&l, "\x06"), LINE_REFUSED); /* Ctrl-F at the end */
}

static void test_delete(void **state)
{
    struct line_edit l = {0};

    (void)state;
    assert_int_equal(type(&l, "\x7f"), LINE_REFUSED);
    assert_int_equal(type(&l, "\x04"), LINE_REFUSED); /* Ctrl-D */
    type(&l, "pause  one\x17");                       /* Ctrl-W */
    expect(&l, "pause  ", 7);
    type(&l, "\x17");
    expect(&l, "", 0);
    type(&l, "abcd\b\x01\x04");
    expect(&l, "bc", 0);
    type(&l, "\x1b[C\x1b[3~");
    expect(&l, "b", 1);
    type(&l, "123456\x02\x02\x0b"); /* Ctrl-K */
    expect(&l, "b1234", 5);
    type(&l, "\x02\x15"); /* Ctrl-U */
    expect(&l, "4", 0);
    type(&l, "\x03"); /* Ctrl-C */
    expect(&l, "", 0);
}

static void test_history(void **state)
{
    struct line_edit l = {0};

    (void)state;
    assert_int_equal(type(&l, "\x1b[A"), LINE_REFUSED);
    assert_int_equal(type(&l, "one\r"), LINE_DONE);
    line_clear(&l);
    type(&l, "two\n");
    line_clear(&l);
    type(&l, "two\n");
    line_clear(&l); /* the same again is not kept twice */
    line_clear(&l); /* and an empty line not at all */
    type(&l, "new\x1b[A");
    expect(&l, "two", 3);
    type(&l, "\x10"); /* Ctrl-P */
    expect(&l, "one", 3);
    assert_int_equal(type(&l, "\x10"), LINE_REFUSED);
    type(&l, "\x1b[B\x0e"); /* Ctrl-N */
    expect(&l, "new", 3);
    assert_int_equal(type(&l, "\x0e"), LINE_REFUSED);
    for (char c = 'a'; c < 'a' + 2 * LINE_HISTORY; c++) {
        line_key(&l, '\x15');
        line_key(&l, (uint8_t)c);
        line_clear(&l);
    }
    for (unsigned i = 0; i < LINE_HISTORY; i++)
        assert_int_equal(type(&l, "\x1b[A"), LINE_CHANGED);
    assert_int_equal(type(&l, "\x1b[A"), LINE_REFUSED);
    assert_int_equal(l.text[0], 'a' + LINE_HISTORY);
}

static void test_full(void **state)
{
    struct line_edit l = {0};

    (void)state;
    for (unsigned i = 0; i < LINE_SIZE - 1; i++)
        assert_int_equal(line_key(&l, 'x'), LINE_CHANGED);
    assert_int_equal(line_key(&l, 'x'), LINE_REFUSED);
    line_insert(&l, "more", 4);
    assert_int_equal(strlen(l.text), LINE_SIZE - 1);
    line_key(&l, '\b');
    line_insert(&l, "more", 4);
    assert_int_equal(l.text[LINE_SIZE - 2], 'm');
    assert_int_equal(strlen(l.text), LINE_SIZE - 1);
}

/* Under the sanitizers: whatever comes, text is a string of used printable characters and the cursor in it.
 */
static void test_anything(void **state)
{
    struct line_edit l = {0};

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 2000000; i++) {
        unsigned kind = (unsigned)rand() % 4;
        uint8_t byte = (uint8_t)(kind == 0   ? rand()
                                 : kind == 1 ? 0x1b
                                 : kind == 2 ? '[' + rand() % 2 * ('A' - '[')
                                             : rand() % 32);

        if (line_key(&l, byte) == LINE_DONE)
            line_clear(&l);
        assert_true(l.used < LINE_SIZE && l.cursor <= l.used && strlen(l.text) == l.used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_and_move), cmocka_unit_test(test_delete),
        cmocka_unit_test(test_history),         cmocka_unit_test(test_full),
        cmocka_unit_test(test_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
