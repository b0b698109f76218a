/* SPDX-License-Identifier: BSD-2-Clause */
/* The bus of a VM's devices: what it refuses, who gets which access, and under which lock. */
#include "tests/unit/unit.h"

#include "dev/bus.h"

#include <stdlib.h>
#include <string.h>

#define DEVICES 4
#define ANY     (BUS_BYTE | BUS_WORD | BUS_DWORD)

/* What the devices were asked for, in order. */
static struct call {
    unsigned device, offset, size;
    bool write;
    uint64_t value;
} calls[16];
static unsigned call_count;

static struct bus bus;
static struct device devices[DEVICES];
static unsigned resets[DEVICES], destroys[DEVICES];

static bool is_held(const struct device *d)
{
    return d->lock.next != d->lock.served;
}

/* The lock of the device itself, and no other. */
static unsigned locked(void *context)
{
    unsigned me = (unsigned)((struct device *)context - devices);

    for (unsigned i = 0; i < DEVICES; i++)
        assert_int_equal(is_held(&devices[i]), i == me);
    return me;
}

static uint64_t note(void *context, bool write, unsigned offset, unsigned size, uint64_t value)
{
    assert_true(call_count < ARRAY_SIZE(calls));
    calls[call_count++] = (struct call){locked(context), offset, size, write, value};
    return UINT64_C(0xf0e0d0c0b0a09080) + call_count; /* wider than asked for */
}

static uint32_t port_read(void *context, unsigned offset, unsigned size)
{
    return (uint32_t)note(context, false, offset, size, 0);
}

static void port_write(void *context, unsigned offset, unsigned size, uint32_t value)
{
    note(context, true, offset, size, value);
}

static uint64_t mmio_read(void *context, unsigned offset, unsigned size)
{
    return note(context, false, offset, size, 0);
}

static void mmio_write(void *context, unsigned offset, unsigned size, uint64_t value)
{
    note(context, true, offset, size, value);
}

static void reset(void *context)
{
    resets[locked(context)]++;
}

static void destroy(void *context)
{
    destroys[(struct device *)context - devices]++;
}

static const struct device_ops ops = {"test", port_read, port_write, mmio_read, mmio_write, reset, destroy};

static int set_up(void **state)
{
    (void)state;
    memset(&bus, 0, sizeof(bus));
    memset(resets, 0, sizeof(resets));
    memset(destroys, 0, sizeof(destroys));
    call_count = 0;
    for (unsigned i = 0; i < DEVICES; i++)
        devices[i] = (struct device){.ops = &ops, .context = &devices[i]};
    return 0;
}

static bool ports(unsigned device, uint64_t first, uint64_t size, unsigned widths)
{
    return !bus_add_ports(&bus, &devices[device], &(struct bus_range){first, size, widths, 0});
}

static bool memory(unsigned device, uint64_t first, uint64_t size, unsigned widths)
{
    return !bus_add_memory(&bus, &devices[device], &(struct bus_range){first, size, widths, 0});
}

static uint32_t in(unsigned port, unsigned size, bool answered)
{
    uint32_t value;

    call_count = 0;
    assert_int_equal(bus_port_read(&bus, (uint16_t)port, size, &value), answered);
    return value;
}

static void out(unsigned port, unsigned size, uint32_t value, bool answered)
{
    call_count = 0;
    assert_int_equal(bus_port_write(&bus, (uint16_t)port, size, value), answered);
}

static void assert_call(unsigned i, unsigned device, unsigned offset, unsigned size, uint64_t value)
{
    assert_true(i < call_count);
    assert_int_equal(calls[i].device, device);
    assert_int_equal(calls[i].offset, offset);
    assert_int_equal(calls[i].size, size);
    assert_int_equal(calls[i].value, value);
}

/* --- building --- */

static void refuses_what_is_no_range(void **state)
{
    (void)state;
    assert_false(ports(0, 0x100, 0, BUS_BYTE));
    assert_false(ports(0, 0x10000, 1, BUS_BYTE));
    assert_false(ports(0, 0xffff, 2, BUS_BYTE));
    assert_false(ports(0, 1, UINT64_MAX, BUS_BYTE));
    assert_false(ports(0, UINT64_MAX, 2, BUS_BYTE));
    assert_false(ports(0, 0x100, 8, 0));
    assert_false(ports(0, 0x100, 8, BUS_BYTE | BUS_QWORD));
    assert_false(ports(0, 0x100, 8, 0x10 | BUS_BYTE));
    assert_false(ports(0, 0x100, 1, BUS_BYTE | BUS_WORD));
    assert_false(ports(0, 0x100, 3, BUS_DWORD));
    assert_false(memory(0, BIT(52), 4, BUS_DWORD));
    assert_false(memory(0, BIT(52) - 4, 5, BUS_BYTE));
    assert_false(memory(0, 0x1000, UINT64_MAX - 0xfff, BUS_DWORD));
    assert_false(memory(0, 0x1000, 4, BUS_QWORD));
    assert_int_equal(bus.ports.count + bus.memory.count, 0);
    assert_true(ports(0, 0, 0x10000, ANY));
    assert_true(memory(0, 0, BIT(52), ANY | BUS_QWORD));
}

static void refuses_overlaps(void **state)
{
    static const struct {
        uint64_t first, size;
    } over[] = {{0x100, 8}, {0xff, 2}, {0x107, 1}, {0x102, 2}, {0xf0, 0x100}, {0x107, 0x1000}, {0, 0x10000}};

    (void)state;
    assert_true(ports(0, 0x100, 8, BUS_BYTE | BUS_DWORD));
    assert_true(memory(0, 0x100, 8, BUS_BYTE));
    for (unsigned i = 0; i < ARRAY_SIZE(over); i++) {
        assert_false(ports(1, over[i].first, over[i].size, BUS_BYTE));
        assert_false(memory(1, over[i].first, over[i].size, BUS_BYTE));
    }
    /* Its words overlap nobody, its bytes do: nothing of it is there. */
    assert_false(ports(1, 0x100, 8, BUS_BYTE | BUS_WORD));
    in(0x102, 2, true);
    assert_int_equal(call_count, 2);
    assert_true(ports(1, 0xfe, 2, BUS_BYTE));
    assert_true(ports(1, 0x108, 1, BUS_BYTE));
    assert_true(ports(1, 0x100, 8, BUS_WORD));
}

static void refuses_what_has_no_place(void **state)
{
    struct bus before;

    (void)state;
    for (unsigned i = 0; i < BUS_MAX_RANGES - 1; i++) {
        assert_true(ports(0, 0x1000 - 0x10 * i, 4, BUS_BYTE));
        assert_true(memory(0, 0x1000 - 0x10 * i, 4, BUS_DWORD));
    }
    before = bus;
    assert_false(ports(0, 0x2000, 4, BUS_BYTE | BUS_WORD));
    assert_false(memory(0, 0x2000, 4, BUS_BYTE | BUS_WORD));
    assert_memory_equal(&before, &bus, sizeof(bus));
    assert_true(ports(0, 0x2000, 4, BUS_BYTE));
    assert_true(memory(0, 0x2000, 4, BUS_BYTE));
    assert_false(ports(0, 0x3000, 4, BUS_BYTE));
    assert_false(memory(0, 0x3000, 4, BUS_BYTE));
    for (unsigned i = 0; i < BUS_MAX_DEVICES; i++)
        assert_null(bus_attach(&bus, &devices[0]));
    assert_non_null(bus_attach(&bus, &devices[0]));
}

static void refuses_devices_without_such_accesses(void **state)
{
    static const struct device_ops nothing = {.name = "nothing"};
    struct device d = {.ops = &nothing};
    struct bus_range range = {0x100, 4, BUS_BYTE, 0};

    (void)state;
    assert_non_null(bus_add_ports(&bus, &d, &range));
    assert_non_null(bus_add_memory(&bus, &d, &range));
    out(0x100, 1, 0, false);
}

/* --- lookup --- */

static void an_empty_bus_is_nobody(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(in(0, 1, false), 0xff);
    assert_int_equal(in(0x3f8, 2, false), 0xffff);
    assert_int_equal(in(0xffff, 4, false), 0xffffffff);
    assert_false(bus_mmio_read(&bus, gpa(0), 8, &value));
    assert_int_equal(value, UINT64_MAX);
    assert_false(bus_mmio_write(&bus, gpa(0), 1, 0));
}

static void edges(void **state)
{
    static const struct {
        unsigned first, size;
    } at[] = {{0, 1}, {1, 2}, {0x64, 1}, {0x70, 2}, {0x3f8, 8}, {0x4fe, 4}, {0xfffe, 2}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
        assert_true(ports(i % DEVICES, at[i].first, at[i].size, BUS_BYTE));
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        unsigned last = at[i].size - 1;

        in(at[i].first, 1, true);
        assert_call(0, i % DEVICES, 0, 1, 0);
        out(at[i].first + last, 1, 0x5a, true);
        assert_call(0, i % DEVICES, last, 1, 0x5a);
    }
    for (unsigned i = 1; i < ARRAY_SIZE(at); i++) {
        bool touches = at[i - 1].first + at[i - 1].size == at[i].first;

        in(at[i].first - 1, 1, touches);
        in(at[i - 1].first + at[i - 1].size, 1, touches);
    }
}

static void a_device_tells_its_ranges_apart(void **state)
{
    (void)state;
    assert_null(bus_add_ports(&bus, &devices[1], &(struct bus_range){0xcf9, 1, BUS_BYTE, 0xcf9}));
    assert_null(bus_add_ports(&bus, &devices[1], &(struct bus_range){0x600, 2, BUS_BYTE, 0x10}));
    assert_null(bus_add_memory(&bus, &devices[1],
                               &(struct bus_range){UINT64_C(0x80fec00000), 0x1000, BUS_DWORD, 0x4000}));
    out(0xcf9, 1, 6, true);
    assert_call(0, 1, 0xcf9, 1, 6);
    out(0x601, 1, 7, true);
    assert_call(0, 1, 0x11, 1, 7);
    call_count = 0;
    assert_true(bus_mmio_write(&bus, gpa(UINT64_C(0x80fec00ffc)), 4, 8));
    assert_call(0, 1, 0x4ffc, 4, 8);
}

/* --- ports: what nobody takes as a whole is split --- */

static void a_word_meets_two_registers(void **state)
{
    (void)state;
    assert_true(ports(2, 0x3f8, 8, BUS_BYTE));
    out(0x3f9, 2, 0xbbaa, true);
    assert_int_equal(call_count, 2);
    assert_call(0, 2, 1, 1, 0xaa);
    assert_call(1, 2, 2, 1, 0xbb);
    assert_int_equal(in(0x3fb, 2, true), 0x8281);
    assert_call(0, 2, 3, 1, 0);
    assert_call(1, 2, 4, 1, 0);
}

static void a_dword_meets_nobody_too(void **state)
{
    (void)state;
    assert_true(ports(2, 0x3f8, 8, BUS_BYTE));
    assert_true(ports(3, 0x401, 1, BUS_BYTE));
    assert_int_equal(in(0x3fe, 4, true), 0x83ff8281);
    assert_int_equal(call_count, 3);
    assert_call(2, 3, 0, 1, 0);
    out(0x3f6, 4, 0x44332211, true);
    assert_int_equal(call_count, 2);
    assert_call(0, 2, 0, 1, 0x33);
    assert_call(1, 2, 1, 1, 0x44);
    assert_int_equal(in(0x3f5, 4, true), 0x81ffffff);
    assert_int_equal(in(0x3f4, 4, false), 0xffffffff);
    assert_int_equal(call_count, 0);
}

static void the_last_port_is_the_end(void **state)
{
    (void)state;
    assert_true(ports(0, 0, 2, BUS_BYTE));
    assert_true(ports(1, 0xffff, 1, BUS_BYTE));
    assert_int_equal(in(0xfffe, 4, true), 0xffff81ff);
    assert_int_equal(call_count, 1);
    out(0xffff, 4, 0x44332211, true);
    assert_int_equal(call_count, 1);
    assert_call(0, 1, 0, 1, 0x11);
}

/* As PCI's mechanism 1 has it: the address register is a dword, and the reset port stands in the middle of
 * it. */
static void a_width_is_a_space_of_its_own(void **state)
{
    (void)state;
    assert_true(ports(0, 0xcf8, 4, BUS_DWORD));
    assert_true(ports(1, 0xcf9, 1, BUS_BYTE));
    assert_true(ports(0, 0xcfc, 4, ANY));
    out(0xcf8, 4, 0x80001234, true);
    assert_int_equal(call_count, 1);
    assert_call(0, 0, 0, 4, 0x80001234);
    out(0xcf9, 1, 6, true);
    assert_call(0, 1, 0, 1, 6);
    out(0xcfb, 1, 1, false);
    out(0xcf8, 2, 0x0600, true);
    assert_int_equal(call_count, 1);
    assert_call(0, 1, 0, 1, 6);
    out(0xcfe, 2, 0x1234, true);
    assert_int_equal(call_count, 1);
    assert_call(0, 0, 2, 2, 0x1234);
    assert_int_equal(in(0xcfe, 2, true), 0x9081);
    assert_int_equal(in(0xcfe, 1, true), 0x81);
    out(0xcfa, 4, 0x44332211, true); /* half is in front of the data register */
    assert_int_equal(call_count, 2);
    assert_call(0, 0, 0, 1, 0x33);
    assert_call(1, 0, 1, 1, 0x44);
}

/* --- memory: whole, or nobody's --- */

static void memory_is_not_split(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(memory(1, 0xfec00000, 0x1000, BUS_DWORD));
    assert_true(memory(2, 0xfec01000, 0x1000, BUS_DWORD | BUS_QWORD));
    assert_true(bus_mmio_read(&bus, gpa(0xfec00010), 4, &value));
    assert_int_equal(value, 0xb0a09081);
    assert_true(bus_mmio_read(&bus, gpa(0xfec01ff8), 8, &value));
    assert_int_equal(value, UINT64_C(0xf0e0d0c0b0a09082));
    assert_call(1, 2, 0xff8, 8, 0);
    assert_false(bus_mmio_read(&bus, gpa(0xfec00010), 1, &value));
    assert_int_equal(value, 0xff);
    assert_false(bus_mmio_read(&bus, gpa(0xfec00ffd), 4, &value)); /* in two ranges */
    assert_int_equal(value, 0xffffffff);
    assert_false(bus_mmio_write(&bus, gpa(0xfec00000), 8, 0));
    assert_false(bus_mmio_write(&bus, gpa(0xfec01ffc), 8, 0));
    assert_false(bus_mmio_write(&bus, gpa(0xfebffffe), 4, 0));
    assert_false(bus_mmio_write(&bus, gpa(0xfec00000 | UINT64_C(4) << 60), 4, 0)); /* no such address */
    assert_false(bus_mmio_write(&bus, gpa(UINT64_MAX), 4, 0));
    assert_int_equal(call_count, 2);
    assert_true(bus_mmio_write(&bus, gpa(0xfec00ffc), 4, UINT64_MAX));
    assert_call(2, 1, 0xffc, 4, 0xffffffff);
}

/* --- all devices --- */

static void each_is_reset_and_destroyed_once(void **state)
{
    static const struct device_ops bare = {.name = "bare"};
    struct device silent = {.ops = &bare};

    (void)state;
    assert_null(bus_attach(&bus, &silent));
    for (unsigned i = 0; i < DEVICES; i++)
        assert_null(bus_attach(&bus, &devices[i]));
    assert_true(ports(0, 0x10, 1, BUS_BYTE) && ports(0, 0x20, 4, ANY) && memory(0, 0, 4, ANY));
    bus_reset(&bus);
    for (unsigned i = 0; i < DEVICES; i++) {
        assert_int_equal(resets[i], 1);
        assert_int_equal(destroys[i], 0);
        assert_false(is_held(&devices[i]));
    }
    bus_destroy(&bus);
    for (unsigned i = 0; i < DEVICES; i++)
        assert_int_equal(destroys[i], 1);
}

/* --- against a map of every port --- */

#define SPAN 0x10000u

static uint8_t owner[3][SPAN + 4]; /* by width 1, 2, 4: the range there and 1 */
static struct bus_range ranges[BUS_MAX_RANGES];
static unsigned range_device[BUS_MAX_RANGES], range_count, slot_count;

static unsigned pick(unsigned below)
{
    return (unsigned)random() % below;
}

/* Where things meet: around a boundary of 256 ports, and at both ends. */
static unsigned pick_port(void)
{
    static const unsigned around[] = {0, 0xf8, 0x3f8, 0x4fc, 0xfff0};

    return (around[pick(ARRAY_SIZE(around))] + pick(24)) % SPAN;
}

static bool is_free(const struct bus_range *r)
{
    unsigned places = 0;

    if (!r->size || !r->widths || r->first + r->size > SPAN)
        return false;
    for (unsigned w = 0; w < 3; w++) {
        if (!(r->widths & 1u << w))
            continue;
        if (r->size < 1u << w)
            return false;
        for (uint64_t p = r->first; p < r->first + r->size; p++) {
            if (owner[w][p])
                return false;
        }
        places++;
    }
    return slot_count + places <= BUS_MAX_RANGES;
}

static void try_range(void)
{
    struct bus_range r = {pick_port(), pick(10), pick(8), pick(0x1000)};
    unsigned device = pick(DEVICES);
    bool expected = is_free(&r);

    assert_int_equal(!bus_add_ports(&bus, &devices[device], &r), expected);
    if (!expected)
        return;
    ranges[range_count] = r;
    range_device[range_count++] = device;
    for (unsigned w = 0; w < 3; w++) {
        if (r.widths & 1u << w)
            memset(&owner[w][r.first], (int)range_count, r.size);
        slot_count += r.widths >> w & 1;
    }
}

/* The calls that an access should make. */
static unsigned expect(unsigned port, unsigned size, uint32_t value, struct call *expected)
{
    unsigned n = 0, width = size == 4 ? 2 : size - 1, step = size;
    const uint8_t *all = &owner[width][port];

    for (unsigned i = 0; i < size; i++) {
        if (!all[0] || all[i] != all[0])
            step = 1;
    }
    for (unsigned i = 0; i < size; i += step) {
        unsigned range = owner[step == 1 ? 0 : width][port + i];

        if (range)
            expected[n++] =
                (struct call){range_device[range - 1],
                              port + i - (unsigned)ranges[range - 1].first + ranges[range - 1].offset, step,
                              true, step == 1 ? value >> 8 * i & 0xff : value};
    }
    return n;
}

static void try_access(void)
{
    unsigned port = pick_port(), size = 1u << pick(3), n;
    uint32_t value = (uint32_t)random() & UINT32_MAX >> (32 - 8 * size);
    struct call expected[4];

    n = expect(port, size, value, expected);
    out(port, size, value, n > 0);
    assert_int_equal(call_count, n);
    for (unsigned i = 0; i < n; i++)
        assert_call(i, expected[i].device, expected[i].offset, expected[i].size, expected[i].value);
    in(port, size, n > 0);
    assert_int_equal(call_count, n);
}

static void random_ranges_as_a_map_has_them(void **state)
{
    srandom(1);
    for (unsigned round = 0; round < 200; round++) {
        set_up(state);
        memset(owner, 0, sizeof(owner));
        range_count = slot_count = 0;
        for (unsigned i = 0; i < 60; i++)
            try_range();
        for (unsigned i = 0; i < 400; i++)
            try_access();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(refuses_what_is_no_range, set_up),
        cmocka_unit_test_setup(refuses_overlaps, set_up),
        cmocka_unit_test_setup(refuses_what_has_no_place, set_up),
        cmocka_unit_test_setup(refuses_devices_without_such_accesses, set_up),
        cmocka_unit_test_setup(an_empty_bus_is_nobody, set_up),
        cmocka_unit_test_setup(edges, set_up),
        cmocka_unit_test_setup(a_device_tells_its_ranges_apart, set_up),
        cmocka_unit_test_setup(a_word_meets_two_registers, set_up),
        cmocka_unit_test_setup(a_dword_meets_nobody_too, set_up),
        cmocka_unit_test_setup(the_last_port_is_the_end, set_up),
        cmocka_unit_test_setup(a_width_is_a_space_of_its_own, set_up),
        cmocka_unit_test_setup(memory_is_not_split, set_up),
        cmocka_unit_test_setup(each_is_reset_and_destroyed_once, set_up),
        cmocka_unit_test(random_ranges_as_a_map_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
