/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/pit.h"

#include "core/base/panic.h"
#include "core/base/ticks.h"

enum {
    CONTROL = 3,
    ACCESS = 0x30,
    ACCESS_LOW = 0x10,
    ACCESS_HIGH = 0x20,
    ACCESS_BOTH = 0x30,
    MODE = 0x0e,
    BCD = 1
};
enum { READ_BACK = 3, BACK_NO_COUNT = 0x20, BACK_NO_STATUS = 0x10 };
enum { STATUS_OUTPUT = 0x80, STATUS_NULL = 0x40 };
enum { PORT_GATE = 0x01, PORT_KEPT = 0x0f, PORT_REFRESH = 0x10, PORT_OUTPUT = 0x20 };
enum { ON_TERMINAL, ONE_SHOT, RATE, SQUARE, STROBE, TRIGGERED_STROBE };

#define REFRESH_TICKS 18 /* 15 us */

static uint64_t pm_ticks(uint64_t now)
{
    return now / NANOSECONDS * PM_TIMER_HZ + now % NANOSECONDS * PM_TIMER_HZ / NANOSECONDS;
}

uint32_t pm_timer(uint64_t now)
{
    return (uint32_t)pm_ticks(now);
}

/* Of the 8254, from the same origin and without the 32-bit timer's end. */
static uint64_t pit_ticks(uint64_t now)
{
    return pm_ticks(now) / 3;
}

/* Modes 6 and 7 are 2 and 3. */
static unsigned mode_of(const struct pit_counter *c)
{
    unsigned mode = (c->control & MODE) >> 1;

    return mode > TRIGGERED_STROBE ? mode - 4 : mode;
}

static bool repeats(const struct pit_counter *c)
{
    return mode_of(c) == RATE || mode_of(c) == SQUARE;
}

/* It counts from a rising edge of its gate on, whatever that does then. */
static bool is_triggered(const struct pit_counter *c)
{
    return mode_of(c) == ONE_SHOT || mode_of(c) == TRIGGERED_STROBE;
}

static uint16_t from_bcd(uint16_t v)
{
    return (uint16_t)((v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15));
}

static uint16_t to_bcd(unsigned v)
{
    return (uint16_t)(v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

/* How many there are before it comes round. */
static unsigned span_of(const struct pit_counter *c)
{
    return c->control & BCD ? 10000 : 0x10000;
}

static unsigned period_of(const struct pit_counter *c)
{
    unsigned n = c->control & BCD ? from_bcd(c->reload) : c->reload;

    return n > 0 ? n : span_of(c);
}

static uint64_t elapsed(const struct pit_counter *c, uint64_t tick)
{
    return c->counts ? tick - c->start : c->held;
}

static unsigned binary_count(const struct pit_counter *c, uint64_t tick)
{
    uint64_t gone = elapsed(c, tick);
    unsigned n = period_of(c);

    if (mode_of(c) == RATE)
        return n - (unsigned)(gone % n);
    if (mode_of(c) == SQUARE) /* by twos, twice a period */
        return (n - (unsigned)(2 * (gone % n) % n)) & ~1u;
    return (unsigned)(n + span_of(c) - gone % span_of(c)) % span_of(c);
}

static uint16_t count_now(const struct pit_counter *c, uint64_t tick)
{
    unsigned count = binary_count(c, tick);

    return c->control & BCD ? to_bcd(count) : (uint16_t)count;
}

static bool output(const struct pit_counter *c, uint64_t tick)
{
    uint64_t gone = elapsed(c, tick);
    unsigned n = period_of(c), mode = mode_of(c);

    if (!c->loaded || (is_triggered(c) && !c->triggered))
        return mode != ON_TERMINAL;
    if (repeats(c) && !c->gate)
        return true;
    switch (mode) {
    case ON_TERMINAL:
    case ONE_SHOT: return gone >= n;
    case RATE: return gone % n != n - 1;
    case SQUARE: return gone % n < (n + 1) / 2;
    default: return gone != n;
    }
}

static void begin_count(struct pit_counter *c, uint64_t tick)
{
    c->start = tick;
    c->held = 0;
}

static void set_gate(struct pit_counter *c, bool gate, uint64_t tick)
{
    bool rises = gate && !c->gate;

    if (gate == c->gate)
        return;
    c->gate = gate;
    if (is_triggered(c)) {
        c->triggered |= rises && c->loaded;
        c->counts |= rises && c->loaded;
        if (rises)
            begin_count(c, tick);
        return;
    }
    if (rises)
        c->start = repeats(c) ? tick : tick - c->held;
    else
        c->held = elapsed(c, tick);
    c->counts = rises && c->loaded;
}

static void load_count(struct pit_counter *c, uint16_t count, uint64_t tick)
{
    c->reload = count;
    c->loaded = true;
    if (is_triggered(c)) /* waits for its trigger */
        return;
    begin_count(c, tick);
    c->counts = c->gate;
}

static void write_counter(struct pit_counter *c, uint8_t value, uint64_t tick)
{
    unsigned access = c->control & ACCESS;

    if (access == ACCESS_BOTH && !c->second_write) {
        c->low = value;
        c->second_write = true;
        return;
    }
    c->second_write = false;
    load_count(c,
               (uint16_t)(access == ACCESS_LOW ? value : value << 8 | (access == ACCESS_BOTH ? c->low : 0)),
               tick);
}

static uint8_t read_counter(struct pit_counter *c, uint64_t tick)
{
    unsigned access = c->control & ACCESS;
    uint16_t count = c->latched ? c->latch : count_now(c, tick);
    bool high = access == ACCESS_HIGH || (access == ACCESS_BOTH && c->second_read);

    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    c->second_read = access == ACCESS_BOTH && !c->second_read;
    c->latched = c->latched && c->second_read;
    return (uint8_t)(high ? count >> 8 : count);
}

static void latch_count(struct pit_counter *c, uint64_t tick)
{
    if (c->latched)
        return;
    c->latch = count_now(c, tick);
    c->latched = true;
}

static void latch_status(struct pit_counter *c, uint64_t tick)
{
    if (c->status_latched)
        return;
    c->status = (uint8_t)(c->control | (output(c, tick) ? STATUS_OUTPUT : 0) | (c->loaded ? 0 : STATUS_NULL));
    c->status_latched = true;
}

static void read_back(struct pit *p, uint8_t value, uint64_t tick)
{
    for (unsigned i = 0; i < PIT_COUNTERS; i++) {
        if (!(value & 2 << i))
            continue;
        if (!(value & BACK_NO_COUNT))
            latch_count(&p->counters[i], tick);
        if (!(value & BACK_NO_STATUS))
            latch_status(&p->counters[i], tick);
    }
}

/* Its count is undefined until one is written: here it stands at the last one. */
static void set_mode(struct pit_counter *c, uint8_t value)
{
    *c = (struct pit_counter){.gate = c->gate, .reload = c->reload, .control = value & 0x3f};
}

static void write_control_word(struct pit *p, uint8_t value, uint64_t tick)
{
    unsigned which = value >> 6;

    if (which == READ_BACK)
        read_back(p, value, tick);
    else if (value & ACCESS)
        set_mode(&p->counters[which], value);
    else
        latch_count(&p->counters[which], tick);
}

static uint8_t read_control_port(const struct pit *p, uint64_t tick)
{
    return (uint8_t)(p->control_port | (tick / REFRESH_TICKS % 2 ? PORT_REFRESH : 0) |
                     (output(&p->counters[2], tick) ? PORT_OUTPUT : 0));
}

uint8_t pit_read(struct pit *p, unsigned offset, uint64_t now)
{
    uint64_t tick = pit_ticks(now);

    if (offset == PIT_PORT_CONTROL)
        return read_control_port(p, tick);
    ASSERT(offset <= CONTROL);
    return offset == CONTROL ? 0xff
                             : read_counter(&p->counters[offset], tick); /* the control word is write-only */
}

void pit_write(struct pit *p, unsigned offset, uint8_t value, uint64_t now)
{
    uint64_t tick = pit_ticks(now);

    if (offset == PIT_PORT_CONTROL) {
        p->control_port = value & PORT_KEPT;
        set_gate(&p->counters[2], value & PORT_GATE, tick);
        return;
    }
    ASSERT(offset <= CONTROL);
    if (offset == CONTROL)
        write_control_word(p, value, tick);
    else
        write_counter(&p->counters[offset], value, tick);
}

/* As firmware leaves it: counter 0 as the tick of 18.2 Hz, counter 1 for refresh. */
void pit_reset(struct pit *p)
{
    *p = (struct pit){
        .counters = {{.control = ACCESS_BOTH | SQUARE << 1, .gate = true, .loaded = true, .counts = true},
                     {.control = ACCESS_LOW | RATE << 1,
                      .reload = REFRESH_TICKS,
                      .gate = true,
                      .loaded = true,
                      .counts = true},
                     {.control = ACCESS_BOTH | SQUARE << 1}}};
}
