/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen against a model of its text, in each kind of mode; and that what is shown is never read back. */
#include "tests/unit/unit.h"

#include "arch/x86/display.h"

#include <stdlib.h>
#include <string.h>

#define LINES 5
#define WIDTH 20 /* cells */
#define GUARD 64

static uint8_t memory[4 * 8 * 200 * 16 * 80 + GUARD], font[256 * 16];
static char model[LINES][WIDTH];
static unsigned model_row, model_column;

static void model_write(char c)
{
    if (c == '\n' || model_column == WIDTH) {
        model_column = 0;
        if (++model_row == LINES) {
            memmove(model[0], model[1], sizeof(model[0]) * (LINES - 1));
            memset(model[LINES - 1], 0, WIDTH);
            model_row--;
        }
    }
    if (c == '\r')
        model_column = 0;
    if ((unsigned char)c >= ' ')
        model[model_row][model_column++] = c;
}

static unsigned pixel(const struct display_mode *m, unsigned x, unsigned y)
{
    unsigned bytes = m->bits_per_pixel / 8, value = 0;

    memcpy(&value, memory + (size_t)y * m->pitch + x * bytes, bytes);
    return value;
}

static void check_pixels(const struct display_mode *m)
{
    unsigned white = 0xc0c0c0 & (unsigned)((UINT64_C(1) << m->bits_per_pixel) - 1);

    for (unsigned y = 0; y < LINES * 16; y++) {
        for (unsigned x = 0; x < WIDTH * 8; x++) {
            uint8_t code = (uint8_t)model[y / 16][x / 8];
            bool on = code && (font[code * 16 + y % 16] & (0x80 >> x % 8));

            assert_int_equal(pixel(m, x, y), on ? white : 0);
        }
    }
}

static void check_text(const struct display_mode *m)
{
    for (unsigned r = 0; r < LINES; r++) {
        for (unsigned c = 0; c < WIDTH; c++) {
            uint8_t code = (uint8_t)model[r][c];
            const uint8_t *cell = memory + r * m->pitch + c * 2;

            assert_int_equal(cell[0], code);
            assert_int_equal(cell[1], code ? 7 : 0);
        }
    }
}

static void begin(const struct display_mode *m)
{
    memset(memory, 0xee, sizeof(memory));
    memset(model, 0, sizeof(model));
    model_row = model_column = 0;
    for (unsigned i = 0; i < sizeof(font); i++)
        font[i] = (uint8_t)(i * 37 + i / 16);
    display_setup(m, font);
}

static void write_text(const char *text)
{
    display_write(text, (unsigned)strlen(text));
    for (; *text; text++)
        model_write(*text);
}

static void random_text(const struct display_mode *m, void (*check)(const struct display_mode *m))
{
    begin(m);
    srand(1);
    for (unsigned i = 0; i < 400; i++) {
        char text[2] = {(char)(rand() % 5 ? ' ' + rand() % 95 : "\n\r\n "[rand() % 4]), 0};

        write_text(text);
        if (i % 7 == 0)
            check(m);
    }
    check(m);
    for (unsigned i = 0; i < GUARD; i++)
        assert_int_equal(memory[(size_t)m->pitch * m->height + i], 0xee);
}

static void each_mode(void **state)
{
    (void)state;
    for (uint8_t bits = 16; bits <= 32; bits += 8) {
        struct display_mode m = {false, memory, WIDTH * bits + 12, WIDTH * 8 + 3, LINES * 16 + 15, bits};

        random_text(&m, check_pixels);
    }
    random_text(&(struct display_mode){true, memory, WIDTH * 2, WIDTH, LINES, 0}, check_text);
}

/* A dot that nobody drew stays where it is when all around it scrolls, in a cell that shows the same. */
/* The line that is typed is drawn anew, and its cursor moves back; colours of a guest are read over. */
static void sequences(void **state)
{
    struct display_mode m = {
        .text = true, .memory = memory, .pitch = WIDTH * 2, .width = WIDTH, .height = LINES};
    static const struct {
        const char *text, *line;
    } cases[] = {{"skerry> help\033[2Dx", "skerry> hexp"},
                 {"abcdef\r\033[Kxy", "xy"},
                 {"abc\r\033[2CX", "abX"},
                 {"\033[1;31mred\033[0m", "red"},
                 {"ab\b\033[K", "a"},
                 {"ab\033[999D12", "12"},
                 {"\033[99999999999999999999Dq", "q"},
                 {"\033\033[Kz", "[Kz"},
                 {"ab\033[\033[D", "ab[D"},
                 {"12345678901234567890\033[Dx", "1234567890123456789x"}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(&m);
        write_text(cases[i].text);
        memset(model, 0, sizeof(model));
        memcpy(model[0], cases[i].line, strlen(cases[i].line));
        check_text(&m);
    }
}

static void nothing_is_read_back(void **state)
{
    const struct display_mode m = {false, memory, WIDTH * 32, WIDTH * 8, LINES * 16, 32};

    (void)state;
    begin(&m);
    write_text("a\nb\nc\nd\ne");
    memory[40 * m.pitch + 100] = 0x55;
    write_text("\nf\ng");
    assert_int_equal(memory[40 * m.pitch + 100], 0x55);
    memory[40 * m.pitch + 100] = 0;
    check_pixels(&m);
}

/* Larger than the text that is kept: what is beyond stays black. */
static void large_screen(void **state)
{
    const struct display_mode m = {false, memory, 200 * 8 * 4, 200 * 8, 80 * 16, 32};

    (void)state;
    begin(&m);
    for (unsigned i = 0; i < 200 * 100; i++)
        display_write("X", 1);
    for (unsigned y = 0; y < m.height; y++) {
        for (unsigned x = 0; x < m.width; x++)
            assert_true(!pixel(&m, x, y) || (x < 160 * 8 && y < 64 * 16));
    }
    assert_true(pixel(&m, 0, 0) || pixel(&m, 1, 0) || pixel(&m, 2, 0) || pixel(&m, 3, 0));
}

static void no_room(void **state)
{
    (void)state;
    begin(&(struct display_mode){false, memory, 32, 8, 15, 32});
    display_write("a\n", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mode),    cmocka_unit_test(sequences), cmocka_unit_test(nothing_is_read_back),
        cmocka_unit_test(large_screen), cmocka_unit_test(no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
