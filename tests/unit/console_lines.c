/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt that tells of keys: where it is wired, when it storms, and when it may not come at all. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include <string.h>

#include "boot/host/console_lines.c"

#define PINS 24

struct machine machine = {.tsc_hz = 1000000000};
static struct cpu cpu;
static struct vcpu vcpu;
static unsigned routed, route_gsi, masked, errors, bytes; /* bytes: that were typed */
static bool x2apic, polls;
static interrupt_handler *handler;
struct account memory_host;

void *machine_map_device(hpa_t at, uint64_t size, uint64_t flags)
{
    (void)size;
    (void)flags;
    return (void *)at.value;
}

void *memory_alloc_zeroed(struct account *account, enum memory_kind kind, uint64_t pages)
{
    static uint64_t page[PAGE_SIZE / 8];

    (void)account;
    (void)kind;
    assert_int_equal(pages, 1);
    return page;
}

unsigned ioapic_setup(void *regs, uint64_t before[IOAPIC_MAX_PINS])
{
    (void)regs;
    (void)before;
    return PINS;
}

void ioapic_mask(void *regs, unsigned pins)
{
    (void)regs;
    assert_int_equal(pins, PINS);
    masked++;
}

void ioapic_put_back(void *regs, unsigned pins, const uint64_t before[IOAPIC_MAX_PINS])
{
    (void)regs;
    (void)pins;
    (void)before;
}

void ioapic_route(void *regs, unsigned pin, unsigned vector, uint32_t apic_id, bool level, bool active_low)
{
    assert_int_equal(vector, VECTOR_CONSOLE);
    assert_int_equal(apic_id, 7);
    assert_int_equal(level, active_low);
    route_gsi = pin + ((uint64_t)regs == 0xfec01000 ? PINS : 0);
    routed++;
}

void interrupt_install(unsigned vector, interrupt_handler *h, void *context)
{
    assert_int_equal(vector, VECTOR_CONSOLE);
    assert_null(context);
    handler = h;
}

bool lapic_in_x2apic_mode(void)
{
    return x2apic;
}

bool console_take_keys(void)
{
    bool any = bytes > 0;

    bytes = 0;
    return any;
}

void console_poll(bool on)
{
    polls = on;
}

void log_info(const char *fmt, ...)
{
    (void)fmt;
}

void log_error(const char *fmt, ...)
{
    (void)fmt;
    errors++;
}

void panic(const char *fmt, ...)
{
    fail_msg("%s", fmt);
    abort();
}

static int set_up(void **state)
{
    (void)state;
    memset(ioapics, 0, sizeof(ioapics));
    machine.acpi.madt.ioapic_count = 2;
    machine.acpi.madt.ioapics[0] = (struct acpi_ioapic){0, hpa(0xfec00000), 0};
    machine.acpi.madt.ioapics[1] = (struct acpi_ioapic){1, hpa(0xfec01000), PINS};
    cpu = (struct cpu){.apic_id = 7};
    vcpu = (struct vcpu){0};
    fake_this_cpu = &cpu;
    fake_tsc = 1000;
    line_count = empty = routed = masked = errors = bytes = 0;
    x2apic = polls = doubted = false;
    console_lines_setup();
    return 0;
}

static bool open_one(uint32_t gsi)
{
    return console_line_open((struct interrupt_line){gsi, gsi >= 16, gsi >= 16});
}

static void interrupts(unsigned count, uint64_t ticks)
{
    for (; count; count--, fake_tsc += ticks)
        handler(NULL);
}

static void line_is_routed(void **state)
{
    (void)state;
    assert_true(open_one(4));
    assert_int_equal(route_gsi, 4);
    assert_true(open_one(PINS + 10));
    assert_int_equal(route_gsi, PINS + 10);
    assert_int_equal(routed, 2);
    assert_false(polls);
    assert_int_equal(errors, 0);
}

static void without_an_input_keys_are_polled(void **state)
{
    (void)state;
    assert_false(open_one(2 * PINS));
    assert_int_equal(routed, 0);
    assert_true(polls);
    assert_int_equal(errors, 1);
}

/* A thousand in a second without a byte: masked, said once, polled; the guest's backend looks at its
 * deadline. */
static void storm_is_ended(void **state)
{
    (void)state;
    open_one(20);
    cpu.vcpu = &vcpu;
    interrupts(STORM - 1, 1000);
    assert_int_equal(masked, 0);
    assert_false(polls);
    assert_int_equal(vcpu.due, 0);
    interrupts(1, 0);
    assert_int_equal(masked, 2);
    assert_true(polls);
    assert_int_equal(errors, 2);
    assert_int_equal(vcpu.due, DUE_TIMER);
    interrupts(5, 0); /* that were on their way */
    assert_int_equal(errors, 2);
}

/* Keys that mean no byte by themselves, held for long; and bytes as fast as the wire has them. */
static void typing_is_no_storm(void **state)
{
    (void)state;
    open_one(4);
    interrupts(3 * STORM, machine.tsc_hz / (STORM - 100));
    for (unsigned i = 0; i < 3 * STORM; i++) {
        bytes = i % 500 == 0;
        interrupts(1, 1000);
    }
    assert_int_equal(masked, 0);
    assert_false(polls);
}

static void x2apic_mode_is_doubted(void **state)
{
    (void)state;
    x2apic = true;
    open_one(4);
    assert_true(polls);
    interrupts(1, 1000); /* polling was quicker: it proves nothing of the next one */
    assert_true(polls);
    bytes = 1;
    interrupts(1, 1000);
    assert_false(polls);
    open_one(1); /* the keyboard's comes as well */
    assert_false(polls);
    interrupts(STORM, 1);
    assert_true(polls);
    bytes = 1;
    interrupts(1, 1);
    assert_true(polls);
}

static void nothing_comes_after_the_end(void **state)
{
    (void)state;
    x2apic = true;
    open_one(4);
    console_lines_close();
    assert_int_equal(masked, 2);
    assert_false(polls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(line_is_routed, set_up),
        cmocka_unit_test_setup(without_an_input_keys_are_polled, set_up),
        cmocka_unit_test_setup(storm_is_ended, set_up),
        cmocka_unit_test_setup(typing_is_no_storm, set_up),
        cmocka_unit_test_setup(x2apic_mode_is_doubted, set_up),
        cmocka_unit_test_setup(nothing_comes_after_the_end, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
