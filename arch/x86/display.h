/* SPDX-License-Identifier: BSD-2-Clause */
/* Text on the screen: the VGA text buffer or a linear framebuffer. Output only, scrolls, no colours. */
#pragma once

#include "arch/x86/types.h"

struct display_mode {
    bool text;              /* cells of character and attribute instead of pixels */
    void *memory;           /* mapped */
    uint32_t pitch;         /* bytes per line */
    uint32_t width, height; /* pixels, or cells when text */
    uint8_t bits_per_pixel; /* 16, 24 or 32 */
};

/* font: 256 glyphs of 16 bytes, 8x16 pixels, bit 7 leftmost; unused in text mode. */
void display_setup(const struct display_mode *mode, const uint8_t *font);
void display_write(const char *bytes, unsigned count);
