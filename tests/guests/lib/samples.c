/* SPDX-License-Identifier: BSD-2-Clause */
#include "measure.h"

#define PIC_FIRST_MASK  0x21
#define PIC_SECOND_MASK 0xa1

unsigned measure_setup(const struct boot_info *info, unsigned otherwise)
{
    uint32_t tries = boot_number(info, "tries", otherwise);

    outb(PIC_FIRST_MASK, 0xff); /* a bare machine's firmware left its timer on */
    outb(PIC_SECOND_MASK, 0xff);
    return tries > MAX_SAMPLES ? MAX_SAMPLES : tries;
}

void samples_add(struct samples *s, uint32_t ticks)
{
    if (s->count < MAX_SAMPLES)
        s->values[s->count++] = ticks;
}

void samples_add_net(struct samples *s, uint32_t took, uint32_t cost)
{
    samples_add(s, took > cost ? took - cost : 0);
}

uint32_t least_of(timed_function *one, uint32_t seen)
{
    uint32_t best = UINT32_MAX;

    for (unsigned i = 0; i < 100; i++) {
        uint32_t at, took = one(seen, &at);

        if (took < best)
            best = took;
    }
    return best;
}

/* They are nearly the same, so that this is quick. */
static void sort(struct samples *s)
{
    for (unsigned i = 1; i < s->count; i++) {
        uint32_t value = s->values[i];
        unsigned at = i;

        for (; at > 0 && s->values[at - 1] > value; at--)
            s->values[at] = s->values[at - 1];
        s->values[at] = value;
    }
}

static uint32_t average(const struct samples *s)
{
    uint64_t sum = 0;
    uint32_t low, high;

    for (unsigned i = 0; i < s->count; i++)
        sum += s->values[i];
    low = (uint32_t)sum;
    high = (uint32_t)(sum >> 32);
    __asm__("divl %2" : "+a"(low), "+d"(high) : "r"(s->count));
    return low;
}

void samples_report(struct samples *s, const char *prefix, const char *key)
{
    unsigned last = s->count - 1;

    if (!s->count) {
        say("%s%s of 0", prefix, key);
        return;
    }
    sort(s);
    say("%s%s min %u average %u median %u p99 %u max %u of %u", prefix, key, (unsigned)s->values[0],
        (unsigned)average(s), (unsigned)s->values[last / 2], (unsigned)s->values[last * 99 / 100],
        (unsigned)s->values[last], s->count);
}

/* Four steps to a doubling: the three leading bits. */
static uint32_t bucket(uint32_t value)
{
    unsigned shift = 0;

    while (value >> shift > 7)
        shift++;
    return value >> shift << shift;
}

void samples_histogram(const struct samples *s, const char *prefix, const char *key)
{
    for (unsigned i = 0; i < s->count;) {
        uint32_t from = bucket(s->values[i]);
        unsigned first = i;

        while (i < s->count && bucket(s->values[i]) == from)
            i++;
        say("histogram %s%s %u %u", prefix, key, (unsigned)from, i - first);
    }
}
