/* SPDX-License-Identifier: BSD-2-Clause */
/* A screen is only written: reading a framebuffer back, for scrolling, takes a BMC most of a second a line.
 */
#include "arch/x86/display.h"

#include "arch/x86/string.h"

#define GLYPH_WIDTH  8
#define GLYPH_HEIGHT 16
#define ATTRIBUTE    0x0700
#define MOST_COLUMNS 160 /* what is beyond, on larger screens, stays black */
#define MOST_ROWS    64
#define MOST_NUMBER  999
#define ESC          0x1b

static struct display_mode screen;
static const uint8_t *glyphs;
static unsigned columns, rows, column, row;
static enum { TEXT, AFTER_ESC, IN_CSI } sequence;
static unsigned number;                        /* of the sequence */
static uint8_t cells[MOST_ROWS][MOST_COLUMNS]; /* what is shown; 0: black */

void display_setup(const struct display_mode *mode, const uint8_t *font)
{
    screen = *mode;
    glyphs = font;
    rows = mode->text ? mode->height : mode->height / GLYPH_HEIGHT;
    columns = !rows ? 0 : mode->text ? mode->width : mode->width / GLYPH_WIDTH;
    rows = MIN(rows, MOST_ROWS);
    columns = MIN(columns, MOST_COLUMNS);
    column = row = 0;
    sequence = TEXT;
    memset(cells, 0, sizeof(cells));
    memset(screen.memory, 0, (size_t)mode->pitch * mode->height);
}

static void draw_glyph(unsigned at_row, unsigned at_column, uint8_t code)
{
    unsigned bytes = screen.bits_per_pixel / 8;
    uint8_t *line = (uint8_t *)screen.memory + (size_t)at_row * GLYPH_HEIGHT * screen.pitch +
                    (size_t)at_column * GLYPH_WIDTH * bytes;

    for (unsigned y = 0; y < GLYPH_HEIGHT; y++, line += screen.pitch) {
        unsigned bits = code ? glyphs[code * GLYPH_HEIGHT + y] : 0;

        for (unsigned x = 0; x < GLYPH_WIDTH; x++)
            store_le(line + x * bytes, bits & (0x80u >> x) ? 0xc0c0c0 : 0, bytes);
    }
}

static void show(unsigned at_row, unsigned at_column, uint8_t code)
{
    if (cells[at_row][at_column] == code)
        return;
    cells[at_row][at_column] = code;
    if (screen.text)
        store_le((uint8_t *)screen.memory + (size_t)at_row * screen.pitch + at_column * 2,
                 code ? (unsigned)ATTRIBUTE | code : 0, 2);
    else
        draw_glyph(at_row, at_column, code);
}

/* Cells that show the same afterwards are left alone: most of a page of text. */
static void scroll(void)
{
    for (unsigned r = 0; r < rows; r++) {
        for (unsigned c = 0; c < columns; c++)
            show(r, c, r + 1 < rows ? cells[r + 1][c] : 0);
    }
    row = rows - 1;
}

/* --- control sequences: those of the line that is typed; others are read over --- */

static void clear_line_from_here(void)
{
    for (unsigned c = column; c < columns; c++)
        show(row, c, 0);
}

static void obey(char final)
{
    unsigned steps = MAX(number, 1u);

    if (final == 'K')
        clear_line_from_here();
    else if (final == 'D')
        column -= MIN(column, steps);
    else if (final == 'C')
        column = MIN(column + steps, columns - 1);
}

/* True: c is part of a sequence, ESC [ numbers and a final character (ECMA-48, section 5.4). */
static bool in_sequence(char c)
{
    switch (sequence) {
    case AFTER_ESC:
        sequence = c == '[' ? IN_CSI : TEXT;
        number = 0;
        return true;
    case IN_CSI:
        if (c >= '0' && c <= '9')
            number = MIN(number * 10 + (unsigned)(c - '0'), MOST_NUMBER);
        if (c < '@' && c >= ' ')
            return true;
        sequence = TEXT;
        obey(c);
        return true;
    default: sequence = c == ESC ? AFTER_ESC : TEXT; return c == ESC;
    }
}

static void draw_char(char c)
{
    if (in_sequence(c))
        return;
    if (c == '\n' || column == columns) {
        column = 0;
        if (++row >= rows)
            scroll();
    }
    if (c == '\r')
        column = 0;
    if (c == '\b')
        column -= MIN(column, 1u);
    if ((uint8_t)c < ' ')
        return;
    show(row, column, (uint8_t)c);
    column++;
}

void display_write(const char *bytes, unsigned count)
{
    for (unsigned i = 0; columns && i < count; i++)
        draw_char(bytes[i]);
}
