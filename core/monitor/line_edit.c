/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/monitor/line_edit.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

#define CTRL(letter) ((letter)&0x1f)
#define ESC          0x1b
#define DELETE       0x7f

enum { NO_ESCAPE, AFTER_ESC, IN_SEQUENCE };

_Static_assert((LINE_HISTORY & (LINE_HISTORY - 1)) == 0, "its places run on through 2^32");

static void replace_text(struct line_edit *l, const char *text)
{
    l->used = l->cursor = (unsigned)strlen(text);
    ASSERT(l->used < LINE_SIZE);
    memmove(l->text, text, l->used + 1);
}

void line_insert(struct line_edit *l, const char *text, unsigned count)
{
    ASSERT(l->cursor <= l->used && l->used < LINE_SIZE);
    count = MIN(count, LINE_SIZE - 1 - l->used);
    memmove(l->text + l->cursor + count, l->text + l->cursor, l->used - l->cursor + 1);
    memcpy(l->text + l->cursor, text, count);
    l->used += count;
    l->cursor += count;
}

/* The characters in [from, to). */
static enum line_event cut_text(struct line_edit *l, unsigned from, unsigned to)
{
    if (from >= to || to > l->used)
        return LINE_REFUSED;
    memmove(l->text + from, l->text + to, l->used - to + 1);
    l->used -= to - from;
    l->cursor = from;
    return LINE_CHANGED;
}

static enum line_event move_to(struct line_edit *l, unsigned at)
{
    if (at > l->used) /* also one before the first */
        return LINE_REFUSED;
    l->cursor = at;
    return LINE_CHANGED;
}

static unsigned word_start(const struct line_edit *l)
{
    unsigned at = l->cursor;

    while (at > 0 && l->text[at - 1] == ' ')
        at--;
    while (at > 0 && l->text[at - 1] != ' ')
        at--;
    return at;
}

static enum line_event recall(struct line_edit *l, unsigned back)
{
    if (back > MIN(l->remembered, LINE_HISTORY)) /* also one before 0 */
        return LINE_REFUSED;
    if (l->back == 0)
        memcpy(l->kept, l->text, l->used + 1);
    l->back = back;
    replace_text(l, back ? l->history[(l->remembered - back) % LINE_HISTORY] : l->kept);
    return LINE_CHANGED;
}

/* The last byte of ESC [ NUMBER BYTE, or of ESC O BYTE. */
static enum line_event sequence_key(struct line_edit *l, uint8_t byte)
{
    switch (byte == '~' ? l->parameter : byte) {
    case 'A': return recall(l, l->back + 1);
    case 'B': return recall(l, l->back - 1);
    case 'C': return move_to(l, l->cursor + 1);
    case 'D': return move_to(l, l->cursor - 1);
    case 'H':
    case 1:
    case 7: return move_to(l, 0);
    case 'F':
    case 4:
    case 8: return move_to(l, l->used);
    case 3: return cut_text(l, l->cursor, l->cursor + 1);
    default: return LINE_REFUSED;
    }
}

static enum line_event escape_key(struct line_edit *l, uint8_t byte)
{
    if (l->escape == AFTER_ESC) {
        l->escape = byte == '[' || byte == 'O' ? IN_SEQUENCE : NO_ESCAPE;
        l->parameter = 0;
        return LINE_NONE;
    }
    if (byte >= '0' && byte <= '9') {
        l->parameter = l->parameter % 10 * 10 + (byte - '0');
        return LINE_NONE;
    }
    if (byte < 0x40) /* of a longer sequence */
        return LINE_NONE;
    l->escape = NO_ESCAPE;
    return sequence_key(l, byte);
}

enum line_event line_key(struct line_edit *l, uint8_t byte)
{
    char c = (char)byte;

    if (l->escape != NO_ESCAPE)
        return escape_key(l, byte);
    switch (byte) {
    case '\r':
    case '\n': return LINE_DONE;
    case '\t': return LINE_COMPLETE;
    case ESC: l->escape = AFTER_ESC; return LINE_NONE;
    case '\b':
    case DELETE: return cut_text(l, l->cursor - 1, l->cursor);
    case CTRL('A'): return move_to(l, 0);
    case CTRL('B'): return move_to(l, l->cursor - 1);
    case CTRL('D'): return cut_text(l, l->cursor, l->cursor + 1);
    case CTRL('E'): return move_to(l, l->used);
    case CTRL('F'): return move_to(l, l->cursor + 1);
    case CTRL('K'): return cut_text(l, l->cursor, l->used);
    case CTRL('L'): return LINE_CHANGED;
    case CTRL('N'): return recall(l, l->back - 1);
    case CTRL('P'): return recall(l, l->back + 1);
    case CTRL('U'): return cut_text(l, 0, l->cursor);
    case CTRL('W'): return cut_text(l, word_start(l), l->cursor);
    case CTRL('C'): replace_text(l, ""); return LINE_CHANGED;
    default: break;
    }
    if (byte < ' ' || byte > '~' || l->used == LINE_SIZE - 1)
        return LINE_REFUSED;
    line_insert(l, &c, 1);
    return LINE_CHANGED;
}

void line_clear(struct line_edit *l)
{
    const char *last = l->history[(l->remembered - 1) % LINE_HISTORY];

    if (l->used && (!l->remembered || strcmp(last, l->text)))
        memcpy(l->history[l->remembered++ % LINE_HISTORY], l->text, l->used + 1);
    replace_text(l, "");
    l->back = 0;
}
