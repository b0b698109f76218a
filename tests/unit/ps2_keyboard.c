/* SPDX-License-Identifier: BSD-2-Clause */
/* What is typed on a PS/2 keyboard, by its scan codes, and controllers that are not there or do not answer.
 */
#include "tests/unit/unit.h"

#include <string.h>

/* Its ports are ours. */
#define inb  real_inb
#define outb real_outb
#include "arch/x86/cpu.h"
#undef inb
#undef outb

static struct {
    bool gone, deaf, mouse; /* reads FFh; takes no command; the byte is the mouse's */
    uint8_t config, command;
    uint8_t bytes[256]; /* to be read */
    unsigned count, at;
    uint8_t sent[16]; /* to the keyboard */
    unsigned sent_count;
} chip;

static uint8_t inb(uint16_t port)
{
    if (chip.gone)
        return 0xff;
    if (port == 0x64)
        return (uint8_t)((chip.at < chip.count) | chip.deaf << 1 | chip.mouse << 5);
    assert_int_equal(port, 0x60);
    return chip.at < chip.count ? chip.bytes[chip.at++] : 0;
}

static void outb(uint16_t port, uint8_t value)
{
    if (port == 0x64) {
        chip.command = value;
        if (value == 0x20) {
            chip.bytes[0] = chip.config;
            chip.at = 0;
            chip.count = 1;
        }
        return;
    }
    if (chip.command == 0x60)
        chip.config = value;
    else
        chip.sent[chip.sent_count++] = value;
    chip.command = 0;
}

#include "arch/x86/ps2_keyboard.c"

static int set_up(void **unused)
{
    (void)unused;
    memset(&chip, 0, sizeof(chip));
    chip.config = 0x52; /* off, as some firmware leaves it, and with the mouse's interrupt */
    return 0;
}

static void expect_typed(const char *codes, unsigned count, const char *text)
{
    char got[64] = "";
    unsigned used = 0;
    uint8_t byte;

    memcpy(chip.bytes, codes, count);
    chip.at = 0;
    chip.count = count;
    while (used < sizeof(got) - 1 && ps2_keyboard_receive(&byte))
        got[used++] = (char)byte;
    assert_string_equal(got, text);
    assert_int_equal(chip.at, count);
}

#define TYPED(codes, text) expect_typed(codes, sizeof(codes) - 1, text)

static void on_and_back(void **unused)
{
    (void)unused;
    chip.count = 3; /* typed before */
    assert_true(ps2_keyboard_setup());
    assert_int_equal(chip.config, 0x41);
    assert_int_equal(chip.sent_count, 1);
    assert_int_equal(chip.sent[0], 0xf4);
    TYPED("\xfa", "");
    ps2_keyboard_put_back();
    assert_int_equal(chip.config, 0x52);
    chip.count = 1;
    chip.at = 0;
    assert_false(ps2_keyboard_receive(&(uint8_t){0}));
}

static void characters(void **unused)
{
    (void)unused;
    assert_true(ps2_keyboard_setup());
    TYPED("\x23\xa3\x12\x92\x26\xa6\x26\xa6\x18\x98\x1c\x9c", "hello\r");
    TYPED("\x2a\x23\xa3\xaa\x12\x92", "He");
    TYPED("\x36\x02\x82\x27\xa7\xb6\x02\x82", "!:1");
    TYPED("\x3a\xba\x1e\x9e\x02\x82\x2a\x1e\x9e\xaa\x3a\xba\x1e\x9e", "A1aa");
    TYPED("\x39\xb9\x0f\x8f\x0e\x8e\x01\x81", " \t\177\033");
    TYPED("\x58\xd8\x7f\xff\x3b\xbb\x38\xb8", "");
}

static void controls(void **unused)
{
    (void)unused;
    assert_true(ps2_keyboard_setup());
    TYPED("\x1d\x2b\xab\x9d", "\x1c"); /* opens the monitor */
    TYPED("\x1d\x2e\xae\x9d\x2e\xae", "\003c");
    TYPED("\xe0\x1d\x16\x96\xe0\x9d", "\x15");
    TYPED("\x1d\x02\x82\x9d", "1");
}

static void cursor_keys(void **unused)
{
    (void)unused;
    assert_true(ps2_keyboard_setup());
    TYPED("\xe0\x48\xe0\xc8\xe0\x50\xe0\xd0", "\033[A\033[B");
    TYPED("\xe0\x2a\xe0\x4d\xe0\xcd\xe0\xaa\xe0\x4b\xe0\xcb", "\033[C\033[D");
    TYPED("\xe0\x47\xe0\xc7\xe0\x4f\xe0\xcf\xe0\x53\xe0\xd3", "\033[H\033[F\033[3~");
    TYPED("\xe0\x1c\xe0\x9c\xe0\x35\xe0\xb5\x48\xc8", "\r/\033[A");
    TYPED("\xe1\x1d\x45\xe1\x9d\xc5", "");         /* Pause */
    TYPED("\xe0\x37\xe0\xb7\xe0\x5b\xe0\xdb", ""); /* Print, and a key with a flag on it */
    TYPED("\x1e\x9e", "a");
}

static void not_there(void **unused)
{
    uint8_t byte;

    (void)unused;
    chip.gone = true;
    assert_false(ps2_keyboard_setup());
    assert_false(ps2_keyboard_receive(&byte));
    chip.gone = false;
    chip.deaf = true;
    assert_false(ps2_keyboard_setup());
    chip.deaf = false;
    assert_true(ps2_keyboard_setup());
    chip.mouse = true;
    TYPED("\x1e\x1e\x1e", "");
    chip.mouse = false;
    chip.gone = true; /* pulled */
    assert_false(ps2_keyboard_receive(&byte));
}

/* All codes in all pairs: at most what a key types, never a byte outside. */
static void any_codes(void **unused)
{
    (void)unused;
    assert_true(ps2_keyboard_setup());
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        unsigned typed = 0;
        uint8_t byte;

        chip.bytes[0] = (uint8_t)pair;
        chip.bytes[1] = (uint8_t)(pair >> 8);
        chip.at = 0;
        chip.count = 2;
        while (ps2_keyboard_receive(&byte))
            typed++;
        assert_true(typed <= 8);
        assert_int_equal(keyboard.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(on_and_back, set_up), cmocka_unit_test_setup(characters, set_up),
        cmocka_unit_test_setup(controls, set_up),    cmocka_unit_test_setup(cursor_keys, set_up),
        cmocka_unit_test_setup(not_there, set_up),   cmocka_unit_test_setup(any_codes, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
