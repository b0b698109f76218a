/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/trace.h"

#include "arch/x86/cpu.h"
#include "core/base/panic.h"

void trace_note(enum trace_kind kind, unsigned reason, uint32_t who)
{
    struct trace_event *e = trace_begin(rdtsc());

    _Static_assert(TRACE_KINDS <= UINT8_MAX, "a byte holds any");
    e->rip = 0;
    e->argument[0] = e->argument[1] = e->extra = 0;
    e->who = who;
    e->kind = (uint8_t)kind;
    e->reason = (uint8_t)reason;
}

static const struct trace_event *before_end(const struct trace_cursor *c, unsigned cpu, unsigned n)
{
    return &c->rings[cpu][(c->end[cpu] + TRACE_EVENTS - n) % TRACE_EVENTS];
}

void trace_seek_end(struct trace_cursor *c, const trace_ring *rings, unsigned count, uint64_t at)
{
    ASSERT(count <= MAX_CPUS);
    c->rings = rings;
    c->count = count;
    c->at = at;
    for (unsigned cpu = 0; cpu < count; cpu++) {
        uint64_t newest = 0;

        c->end[cpu] = c->ahead[cpu] = 0;
        for (unsigned i = 0; i < TRACE_EVENTS; i++) {
            uint64_t tsc = rings[cpu][i].tsc;

            if (tsc >= newest && tsc <= at) {
                newest = tsc;
                c->end[cpu] = (uint16_t)(i + 1);
            }
        }
    }
}

/* The event that would be ahead next; NULL: older ones are not there, or were overwritten by now. */
static const struct trace_event *older(const struct trace_cursor *c, unsigned cpu)
{
    unsigned ahead = c->ahead[cpu];
    const struct trace_event *e = before_end(c, cpu, ahead + 1);
    uint64_t limit = ahead ? before_end(c, cpu, ahead)->tsc : c->at;

    return ahead < TRACE_EVENTS && e->tsc && e->tsc <= limit ? e : NULL;
}

static bool passes(const struct trace_filter *f, const struct trace_event *e)
{
    return (f->vm == TRACE_ANY || f->vm == e->vm) && (f->vcpu == TRACE_ANY || f->vcpu == e->vcpu);
}

unsigned trace_rewind(struct trace_cursor *c, const struct trace_filter *f, unsigned n)
{
    unsigned found = 0;

    while (found < n) {
        const struct trace_event *latest = NULL;
        unsigned whose = 0;

        for (unsigned cpu = 0; cpu < c->count; cpu++) {
            const struct trace_event *e = older(c, cpu);

            if (e && (!latest || e->tsc > latest->tsc)) {
                latest = e;
                whose = cpu;
            }
        }
        if (!latest)
            break;
        c->ahead[whose]++;
        found += passes(f, latest);
    }
    return found;
}

bool trace_copy(const struct trace_event *from, struct trace_event *to)
{
    uint64_t tsc = __atomic_load_n(&from->tsc, __ATOMIC_ACQUIRE);

    *to = *from;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (tsc != __atomic_load_n(&from->tsc, __ATOMIC_RELAXED))
        to->tsc = 0;
    return to->tsc;
}

static const struct trace_event *take_earliest(struct trace_cursor *c, unsigned *cpu)
{
    const struct trace_event *earliest = NULL;

    for (unsigned i = 0; i < c->count; i++) {
        const struct trace_event *e = before_end(c, i, c->ahead[i]);

        if (c->ahead[i] && (!earliest || e->tsc < earliest->tsc)) {
            earliest = e;
            *cpu = i;
        }
    }
    if (earliest)
        c->ahead[*cpu]--;
    return earliest;
}

bool trace_read(struct trace_cursor *c, const struct trace_filter *f, struct trace_event *out, unsigned *cpu)
{
    const struct trace_event *e;

    while ((e = take_earliest(c, cpu))) {
        if (trace_copy(e, out) && passes(f, out))
            return true;
    }
    return false;
}
