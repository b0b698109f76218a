/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of a bus that come, go and move while others look for them. */
#include "tests/unit/unit.h"

#include "dev/bus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PORT   true
#define MEMORY false
#define ANY    (BUS_BYTE | BUS_WORD | BUS_DWORD | BUS_QWORD)

static struct bus bus;
static uint8_t pages[2 * PAGE_SIZE] ALIGNED(4096);
static struct {
    unsigned device, offset, size;
    bool write;
    uint64_t value;
} last;
static unsigned call_count;

static uint64_t note_access(void *context, bool write, unsigned offset, unsigned size, uint64_t value)
{
    last.device = *(unsigned *)context;
    last.offset = offset;
    last.size = size;
    last.write = write;
    last.value = value;
    call_count++;
    return 0x8877665544332211;
}

static uint32_t port_read(void *context, unsigned offset, unsigned size)
{
    return (uint32_t)note_access(context, false, offset, size, 0);
}

static void port_write(void *context, unsigned offset, unsigned size, uint32_t value)
{
    note_access(context, true, offset, size, value);
}

static uint64_t mmio_read(void *context, unsigned offset, unsigned size)
{
    return note_access(context, false, offset, size, 0);
}

static void mmio_write(void *context, unsigned offset, unsigned size, uint64_t value)
{
    note_access(context, true, offset, size, value);
}

static const struct device_ops test_ops = {.name = "test",
                                           .port_read = port_read,
                                           .port_write = port_write,
                                           .mmio_read = mmio_read,
                                           .mmio_write = mmio_write};
static unsigned numbers[] = {0, 1, 2, 3};
static struct device devices[] = {{.ops = &test_ops, .context = &numbers[0]},
                                  {.ops = &test_ops, .context = &numbers[1]},
                                  {.ops = &test_ops, .context = &numbers[2]},
                                  {.ops = &test_ops, .context = &numbers[3]}};

static int set_up(void **state)
{
    (void)state;
    memset(&bus, 0, sizeof(bus));
    memset(pages, 0, sizeof(pages));
    bus_use_windows(&bus, pages);
    call_count = 0;
    return 0;
}

static bool open_at(unsigned device, bool port, uint64_t first, uint64_t size, unsigned widths,
                    unsigned offset)
{
    return !bus_open_window(&bus, &devices[device], port, &(struct bus_range){first, size, widths, offset});
}

static bool mmio(uint64_t at, unsigned size)
{
    uint64_t value;
    bool there = bus_mmio_read(&bus, gpa(at), size, &value);

    assert_int_equal(value, UINT64_MAX >> (64 - 8 * size) & (there ? 0x8877665544332211 : UINT64_MAX));
    assert_int_equal(bus_mmio_write(&bus, gpa(at), size, UINT64_MAX), there);
    return there;
}

static bool in(unsigned port, unsigned size)
{
    uint32_t value;

    return bus_port_read(&bus, (uint16_t)port, size, &value);
}

static void without_them_nothing_changes(void **state)
{
    struct bus none;

    (void)state;
    memset(&none, 0, sizeof(none));
    assert_false(bus_mmio_write(&none, gpa(0xc0000000), 4, 0));
    assert_false(bus_port_write(&none, 0xc000, 4, 0));
}

static void memory_comes_moves_and_goes(void **state)
{
    (void)state;
    assert_false(mmio(0xc0000000, 4));
    assert_true(open_at(1, MEMORY, 0xc0000000, 0x1000, ANY, 0x20000000));
    assert_true(mmio(0xc0000ff8, 8));
    assert_int_equal(last.device, 1);
    assert_int_equal(last.offset, 0x20000ff8);
    assert_int_equal(last.value, UINT64_MAX);
    assert_true(mmio(0xc0000fff, 1));
    assert_int_equal(last.value, 0xff);
    assert_false(mmio(0xc0000ffd, 4));
    assert_false(mmio(0xbffffffe, 4));
    assert_false(mmio(0xc0001000, 1));
    assert_false(mmio(BIT(60) | 0xc0000000, 4));
    bus_close_window(&bus, MEMORY, 0xc0000000);
    assert_false(mmio(0xc0000000, 4));
    assert_true(open_at(1, MEMORY, BIT(40), 0x1000, ANY, 0));
    assert_true(mmio(BIT(40) + 4, 4));
    assert_false(mmio(0xc0000004, 4));
    bus_close_window(&bus, MEMORY, 0xc0000000); /* not there */
    assert_true(mmio(BIT(40) + 4, 4));
}

static void ports_come_move_and_go(void **state)
{
    (void)state;
    assert_null(bus_add_ports(&bus, &devices[0], &(struct bus_range){0xc0f0, 8, BUS_BYTE, 0}));
    assert_true(open_at(1, PORT, 0xc000, 4, BUS_BYTE | BUS_WORD, 0x40000000));
    assert_true(open_at(2, PORT, 0xffff, 1, BUS_BYTE, 0)); /* the last one */
    assert_true(bus_port_write(&bus, 0xc002, 2, 0x1234));
    assert_int_equal(last.device, 1);
    assert_int_equal(last.offset, 0x40000002);
    assert_int_equal(last.value, 0x1234);
    assert_true(in(0xffff, 1));
    assert_true(in(0xc0f7, 1));
    assert_int_equal(last.device, 0);
    assert_false(in(0xc004, 1));
    bus_close_window(&bus, PORT, 0xc000);
    bus_close_window(&bus, PORT, 0xffff);
    assert_false(in(0xc002, 2));
    assert_false(in(0xffff, 1));
    assert_int_equal(bus.hint[0xff], BUS_MAX_RANGES + 1);
    assert_true(in(0xc0f7, 1));
    assert_true(open_at(1, PORT, 0xd0fe, 4, BUS_DWORD, 0)); /* in two pages */
    assert_true(in(0xd0fe, 4));
}

/* A port and an address of the same number are two places. */
static void two_spaces(void **state)
{
    (void)state;
    assert_true(open_at(1, MEMORY, 0xc000, 4, ANY, 0));
    assert_true(open_at(2, PORT, 0xc000, 4, BUS_DWORD, 0));
    assert_true(mmio(0xc000, 4));
    assert_int_equal(last.device, 1);
    assert_true(in(0xc000, 4));
    assert_int_equal(last.device, 2);
    bus_close_window(&bus, MEMORY, 0xc000);
    assert_false(mmio(0xc000, 4));
    assert_true(in(0xc000, 4));
}

/* A dword that a window does not take whole is split, as for any port. */
static void wide_ports_are_split(void **state)
{
    uint32_t value;

    (void)state;
    assert_true(open_at(1, PORT, 0xc002, 2, BUS_BYTE, 0));
    assert_true(bus_port_read(&bus, 0xc000, 4, &value));
    assert_int_equal(call_count, 2);
    assert_int_equal(value, 0x1111ffff);
    call_count = 0;
    assert_true(bus_port_write(&bus, 0xbfff, 4, 0x44332211)); /* from the page before */
    assert_int_equal(call_count, 1);
    assert_int_equal(last.value, 0x44);
}

static void refuses_overlaps(void **state)
{
    static const struct {
        uint64_t first, size;
    } over[] = {{0x1000, 0x1000}, {0x1ffc, 4}, {0, 0x1001}, {0x800, 0x4000}, {0x1800, 8}};

    (void)state;
    assert_null(bus_add_memory(&bus, &devices[0], &(struct bus_range){0x8000, 0x1000, BUS_DWORD, 0}));
    assert_null(bus_add_ports(&bus, &devices[0], &(struct bus_range){0xcf9, 1, BUS_BYTE, 0}));
    assert_true(open_at(1, MEMORY, 0x1000, 0x1000, ANY, 0));
    for (unsigned i = 0; i < ARRAY_SIZE(over); i++)
        assert_false(open_at(2, MEMORY, over[i].first, over[i].size, ANY, 0));
    assert_false(open_at(2, MEMORY, 0x7000, 0x1001, ANY, 0));
    assert_false(open_at(2, MEMORY, 0x8ffc, 4, BUS_BYTE, 0)); /* whatever the width */
    assert_false(open_at(2, PORT, 0xcf8, 4, BUS_DWORD, 0));
    assert_true(open_at(2, MEMORY, 0x7000, 0x1000, ANY, 0));
    assert_true(open_at(2, MEMORY, 0x9000, 0x1000, ANY, 0));
    assert_true(open_at(2, MEMORY, 0x2000, 0x1000, ANY, 0));
    assert_true(open_at(2, MEMORY, 0, 0x1000, ANY, 0));
    assert_true(mmio(0x1000, 4));
    assert_int_equal(last.device, 1);
}

static void refuses_what_is_no_range(void **state)
{
    (void)state;
    assert_false(open_at(0, MEMORY, 0, 0, ANY, 0));
    assert_false(open_at(0, MEMORY, BIT(52), 1, ANY, 0));
    assert_false(open_at(0, MEMORY, BIT(52) - 4, 8, ANY, 0));
    assert_false(open_at(0, MEMORY, 1, UINT64_MAX, ANY, 0));
    assert_false(open_at(0, PORT, 0xfffe, 4, BUS_BYTE, 0));
    assert_false(open_at(0, PORT, 0x10000, 4, BUS_BYTE, 0));
}

/* Many of them among the same 256 ports, of which a hint knows but one. */
static void ports_side_by_side(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++)
        assert_true(open_at(i % 4, PORT, 0xc000 + 4 * i, 4, BUS_BYTE | BUS_DWORD, i << 8));
    for (unsigned i = 0; i < 64; i++) {
        assert_true(in(0xc000 + 4 * i + 3, 1));
        assert_int_equal(last.device, i % 4);
        assert_int_equal(last.offset, i << 8 | 3);
    }
    for (unsigned i = 0; i < 64; i += 2)
        bus_close_window(&bus, PORT, 0xc000 + 4 * i);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(in(0xc000 + 4 * i, 4), i % 2);
}

static void there_is_an_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WINDOWS_MAX; i++)
        assert_true(open_at(0, MEMORY, 0x100000 - 0x1000 * i, 0x1000, ANY, i));
    assert_false(open_at(0, MEMORY, 0x200000, 0x1000, ANY, 0));
    for (unsigned i = 0; i < WINDOWS_MAX; i++) {
        assert_true(mmio(0x100000 - 0x1000 * i, 4));
        assert_int_equal(last.offset, i);
    }
    bus_close_window(&bus, MEMORY, 0x100000);
    assert_true(open_at(0, MEMORY, 0x200000, 0x1000, ANY, 0));
}

/* --- while others look --- */

#define SPAN    0x1000u
#define PLACES  64
#define LOOKUPS 400000

static bool stop;

/* Some windows stay, and are always found; others come and go, and are found whole or not at all. */
static void *move_windows(void *unused)
{
    unsigned seed = 1;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        unsigned place = (unsigned)rand_r(&seed) % PLACES | 1;
        uint64_t at = (uint64_t)place * SPAN;

        bus_close_window(&bus, MEMORY, at);
        bus_open_window(&bus, &devices[place % 4], MEMORY, &(struct bus_range){at, SPAN, ANY, place * 16});
        if (rand_r(&seed) % 2)
            bus_close_window(&bus, MEMORY, at);
    }
    return unused;
}

static void lookups_see_one_or_the_other(void **state)
{
    pthread_t mover;
    struct window_access w;
    unsigned found = 0, seed = 2;

    (void)state;
    for (unsigned i = 0; i < PLACES; i += 2)
        assert_true(open_at(i % 4, MEMORY, i * SPAN, SPAN, ANY, i * 16));
    stop = false;
    assert_int_equal(pthread_create(&mover, NULL, move_windows, NULL), 0);
    for (unsigned i = 0; i < LOOKUPS; i++) {
        unsigned place = (unsigned)rand_r(&seed) % PLACES;
        bool there = windows_find(&bus.windows, place * SPAN + 8, 8, &w);

        if (!there) {
            assert_int_equal(place % 2, 1);
            continue;
        }
        found += place % 2;
        assert_ptr_equal(w.device, &devices[place % 4]);
        assert_int_equal(w.offset, place * 16 + 8);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(mover, NULL);
    assert_in_range(found, 1, LOOKUPS / 2 + LOOKUPS / 8);
}

/* --- doorbells: the same access by a shorter way, where there is one --- */

static unsigned rung[2];

static void ring(void *context, uint32_t value)
{
    *(unsigned *)context += value;
}

static struct doorbell bells[] = {{.ring = ring, .context = &rung[0]}, {.ring = ring, .context = &rung[1]}};

/* Who heard of a write of 1: a bell, or the window. */
static unsigned heard(unsigned port, unsigned size)
{
    rung[0] = rung[1] = call_count = 0;
    assert_true(bus_port_write(&bus, (uint16_t)port, size, 1));
    assert_int_equal(rung[0] + rung[1] + call_count, 1);
    return rung[0] ? 0 : rung[1] ? 1 : 2;
}

static void doorbells_have_a_way(void **state)
{
    enum { FIRST, SECOND, WINDOW };

    (void)state;
    bells[0].port = bells[1].port = 0;
    assert_true(open_at(0, PORT, 0xc100, 4, ANY, 0) && open_at(1, PORT, 0xe108, 4, ANY, 0));
    assert_int_equal(heard(0xc100, 2), WINDOW);
    bus_place_doorbell(&bus, &bells[0], 0xc100);
    assert_int_equal(heard(0xc100, 2), FIRST);
    assert_int_equal(heard(0xc100, 1), WINDOW);
    assert_int_equal(heard(0xc100, 4), WINDOW);
    assert_int_equal(heard(0xc102, 2), WINDOW);
    bus_place_doorbell(&bus, &bells[1], 0xe108); /* there is another one in its place */
    assert_int_equal(heard(0xe108, 2), WINDOW);
    assert_int_equal(heard(0xc100, 2), FIRST);
    bus_remove_doorbell(&bells[0]);
    assert_int_equal(heard(0xc100, 2), WINDOW);
    bus_place_doorbell(&bus, &bells[1], 0xe108);
    assert_int_equal(heard(0xe108, 2), SECOND);
    bus_remove_doorbell(&bells[1]); /* moves, and is found where it is only */
    assert_true(open_at(1, PORT, 0xc204, 4, ANY, 0));
    bus_place_doorbell(&bus, &bells[1], 0xc204);
    assert_int_equal(heard(0xc204, 2), SECOND);
    assert_int_equal(heard(0xe108, 2), WINDOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_them_nothing_changes, set_up),
        cmocka_unit_test_setup(memory_comes_moves_and_goes, set_up),
        cmocka_unit_test_setup(ports_come_move_and_go, set_up),
        cmocka_unit_test_setup(two_spaces, set_up),
        cmocka_unit_test_setup(wide_ports_are_split, set_up),
        cmocka_unit_test_setup(refuses_overlaps, set_up),
        cmocka_unit_test_setup(refuses_what_is_no_range, set_up),
        cmocka_unit_test_setup(ports_side_by_side, set_up),
        cmocka_unit_test_setup(there_is_an_end, set_up),
        cmocka_unit_test_setup(lookups_see_one_or_the_other, set_up),
        cmocka_unit_test_setup(doorbells_have_a_way, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
