/* SPDX-License-Identifier: BSD-2-Clause */
/* MC146818 real-time clock: the calendar is computed when it is read. */
#include "dev/rtc.h"

#include "core/base/ticks.h"

enum {
    SECONDS = 0x00,
    ALARM_SECONDS = 0x01,
    MINUTES = 0x02,
    ALARM_MINUTES = 0x03,
    HOURS = 0x04,
    ALARM_HOURS = 0x05,
    WEEKDAY = 0x06,
    DAY = 0x07,
    MONTH = 0x08,
    YEAR = 0x09,
    STATUS_A = 0x0a,
    STATUS_B = 0x0b,
    STATUS_C = 0x0c,
    STATUS_D = 0x0d,
    CENTURY = 0x32,
};

_Static_assert(CENTURY < sizeof(((struct rtc *)NULL)->cmos) && sizeof(((struct rtc *)NULL)->cmos) == 0x7f + 1,
               "as many bytes as the index has values");

enum { A_DIVIDER = 0x26, B_24_HOURS = 0x02, B_BINARY = 0x04, B_SET = 0x80, D_VALID = 0x80, PM = 0x80 };
enum {
    A_IN_PROGRESS = 0x80,
    A_RATE = 0x0f,
    C_UPDATE = 0x10,
    C_ALARM = 0x20,
    C_PERIODIC = 0x40,
    C_REQUEST = 0x80
};

#define ANY_TIME  0xc0    /* an alarm byte with these bits is no condition */
#define UPDATE_NS 2228000 /* an update and the warning before it: 1984 and 244 us */
#define BASE_HZ   32768u

#define DAY_SECONDS 86400
#define LAST_SECOND 253402300799 /* 9999-12-31 23:59:59: beyond it the century has no two digits */

struct calendar {
    unsigned second, minute, hour, weekday, day, month, year; /* weekday 1 is Sunday */
};

/* Gregorian calendar, counted from 1 March of year 0, so that leap days come last. */
static struct calendar calendar(uint64_t time)
{
    uint64_t days = time / DAY_SECONDS, second = time % DAY_SECONDS;
    uint64_t era_day = (days + 719468) % 146097, era = (days + 719468) / 146097; /* of 400 years */
    uint64_t year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
    uint64_t year_day = era_day - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * year_day + 2) / 153; /* 0: March */

    return (struct calendar){
        .second = (unsigned)(second % 60),
        .minute = (unsigned)(second / 60 % 60),
        .hour = (unsigned)(second / 3600),
        .weekday = (unsigned)((days + 4) % 7 + 1),
        .day = (unsigned)(year_day - (153 * month + 2) / 5 + 1),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .year = (unsigned)(era * 400 + year + (month >= 10)),
    };
}

static uint64_t seconds(const struct calendar *c)
{
    uint64_t year = c->year - (c->month <= 2), month = c->month <= 2 ? c->month + 9 : c->month - 3;
    uint64_t year_day = (153 * month + 2) / 5 + c->day - 1;
    uint64_t days = year * 365 + year / 4 - year / 100 + year / 400 + year_day - 719468;

    return days * DAY_SECONDS + c->hour * 3600 + c->minute * 60 + c->second;
}

static uint8_t encode(const struct rtc *r, unsigned value)
{
    return (uint8_t)(r->cmos[STATUS_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned decode(const struct rtc *r, uint8_t value)
{
    return r->cmos[STATUS_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15);
}

static uint8_t encode_hour(const struct rtc *r, unsigned hour)
{
    if (r->cmos[STATUS_B] & B_24_HOURS)
        return encode(r, hour);
    return encode(r, (hour + 11) % 12 + 1) | (hour >= 12 ? PM : 0);
}

static unsigned decode_hour(const struct rtc *r, uint8_t value)
{
    if (r->cmos[STATUS_B] & B_24_HOURS)
        return decode(r, value);
    return decode(r, value & 0x7f) % 12 + (value & PM ? 12 : 0);
}

/* The guest's time; before 1970 and after 9999 it stands still. */
static uint64_t guest_time(const struct rtc *r, uint64_t now)
{
    int64_t time = (int64_t)MIN(now, (uint64_t)LAST_SECOND) + r->offset;

    return (uint64_t)MAX(MIN(time, LAST_SECOND), 0);
}

/* Writes the time into the clock's bytes of CMOS. */
static void latch(struct rtc *r, uint64_t now)
{
    struct calendar c = calendar(guest_time(r, now));

    r->cmos[SECONDS] = encode(r, c.second);
    r->cmos[MINUTES] = encode(r, c.minute);
    r->cmos[HOURS] = encode_hour(r, c.hour);
    r->cmos[WEEKDAY] = encode(r, c.weekday);
    r->cmos[DAY] = encode(r, c.day);
    r->cmos[MONTH] = encode(r, c.month);
    r->cmos[YEAR] = encode(r, c.year % 100);
    r->cmos[CENTURY] = encode(r, c.year / 100);
}

/* Takes the time from the clock's bytes of CMOS. A date that does not exist is left as it is. */
static void set_time(struct rtc *r, uint64_t now)
{
    struct calendar c = {
        .second = decode(r, r->cmos[SECONDS]),
        .minute = decode(r, r->cmos[MINUTES]),
        .hour = decode_hour(r, r->cmos[HOURS]),
        .day = decode(r, r->cmos[DAY]),
        .month = decode(r, r->cmos[MONTH]),
        .year = decode(r, r->cmos[CENTURY]) * 100 + decode(r, r->cmos[YEAR]),
    };

    if (c.second > 59 || c.minute > 59 || c.hour > 23 || c.day - 1 > 30 || c.month - 1 > 11 ||
        c.year < 1970 || c.year > 9999)
        return;
    r->offset = (int64_t)seconds(&c) - (int64_t)MIN(now, (uint64_t)LAST_SECOND);
}

static bool is_clock(unsigned index)
{
    return index <= YEAR ? index >= WEEKDAY || index % 2 == 0 : index == CENTURY;
}

/* --- flags --- */

static bool updates(const struct rtc *r)
{
    return !(r->cmos[STATUS_B] & B_SET);
}

/* The update ends when the second does. */
static bool in_progress(const struct rtc *r, struct rtc_time now)
{
    return updates(r) && now.ns >= NANOSECONDS - UPDATE_NS;
}

/* Base ticks between two periodic events; 0: none. */
static unsigned periodic_ticks(const struct rtc *r)
{
    unsigned rate = r->cmos[STATUS_A] & A_RATE;

    return rate == 0 ? 0 : 1u << (rate <= 2 ? rate + 6 : rate - 1);
}

/* Of those since 1970, that there have been. The count may come round: it is compared only. */
static uint64_t periodic_events(struct rtc_time t, unsigned ticks)
{
    return t.seconds * (BASE_HZ / ticks) + t.ns * (uint64_t)BASE_HZ / NANOSECONDS / ticks;
}

static bool alarm_allows(uint8_t byte, unsigned wanted, unsigned value)
{
    return (byte & ANY_TIME) == ANY_TIME || wanted == value;
}

/* Which no second ever is. */
static bool never_alarms(const struct rtc *r)
{
    return (r->cmos[ALARM_SECONDS] & ANY_TIME) != ANY_TIME && decode(r, r->cmos[ALARM_SECONDS]) > 59;
}

/* Seconds from a time of the day until it is what the alarm bytes say; DAY_SECONDS: it never is. */
static unsigned until_alarm(const struct rtc *r, unsigned from)
{
    const uint8_t *b = r->cmos;
    unsigned gone = never_alarms(r) ? DAY_SECONDS : 0;

    while (gone < DAY_SECONDS) {
        unsigned t = (from + gone) % DAY_SECONDS;

        if (!alarm_allows(b[ALARM_HOURS], decode_hour(r, b[ALARM_HOURS]), t / 3600))
            gone += 3600 - t % 3600;
        else if (!alarm_allows(b[ALARM_MINUTES], decode(r, b[ALARM_MINUTES]), t / 60 % 60))
            gone += 60 - t % 60;
        else if (!alarm_allows(b[ALARM_SECONDS], decode(r, b[ALARM_SECONDS]), t % 60))
            gone++;
        else
            return gone;
    }
    return DAY_SECONDS;
}

/* One of the updates since then was at the time of the alarm. */
static bool alarm_was(const struct rtc *r, struct rtc_time now)
{
    uint64_t updates_since = now.seconds - r->seen.seconds;
    unsigned next = (unsigned)(guest_time(r, r->seen.seconds + 1) % DAY_SECONDS), wait = until_alarm(r, next);

    return wait < DAY_SECONDS && wait < updates_since;
}

static uint8_t flags_since(const struct rtc *r, struct rtc_time now)
{
    unsigned ticks = periodic_ticks(r);
    uint8_t flags = 0;

    if (updates(r) && now.seconds > r->seen.seconds)
        flags |= (uint8_t)(C_UPDATE | (alarm_was(r, now) ? C_ALARM : 0));
    if (ticks > 0 && periodic_events(now, ticks) != periodic_events(r->seen, ticks))
        flags |= C_PERIODIC;
    return flags & r->cmos[STATUS_B] ? flags | C_REQUEST : flags;
}

/* Status C, which its reading clears. */
static uint8_t take_flags(struct rtc *r, struct rtc_time now)
{
    uint8_t flags = flags_since(r, now);

    r->seen = now;
    return flags;
}

/* --- ports --- */

uint8_t rtc_read(struct rtc *r, unsigned port, struct rtc_time now)
{
    if (port == 0)
        return 0xff; /* the index is write-only */
    if (r->index == STATUS_C)
        return take_flags(r, now);
    if (r->index == STATUS_A)
        return r->cmos[STATUS_A] | (in_progress(r, now) ? A_IN_PROGRESS : 0);
    if (updates(r))
        latch(r, now.seconds);
    return r->cmos[r->index];
}

/* SET stops the clock, so that its bytes can be changed one by one. */
static void write_status_b(struct rtc *r, uint8_t value, uint64_t now)
{
    bool was_set = r->cmos[STATUS_B] & B_SET;

    r->cmos[STATUS_B] = value;
    if (!was_set && (value & B_SET))
        latch(r, now);
    if (was_set && !(value & B_SET))
        set_time(r, now);
}

static void write_data(struct rtc *r, uint8_t value, uint64_t now)
{
    bool stopped = r->cmos[STATUS_B] & B_SET;

    switch (r->index) {
    case STATUS_A: r->cmos[STATUS_A] = value & ~A_IN_PROGRESS; return;
    case STATUS_B: write_status_b(r, value, now); return;
    case STATUS_C:
    case STATUS_D: return;
    default: break;
    }
    if (is_clock(r->index) && !stopped)
        latch(r, now);
    r->cmos[r->index] = value;
    if (is_clock(r->index) && !stopped)
        set_time(r, now);
}

void rtc_write(struct rtc *r, unsigned port, uint8_t value, struct rtc_time now)
{
    if (port == 0)
        r->index = value & 0x7f; /* bit 7 would mask NMIs */
    else
        write_data(r, value, now.seconds);
}

void rtc_reset(struct rtc *r, struct rtc_time now)
{
    *r = (struct rtc){.seen = now};
    r->cmos[STATUS_A] = A_DIVIDER;
    r->cmos[STATUS_B] = B_24_HOURS;
    r->cmos[STATUS_D] = D_VALID;
}
