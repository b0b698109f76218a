/* SPDX-License-Identifier: BSD-2-Clause */
/* core/base/trace.c: rings that wrap, several of them by time, filters, and readers that were overtaken. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "core/base/trace.c"

#include <string.h>

#define CPUS 3

static trace_ring rings[CPUS] ALIGNED(sizeof(trace_ring));
static struct cpu machine_cpus[CPUS];

static int set_up(void **state)
{
    (void)state;
    memset(rings, 0, sizeof(rings));
    for (unsigned i = 0; i < CPUS; i++)
        machine_cpus[i] = (struct cpu){.id = i, .trace = rings[i]};
    return 0;
}

static void note(unsigned cpu, uint64_t tsc, unsigned vm, unsigned vcpu)
{
    fake_this_cpu = &machine_cpus[cpu];
    fake_tsc = tsc;
    trace_note(TRACE_OUT, tsc & 0xff, TRACE_WHO(vm, vcpu));
}

static const struct trace_filter all = {TRACE_ANY, TRACE_ANY};

/* Reads the last n and checks that their times are these. */
static void expect(unsigned n, uint64_t at, const struct trace_filter *f, const uint64_t *times,
                   unsigned count)
{
    struct trace_cursor c;
    struct trace_event e;
    unsigned cpu;

    trace_seek_end(&c, (const trace_ring *)rings, CPUS, at);
    assert_int_equal(trace_rewind(&c, f, n), count);
    for (unsigned i = 0; i < count; i++) {
        assert_true(trace_read(&c, f, &e, &cpu));
        assert_int_equal(e.tsc, times[i]);
        assert_int_equal(e.kind, TRACE_OUT);
        assert_int_equal(e.reason, times[i] & 0xff);
    }
    assert_false(trace_read(&c, f, &e, &cpu));
}

static void empty(void **state)
{
    (void)state;
    expect(10, UINT64_MAX, &all, NULL, 0);
    expect(0, UINT64_MAX, &all, NULL, 0);
}

static void merges_by_time(void **state)
{
    const uint64_t times[] = {10, 20, 30, 40, 50, 60};

    (void)state;
    note(1, 20, 0, 0);
    note(0, 10, 0, 0);
    note(2, 30, 0, 0);
    note(0, 60, 0, 0);
    note(1, 40, 0, 0);
    note(1, 50, 0, 0);
    expect(6, UINT64_MAX, &all, times, 6);
    expect(100, UINT64_MAX, &all, times, 6);
    expect(2, UINT64_MAX, &all, times + 4, 2);
    expect(3, 45, &all, times + 1, 3);
    expect(3, 5, &all, NULL, 0);
}

static void wraps_around(void **state)
{
    uint64_t times[TRACE_EVENTS];

    (void)state;
    for (uint64_t t = 1; t <= 3 * TRACE_EVENTS + 77; t++)
        note(1, t, 0, 0);
    assert_ptr_equal(machine_cpus[1].trace, &rings[1][77]);
    for (unsigned i = 0; i < TRACE_EVENTS; i++)
        times[i] = 2 * TRACE_EVENTS + 78 + i;
    expect(2 * TRACE_EVENTS, UINT64_MAX, &all, times, TRACE_EVENTS);
    expect(5, UINT64_MAX, &all, times + TRACE_EVENTS - 5, 5);
    for (unsigned i = 0; i < TRACE_EVENTS; i++) { /* nothing beside the ring */
        assert_int_equal(rings[0][i].tsc, 0);
        assert_int_equal(rings[2][i].tsc, 0);
    }
}

/* Exactly full: the next place is the first again. */
static void just_full(void **state)
{
    (void)state;
    for (uint64_t t = 1; t <= TRACE_EVENTS; t++)
        note(0, t, 0, 0);
    assert_ptr_equal(machine_cpus[0].trace, &rings[0][0]);
    assert_int_equal(rings[0][TRACE_EVENTS - 1].tsc, TRACE_EVENTS);
}

static void filters(void **state)
{
    const struct trace_filter vm = {7, TRACE_ANY}, vcpu = {7, 3}, other = {8, TRACE_ANY};
    const uint64_t of_vm[] = {2, 4, 5}, of_vcpu[] = {4};

    (void)state;
    note(0, 1, 1, 3);
    note(0, 2, 7, 1);
    note(1, 3, 1, 1);
    note(1, 4, 7, 3);
    note(2, 5, 7, 1);
    expect(10, UINT64_MAX, &vm, of_vm, 3);
    expect(2, UINT64_MAX, &vm, of_vm + 1, 2);
    expect(10, UINT64_MAX, &vcpu, of_vcpu, 1);
    expect(10, UINT64_MAX, &other, NULL, 0);
}

/* What came after the time of looking is not shown, nor what it has overwritten. */
static void overtaken(void **state)
{
    const uint64_t left[] = {TRACE_EVENTS - 1, TRACE_EVENTS};
    struct trace_cursor c;
    struct trace_event e;
    unsigned cpu;

    (void)state;
    for (uint64_t t = 1; t <= 2 * TRACE_EVENTS - 2; t++)
        note(0, t, 0, 0);
    expect(10, TRACE_EVENTS, &all, left, 2);

    trace_seek_end(&c, (const trace_ring *)rings, CPUS, UINT64_MAX);
    assert_int_equal(trace_rewind(&c, &all, 3), 3);
    rings[0][(2 * TRACE_EVENTS - 3) % TRACE_EVENTS].tsc = 0; /* being written */
    assert_true(trace_read(&c, &all, &e, &cpu));
    assert_true(trace_read(&c, &all, &e, &cpu));
    assert_false(trace_read(&c, &all, &e, &cpu));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty, set_up),        cmocka_unit_test_setup(merges_by_time, set_up),
        cmocka_unit_test_setup(wraps_around, set_up), cmocka_unit_test_setup(just_full, set_up),
        cmocka_unit_test_setup(filters, set_up),      cmocka_unit_test_setup(overtaken, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
