/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line that a person types on a terminal: the keys of readline's Emacs mode, a history, no output. The
 * caller draws the line when it has changed.
 */
#pragma once

#include "arch/x86/types.h"

#define LINE_SIZE    128 /* with the zero at its end */
#define LINE_HISTORY 8

enum line_event {
    LINE_NONE,
    LINE_CHANGED,  /* text or cursor */
    LINE_DONE,     /* Enter: text is the line, until line_clear() */
    LINE_COMPLETE, /* Tab */
    LINE_REFUSED,  /* the key means nothing here, or the line is full */
};

/* text and cursor may be read; zero is an empty line without history. */
struct line_edit {
    char text[LINE_SIZE];
    unsigned used, cursor;
    char history[LINE_HISTORY][LINE_SIZE];
    unsigned remembered;        /* lines in all; the last LINE_HISTORY of them are there */
    unsigned back;              /* how many lines back the one shown is; 0: the new one */
    char kept[LINE_SIZE];       /* the new one meanwhile */
    unsigned escape, parameter; /* place in an escape sequence */
};

enum line_event line_key(struct line_edit *l, uint8_t byte);

/* Puts text in at the cursor as far as it fits. */
void line_insert(struct line_edit *l, const char *text, unsigned count);

/* Remembers the line, unless it is empty or the last one again, and begins a new one. */
void line_clear(struct line_edit *l);
