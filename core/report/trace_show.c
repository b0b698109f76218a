/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/report/trace_show.h"

#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "core/vm/backend.h"

#define DETAILS        80
#define SHOWN_IN_PANIC 16 /* events */

static trace_ring
    *snapshot; /* guests go on while lines go over the wire: without it they would overtake us */

static const struct trace_filter everything = {TRACE_ANY, TRACE_ANY};

/* --- words --- */

static const char *name_of(const char *const names[], unsigned count, unsigned i)
{
    return i < count && names[i] ? names[i] : "?";
}

/* What happened, and in details what more there is to say. */
static const char *words(const struct trace_event *e, char details[DETAILS])
{
    static const char *const ends[] = {[RUN_LEFT] = "leaves",
                                       [RUN_BLOCKED] = "waits",
                                       [RUN_PREEMPTED] = "preempted",
                                       [RUN_YIELDED] = "yields"};
    static const char *const vm_ends[] = {[VM_END_OFF] = "off",
                                          [VM_END_RESET] = "reset",
                                          [VM_END_CRASH] = "crash",
                                          [VM_END_STOP] = "stopped from outside",
                                          [VM_END_START] = "started from outside"};

    _Static_assert(ARRAY_SIZE(ends) == RUN_YIELDED + 1 && ARRAY_SIZE(vm_ends) == VM_END_START + 1,
                   "each has its words");
    details[0] = 0;
    switch (e->kind) {
    case TRACE_EXIT: return backend.exit_words(e, details, DETAILS);
    case TRACE_IN: return "schedule in";
    case TRACE_OUT:
        format(details, DETAILS, "%s", name_of(ends, ARRAY_SIZE(ends), e->reason));
        return "schedule out";
    case TRACE_INJECT: format(details, DETAILS, "vector %x", e->reason); return "interrupt injected";
    case TRACE_START: return "VM starts";
    case TRACE_END:
        format(details, DETAILS, "%s", name_of(vm_ends, ARRAY_SIZE(vm_ends), e->reason));
        return "VM ends";
    default: return "unknown event";
    }
}

static void show_event(const struct blackbox *b, unsigned cpu, const struct trace_event *e)
{
    char details[DETAILS], who[CONFIG_NAME_SIZE + 8], rip[20] = "-";
    const char *what = words(e, details), *vm = e->vm < CONFIG_MAX_VMS ? b->names[e->vm] : "?";

    if (e->kind == TRACE_START || e->kind == TRACE_END)
        format(who, sizeof(who), "%s", vm);
    else
        format(who, sizeof(who), "%s/%u", vm, e->vcpu);
    if (e->kind == TRACE_EXIT)
        format(rip, sizeof(rip), "%016llx", (unsigned long long)e->rip);
    print("trace: CPU %u tsc %-12llu %-12s rip %-16s %s%s%s\n", cpu, (unsigned long long)e->tsc, who, rip,
          what, details[0] ? ": " : "", details);
}

static void show_ahead(const struct blackbox *b, unsigned first, struct trace_cursor *c,
                       const struct trace_filter *f, unsigned n)
{
    struct trace_event e;
    unsigned cpu;

    for (n = trace_rewind(c, f, n); n && trace_read(c, f, &e, &cpu); n--)
        show_event(b, first + cpu, &e);
}

/* --- whose --- */

/* Of this CPU: for a panic. */
static void show_own(void)
{
    const unsigned id = this_cpu()->id;
    struct trace_cursor c;

    trace_seek_end(&c, blackbox_rings(blackbox) + id, 1, rdtsc());
    show_ahead(blackbox, id, &c, &everything, SHOWN_IN_PANIC);
}

void trace_show_setup(void)
{
    uint64_t pages = cpu_count * sizeof(trace_ring) / PAGE_SIZE;

    snapshot = memory_alloc_zeroed(&memory_host, MEMORY_STATE, pages);
    if (!snapshot)
        panic("no memory to show the trace of %u CPUs", cpu_count);
    panic_set_last_words(show_own);
}

void trace_show(const struct trace_filter *f, unsigned n)
{
    const trace_ring *rings = blackbox_rings(blackbox);
    uint64_t now = rdtsc();
    struct trace_cursor c;

    ASSERT(snapshot);
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        for (unsigned i = 0; i < TRACE_EVENTS; i++)
            trace_copy(&rings[cpu][i], &snapshot[cpu][i]);
    }
    trace_seek_end(&c, snapshot, cpu_count, now);
    show_ahead(blackbox, 0, &c, f, n);
}

bool trace_show_last(unsigned n)
{
    struct trace_cursor c;

    if (!blackbox_last)
        return false;
    trace_seek_end(&c, blackbox_rings(blackbox_last), blackbox_last->cpus, UINT64_MAX);
    show_ahead(blackbox_last, 0, &c, &everything, n);
    return true;
}

void trace_show_vm(unsigned vm, unsigned n)
{
    const struct trace_filter f = {(int)vm, TRACE_ANY};
    struct trace_cursor c;

    trace_seek_end(&c, blackbox_rings(blackbox), cpu_count, rdtsc());
    show_ahead(blackbox, 0, &c, &f, n);
}
