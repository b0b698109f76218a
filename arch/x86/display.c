/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/display.h"

#include "arch/x86/string.h"

#define GLYPH_WIDTH  8
#define GLYPH_HEIGHT 16
#define ATTRIBUTE    0x0700

static struct display_mode screen;
static const uint8_t *glyphs;
static unsigned columns, rows, column, row;

void display_setup(const struct display_mode *mode, const uint8_t *font)
{
    screen = *mode;
    glyphs = font;
    rows = mode->text ? mode->height : mode->height / GLYPH_HEIGHT;
    columns = !rows ? 0 : mode->text ? mode->width : mode->width / GLYPH_WIDTH;
    column = row = 0;
    memset(screen.memory, 0, (size_t)mode->pitch * mode->height);
}

static void draw_glyph(uint8_t code)
{
    unsigned bytes = screen.bits_per_pixel / 8;
    uint8_t *line = (uint8_t *)screen.memory + (size_t)row * GLYPH_HEIGHT * screen.pitch +
                    (size_t)column * GLYPH_WIDTH * bytes;

    for (unsigned y = 0; y < GLYPH_HEIGHT; y++, line += screen.pitch) {
        for (unsigned x = 0; x < GLYPH_WIDTH; x++)
            store_le(line + x * bytes, glyphs[code * GLYPH_HEIGHT + y] & (0x80 >> x) ? 0xc0c0c0 : 0, bytes);
    }
}

static void scroll(void)
{
    size_t line = (size_t)screen.pitch * (screen.text ? 1 : GLYPH_HEIGHT);

    memmove(screen.memory, (uint8_t *)screen.memory + line, line * (rows - 1));
    memset((uint8_t *)screen.memory + line * (rows - 1), 0, line);
    row = rows - 1;
}

static void draw_char(char c)
{
    if (c == '\n' || column == columns) {
        column = 0;
        if (++row >= rows)
            scroll();
    }
    if (c == '\r')
        column = 0;
    if ((uint8_t)c < ' ')
        return;
    if (screen.text)
        store_le((uint8_t *)screen.memory + (size_t)row * screen.pitch + column * 2, ATTRIBUTE | (uint8_t)c,
                 2);
    else
        draw_glyph((uint8_t)c);
    column++;
}

void display_write(const char *bytes, unsigned count)
{
    for (unsigned i = 0; columns && i < count; i++)
        draw_char(bytes[i]);
}
