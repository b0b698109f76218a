/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/ps2_keyboard.h"

#include "arch/x86/cpu.h"
#include "arch/x86/string.h"

enum { DATA = 0x60, STATUS = 0x64, COMMAND = 0x64 };
enum { STATUS_FULL = 0x01, STATUS_BUSY = 0x02, STATUS_MOUSE = 0x20, STATUS_GONE = 0xff };
enum { READ_CONFIG = 0x20, WRITE_CONFIG = 0x60, KEYBOARD_ON = 0xae };
enum { CONFIG_INTERRUPT = 0x01, CONFIG_MOUSE_INTERRUPT = 0x02, CONFIG_OFF = 0x10, CONFIG_TRANSLATE = 0x40 };
enum { START_SCANNING = 0xf4 };

#define PATIENCE 100000 /* reads of the status, each most of a microsecond */
#define MOST     64     /* bytes at a time: more than its buffer has */

/* Scan codes of set 1, to which the controller translates. */
enum {
    EXTENDED = 0xe0,
    RELEASED = 0x80,
    CTRL = 0x1d,
    SHIFT_LEFT = 0x2a,
    SHIFT_RIGHT = 0x36,
    CAPS = 0x3a,
    SLASH = 0x35,
    ENTER = 0x1c
};

#define KEYS 0x58
static const char plain[KEYS] = "\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[KEYS] = "\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

_Static_assert(sizeof(plain) == KEYS && sizeof(shifted) == KEYS,
               "a place for each code; the last have no character");

/* What stands behind ESC [ for a key, from the one of Home on; 0: none. */
#define FIRST_CURSOR 0x47
static const char cursor[] = {'H', 'A', 0, 0, 'D', 0, 'C', 0, 'F', 'B', 0, 0, '3'};

static struct {
    bool there, extended, shift, ctrl, caps;
    uint8_t config_before;
    uint8_t typed[4]; /* still to be taken, the last one first */
    unsigned count;
} keyboard;

static bool wait_for_status(uint8_t mask, uint8_t wanted)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        uint8_t status = inb(STATUS);

        if (status == STATUS_GONE)
            return false;
        if ((status & mask) == wanted)
            return true;
    }
    return false;
}

static bool send(uint16_t port, uint8_t value)
{
    if (!wait_for_status(STATUS_BUSY, 0))
        return false;
    outb(port, value);
    return true;
}

static bool read_config(uint8_t *config)
{
    if (!send(COMMAND, READ_CONFIG) || !wait_for_status(STATUS_FULL, STATUS_FULL))
        return false;
    *config = inb(DATA);
    return true;
}

static bool write_config(uint8_t config)
{
    return send(COMMAND, WRITE_CONFIG) && send(DATA, config);
}

static void throw_away(void)
{
    for (unsigned i = 0; i < MOST && (inb(STATUS) & STATUS_FULL); i++)
        inb(DATA);
}

/* The keyboard answers START_SCANNING with a byte that is no key (FAh). */
bool ps2_keyboard_setup(void)
{
    uint8_t config;

    memset(&keyboard, 0, sizeof(keyboard));
    if (inb(STATUS) == STATUS_GONE)
        return false;
    throw_away();
    if (!read_config(&config))
        return false;
    keyboard.config_before = config;
    config =
        (uint8_t)((config | CONFIG_INTERRUPT | CONFIG_TRANSLATE) & ~(CONFIG_MOUSE_INTERRUPT | CONFIG_OFF));
    if (!write_config(config) || !send(COMMAND, KEYBOARD_ON) || !send(DATA, START_SCANNING))
        return false;
    keyboard.there = true;
    return true;
}

void ps2_keyboard_put_back(void)
{
    if (!keyboard.there)
        return;
    keyboard.there = false;
    throw_away();
    write_config(keyboard.config_before);
}

/* --- keys --- */

static void type(uint8_t byte)
{
    keyboard.typed[keyboard.count++] = byte;
}

static void type_cursor(uint8_t code)
{
    char final =
        code >= FIRST_CURSOR && code - FIRST_CURSOR < (int)sizeof(cursor) ? cursor[code - FIRST_CURSOR] : 0;

    if (!final)
        return;
    if (final == '3')
        type('~');
    type((uint8_t) final);
    type('[');
    type('\033');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void type_character(uint8_t code)
{
    char c = code < KEYS ? plain[code] : 0;

    if (keyboard.shift != (keyboard.caps && is_letter(c)))
        c = shifted[code < KEYS ? code : 0];
    if (keyboard.ctrl && c >= '@' && c <= '~')
        c &= 0x1f;
    if (c)
        type((uint8_t)c);
    else
        type_cursor(code); /* of the block of numbers */
}

static void press(uint8_t code, bool extended)
{
    if (code == CAPS)
        keyboard.caps = !keyboard.caps;
    else if (!extended || code == ENTER || code == SLASH)
        type_character(code);
    else
        type_cursor(code);
}

static void take_code(uint8_t code)
{
    bool extended = keyboard.extended, pressed = !(code & RELEASED);
    uint8_t key = code & (uint8_t)~RELEASED;

    keyboard.extended = code == EXTENDED;
    if (code >= EXTENDED) /* also answers, and the prefix of Pause */
        return;
    if (key == CTRL)
        keyboard.ctrl = pressed;
    else if (key == SHIFT_LEFT || key == SHIFT_RIGHT)
        keyboard.shift = extended ? keyboard.shift : pressed; /* the extended ones are not of a finger */
    else if (pressed)
        press(key, extended);
}

bool ps2_keyboard_receive(uint8_t *byte)
{
    uint8_t status;

    if (!keyboard.there)
        return false;
    for (unsigned i = 0; i < MOST && !keyboard.count; i++) {
        status = inb(STATUS);
        if (status == STATUS_GONE || !(status & STATUS_FULL))
            return false;
        if (status & STATUS_MOUSE)
            inb(DATA);
        else
            take_code(inb(DATA));
    }
    if (!keyboard.count)
        return false;
    *byte = keyboard.typed[--keyboard.count];
    return true;
}
