/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/terminal.h"

#include "arch/x86/display.h"
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/config/config.h"

#define OURS        (16 * 1024)
#define OUR_MARKS   256
#define LINES_DRAWN 2  /* at a time: each may move the whole screen. More than one, to catch up */
#define PIECE       16 /* bytes of a speaker at a time */
#define PROMPT_SIZE (CONSOLE_PROMPT + 8)
#define CLEAR_LINE  "\r\033[K\r"
#define QUIET                                                                                    \
    UINT64_C(20000000) /* TSC ticks without output after which an unfinished line is interrupted \
                        */

_Static_assert(TERMINAL_WIRE >= 64 + 2 * (PROMPT_SIZE + PIECE + CONFIG_NAME_SIZE),
               "a piece with all around it");

static const char mark[] = "skerry: "; /* how our own lines begin */

static char our_bytes[OURS];
static struct console_mark our_marks[OUR_MARKS];
struct console_ring terminal_ours = {
    .bytes = our_bytes, .marks = our_marks, .size = OURS, .mark_count = OUR_MARKS};

static char made_up[TERMINAL_WIRE];   /* and not sent yet */
static unsigned made_head, made_tail; /* free-running */
static unsigned drawn_to;             /* of our ring: what the screen has */
static const struct cpu *made_for;    /* that keeps the ring of the last of it */
static bool to_port, to_screen, prefixes, in_panic;

static struct console_stream *streams, *front, *last; /* last: the one that spoke last */
static struct console_stream *speaking;               /* in the middle of its line, which is all there */
static bool we_speak;                                 /* in the middle of ours */
static bool line_open;                                /* the cursor is not at the beginning */
static unsigned line_length;                          /* of what the front has put there */
static uint64_t last_shown;                           /* TSC of its last byte */

static char prompt[PROMPT_SIZE], drawn[PROMPT_SIZE]; /* as it should be, and as it is */
static unsigned prompt_used, drawn_used;

/* --- sinks --- */

static void show_on_wire(const char *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            made_up[made_head++ % TERMINAL_WIRE] = '\r';
        made_up[made_head++ % TERMINAL_WIRE] = bytes[i];
    }
}

/* A screen that is all there is shows all; else it follows when there is time: terminal_draw(). */
static void show(const char *bytes, unsigned count)
{
    if (!count)
        return;
    if (to_port)
        show_on_wire(bytes, count);
    else if (to_screen)
        display_write(bytes, count);
    line_open = bytes[count - 1] != '\n';
}

static void show_byte(char c)
{
    show(&c, 1);
}

/* --- rings --- */

static char peek(const struct console_ring *r, unsigned offset)
{
    return r->bytes[(r->tail + offset) & (r->size - 1)];
}

static void drop_marks(struct console_ring *r)
{
    while (__atomic_load_n(&r->mark_head, __ATOMIC_ACQUIRE) - r->mark_tail > 1 &&
           (int)(r->tail - r->marks[r->mark_tail & (r->mark_count - 1)].end) >= 0)
        __atomic_store_n(&r->mark_tail, r->mark_tail + 1, __ATOMIC_RELEASE);
}

static void drop(struct console_ring *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        r->ends_taken += peek(r, i) == '\n';
    made_for = r->keeper;
    __atomic_store_n(&r->tail, r->tail + count, __ATOMIC_RELEASE);
    drop_marks(r);
}

/* When the next byte was written. */
static uint64_t written_at(struct console_ring *r)
{
    drop_marks(r);
    return r->marks[r->mark_tail & (r->mark_count - 1)].at;
}

static bool has_line(const struct console_ring *r)
{
    return __atomic_load_n(&r->ends, __ATOMIC_ACQUIRE) != r->ends_taken || ring_used(r) >= CONSOLE_LINE;
}

/*
 * A guest must not speak in the hypervisor's name: what begins like a line of ours gets "guest: " put before.
 * While it may still become one its bytes stay where they are, and *wait is set.
 */
static bool forges(const struct console_ring *r, unsigned from, bool *wait)
{
    unsigned used = ring_used(r) - from;

    for (unsigned i = 0; i < sizeof(mark) - 1; i++) {
        *wait = i == used;
        if (*wait || peek(r, from + i) != mark[i])
            return false;
    }
    return true;
}

/* There is something of it to show, the line that stands there permitting. */
static bool ready(const struct console_stream *s)
{
    bool wait = false;

    if (s != front)
        return has_line(&s->ring);
    return ring_used(&s->ring) && ((line_open && !s->starts) || forges(&s->ring, 0, &wait) || !wait);
}

/* --- the prompt --- */

static void hide_prompt(void)
{
    if (!drawn_used)
        return;
    show(CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
    drawn_used = 0;
    line_open = false;
}

static bool draw_prompt(void)
{
    bool longer = prompt_used >= drawn_used && !memcmp(prompt, drawn, drawn_used);

    if (longer && prompt_used == drawn_used)
        return false;
    if (!longer)
        hide_prompt();
    if (line_open && !drawn_used)
        show_byte('\n');
    show(prompt + drawn_used, prompt_used - drawn_used);
    made_for = terminal_ours.keeper;
    memcpy(drawn, prompt, prompt_used);
    drawn_used = prompt_used;
    line_open = false; /* nobody has to wait for its end */
    return true;
}

void terminal_set_prompt(const char *text, unsigned cursor)
{
    unsigned length = (unsigned)strnlen(text, CONSOLE_PROMPT);

    prompt_used = (unsigned)format(prompt, sizeof(prompt), cursor < length ? "%.*s\033[%uD" : "%.*s",
                                   (int)length, text, length - cursor);
}

/* For a line of somebody else. */
static void make_way(void)
{
    hide_prompt();
    if (line_open)
        show_byte('\n');
}

/* --- ours --- */

/* What a guest has said before it comes before it. */
static bool said_before(uint64_t at)
{
    for (struct console_stream *s = streams; s; s = s->next) {
        if (ready(s) && written_at(&s->ring) <= at)
            return true;
    }
    return false;
}

/* The place that leads to this one; to none: the end. */
static struct console_stream **place_of(const struct console_stream *s)
{
    struct console_stream **at = &streams;

    while (*at && *at != s)
        at = &(*at)->next;
    return at;
}

static bool is_listed(const struct console_stream *s)
{
    return *place_of(s);
}

/* Guests have much to say. */
static bool crowded(void)
{
    unsigned used = 0;

    for (const struct console_stream *s = streams; s; s = s->next)
        used += ring_used(&s->ring);
    return used > CONSOLE_RESERVE;
}

/* In the monitor the answer is waited for, and does not wait for much. */
static bool we_may_speak(void)
{
    if (!ring_used(&terminal_ours))
        return false;
    return in_panic || (front && !is_listed(front) && crowded()) || !said_before(written_at(&terminal_ours));
}

static bool speak(void)
{
    struct console_ring *r = &terminal_ours;
    unsigned used = MIN(ring_used(r), PIECE), n = 0;
    char text[PIECE];

    if (!used)
        return false;
    do {
        text[n] = peek(r, n);
    } while (text[n++] != '\n' && n < used);
    drop(r, n);
    show(text, n);
    we_speak = text[n - 1] != '\n';
    return true;
}

/* --- guests --- */

static void show_prefix(const struct console_stream *s)
{
    if (!prefixes)
        return;
    show(s->name, (unsigned)strlen(s->name));
    show("| ", 2);
}

static bool printable(char c)
{
    return (c >= 0x20 && c < 0x7f) || c == '\t';
}

/* Whether the next byte may stand where a line begins: behind anything that moves the cursor. */
static void follow_terminal(struct console_stream *s, char c)
{
    bool within = s->sequence != PLAIN;

    if (c == 0x1b)
        s->sequence = ESCAPE;
    else if (s->sequence == ESCAPE)
        s->sequence = c == '[' ? CSI : PLAIN;
    else if (s->sequence == CSI && c >= 0x40)
        s->sequence = PLAIN;
    s->starts = within || (!printable(c) && (unsigned char)c < 0x80);
}

/* With the prefix again where a CR has gone back over it. */
static void show_in_front(struct console_stream *s, char c)
{
    bool ends = c == '\r' || c == '\n';

    if (!ends && (!line_open || (s->returned && prefixes)))
        show_prefix(s);
    s->returned = c == '\r';
    if (!line_open)
        line_length = 0;
    line_length++;
    if (c != '\r' || line_open)
        show_byte(c);
    follow_terminal(s, c);
}

static bool speak_in_front(struct console_stream *s)
{
    struct console_ring *r = &s->ring;
    unsigned used = MIN(ring_used(r), PIECE), n = 0;
    char c = 0;

    while (n < used && c != '\n') {
        bool wait = false;

        c = peek(r, n);
        if ((s->starts || !line_open) && c == mark[0] && forges(r, n, &wait)) {
            if (!line_open || s->returned)
                show_prefix(s);
            s->returned = false;
            show("guest: ", 7);
            s->starts = false;
        }
        if (wait)
            break;
        hide_prompt();
        show_in_front(s, c);
        n++;
    }
    if (n) {
        drop(r, n);
        last_shown = rdtsc();
    }
    last = s;
    return n > 0;
}

static void begin_behind(struct console_stream *s)
{
    bool wait;

    make_way();
    show_prefix(s);
    if (!prefixes && forges(&s->ring, 0, &wait))
        show("guest: ", 7);
    line_length = 0;
    speaking = s;
}

/* Printable characters up to the end of a line; CR has no meaning behind. */
static char take_printable(struct console_ring *r, char *text, unsigned *count)
{
    unsigned used = MIN(ring_used(r), PIECE), n = 0;
    char c = 0;

    while (n < used && line_length < CONSOLE_LINE && c != '\n') {
        c = peek(r, n++);
        if (c == '\r' || c == '\n')
            continue;
        text[(*count)++] = printable(c) ? c : '.';
        line_length++;
    }
    drop(r, n);
    return c;
}

/* A whole line, from its beginning. */
static bool speak_from_behind(struct console_stream *s)
{
    struct console_ring *r = &s->ring;
    char text[PIECE + 1], c;
    unsigned n = 0;

    if (!speaking)
        begin_behind(s);
    c = take_printable(r, text, &n);
    if (c == '\n' || line_length >= CONSOLE_LINE) {
        if (c != '\n' && ring_used(r) && peek(r, 0) == '\n')
            drop(r, 1);
        text[n++] = '\n';
        speaking = NULL;
        s->starts = true;
    }
    show(text, n);
    last = s;
    return true;
}

/* --- turns --- */

/* The next one in turn. */
static struct console_stream *next_speaker(void)
{
    struct console_stream *s = last && last->next ? last->next : streams;

    for (const struct console_stream *first = s; s; s = s->next ? s->next : streams) {
        if (ready(s))
            return s;
        if ((s->next ? s->next : streams) == first)
            break;
    }
    return NULL;
}

static bool others_wait(void)
{
    if (we_may_speak())
        return true;
    for (const struct console_stream *s = streams; s; s = s->next) {
        if (s != front && has_line(&s->ring))
            return true;
    }
    return false;
}

/* The front keeps the line that it has begun until it ends it, stands still in it, or makes it too long. */
static bool front_keeps_line(void)
{
    if (!line_open || !front || drawn_used || last != front || in_panic)
        return false;
    if (line_length < CONSOLE_LINE && (ring_used(&front->ring) || rdtsc() - last_shown < QUIET))
        return true;
    return !others_wait();
}

static bool take_turn(void)
{
    struct console_stream *s;

    if (we_may_speak()) {
        make_way();
        return speak();
    }
    if (in_panic)
        return false;
    if (draw_prompt())
        return true;
    s = next_speaker();
    if (s && s != front)
        return speak_from_behind(s);
    return s && speak_in_front(s);
}

/* False: nothing for now. */
static bool compose(void)
{
    if (we_speak)
        return speak();
    if (speaking && !in_panic)
        return speak_from_behind(speaking);
    if (front_keeps_line())
        return speak_in_front(front);
    return take_turn();
}

/* --- the door --- */

void terminal_use(bool port, bool screen)
{
    to_port = port;
    to_screen = screen;
}

bool terminal_draw(void)
{
    const struct console_ring *r = &terminal_ours;

    if (!to_screen || !to_port)
        drawn_to = r->tail;
    for (unsigned ends = 0; drawn_to != r->tail && ends < LINES_DRAWN; drawn_to++) {
        if (r->head - drawn_to > OURS)
            drawn_to = r->head - OURS;
        display_write(&r->bytes[drawn_to % OURS], 1);
        ends += r->bytes[drawn_to % OURS] == '\n';
    }
    return drawn_to != r->tail;
}

void terminal_repeat(void)
{
    const struct console_ring *r = &terminal_ours;

    for (drawn_to = r->head > OURS ? r->head - OURS : 0; drawn_to != r->tail; drawn_to++)
        display_write(&r->bytes[drawn_to % OURS], 1);
}

void terminal_add(struct console_stream *s)
{
    s->next = NULL;
    *place_of(s) = s;
}

void terminal_remove(struct console_stream *s)
{
    struct console_stream **at = place_of(s);

    if (*at)
        *at = s->next;
    if (front == s)
        front = NULL;
    if (last == s)
        last = NULL;
    if (speaking == s)
        speaking = NULL;
}

void terminal_focus(struct console_stream *s)
{
    if (line_open && front && last == front && has_line(&front->ring))
        speaking = front; /* the end of its line is there, and is shown first */
    if (line_open && !speaking && !we_speak)
        make_way();
    front = s;
}

struct console_stream *terminal_focused(void)
{
    return front;
}

void terminal_set_prefixes(bool on)
{
    prefixes = on;
}

void terminal_panic(void)
{
    in_panic = true;
    speaking = NULL;
}

unsigned terminal_next(const char **bytes, unsigned count)
{
    unsigned at = made_tail % TERMINAL_WIRE;

    while (made_head - made_tail < count && compose())
        at = made_tail % TERMINAL_WIRE;
    *bytes = made_up + at;
    return MIN(MIN(made_head - made_tail, count), TERMINAL_WIRE - at);
}

void terminal_sent(unsigned count)
{
    made_tail += count;
}

static bool kept_by(const struct console_ring *r, const struct cpu *keeper)
{
    return !keeper || r->keeper == keeper;
}

bool terminal_has_more(const struct cpu *keeper)
{
    bool draws = prompt_used != drawn_used || memcmp(prompt, drawn, drawn_used);

    if (made_head != made_tail && (!keeper || made_for == keeper))
        return true;
    if (ring_used(&terminal_ours) && kept_by(&terminal_ours, keeper))
        return true;
    if (in_panic)
        return false;
    for (const struct console_stream *s = streams; s; s = s->next) {
        if (kept_by(&s->ring, keeper) && (ready(s) || s == speaking))
            return true;
    }
    return draws && kept_by(&terminal_ours, keeper);
}

void terminal_tell_writers(void)
{
    for (struct console_stream *s = streams; s; s = s->next) {
        if (!s->writable || ring_room(&s->ring) < CONSOLE_RING / 2)
            continue;
        if (__atomic_exchange_n(&s->starved, false, __ATOMIC_ACQ_REL))
            s->writable(s->context);
    }
}
