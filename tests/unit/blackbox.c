/* SPDX-License-Identifier: BSD-2-Clause */
/* core/base/blackbox.c: what is taken for a black box, and the line about it. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_panic.h"

#include "core/base/blackbox.c"

#include "core/base/format.h"

#include <string.h>

#define TOP  (128 * MIB)
#define CPUS 2

struct machine machine;
struct account memory_host;
struct cpu *cpus[MAX_CPUS];
unsigned cpu_count;

static struct cpu one_cpu[CPUS];
static char said[256];
static uint64_t asked_below, next_low;

void log_info(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vformat(said, sizeof(said), fmt, args);
    va_end(args);
}

void log_error(const char *fmt, ...)
{
    fail_msg("%s", fmt);
}

hpa_t memory_alloc_high(struct account *account UNUSED, enum memory_kind kind UNUSED, uint64_t count,
                        uint64_t align, uint64_t below)
{
    asked_below = below;
    return hpa(ALIGN_DOWN(below - count * PAGE_SIZE, align * PAGE_SIZE));
}

void *memory_alloc_zeroed(struct account *account UNUSED, enum memory_kind kind UNUSED, uint64_t count)
{
    void *at = phys_to_virt(hpa(next_low));

    next_low += count * PAGE_SIZE;
    memory_zero(at, count);
    return at;
}

void memory_zero(void *at, uint64_t pages)
{
    memset(at, 0, pages * PAGE_SIZE);
}

static void boot(void)
{
    said[0] = 0;
    next_low = 4 * MIB;
    blackbox = NULL;
    blackbox_last = NULL;
    cpu_count = CPUS;
    for (unsigned i = 0; i < CPUS; i++) {
        one_cpu[i] = (struct cpu){.id = i};
        cpus[i] = &one_cpu[i];
    }
    machine.boot.memory_count = 3;
    machine.boot.memory[0] = (struct boot_memory){.base = 0, .size = 640 * KIB, .type = MEMORY_USABLE};
    machine.boot.memory[1] = (struct boot_memory){.base = MIB, .size = TOP - 2 * MIB, .type = MEMORY_USABLE};
    machine.boot.memory[2] = (struct boot_memory){.base = 4 * GIB, .size = GIB, .type = MEMORY_USABLE};
    blackbox_setup();
}

static int set_up(void **state)
{
    (void)state;
    return fake_memory_create(TOP) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fake_memory_destroy(TOP);
    return 0;
}

static void first_boot(void **state)
{
    (void)state;
    boot();
    assert_string_equal(said, "");
    assert_null(blackbox_last);
    assert_true(blackbox_valid(blackbox, TOP));
    assert_int_equal(asked_below, (TOP - MIB - LOADERS_HEAP) / PAGE_2M * PAGE_2M);
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal((uintptr_t)cpus[i]->trace % sizeof(trace_ring), 0);
        assert_ptr_equal(cpus[i]->trace, blackbox_rings(blackbox)[i]);
    }
}

/* A life with two events; VM 1 is "beta". */
static void live(void)
{
    static struct config config = {.vm_count = 2, .vms = {{.name = "alpha"}, {.name = "beta"}}};

    blackbox_name_vms(&config);
    cpus[1]->trace[0] = (struct trace_event){.tsc = 17, .rip = 0x1234};
    cpus[0]->trace[3] = (struct trace_event){.tsc = 18};
}

static void next_boot(void **state)
{
    (void)state;
    boot();
    live();
    boot();
    assert_string_equal(said, "black box: 2 events of the run before, 'trace last' shows them");
    assert_non_null(blackbox_last);
    assert_int_equal(blackbox_rings(blackbox_last)[1][0].rip, 0x1234);
    assert_string_equal(blackbox_last->names[1], "beta");
    assert_int_equal(blackbox_events(blackbox), 0);
    boot(); /* of which only this is left */
    assert_string_equal(said, "black box: 0 events of the run before, 'trace last' shows them");
}

static void how_it_ended(void **state)
{
    (void)state;
    boot();
    live();
    blackbox_note_crash(1);
    blackbox_note_end(BLACKBOX_PANIC);
    boot();
    assert_string_equal(
        said, "black box: 2 events of the run before, which ended by a panic, in which [vm beta] crashed, "
              "'trace last' shows them");
}

static void erased(void **state)
{
    const uint64_t *quad;

    (void)state;
    boot();
    live();
    quad = (const uint64_t *)blackbox_rings(blackbox);
    blackbox_erase();
    for (; quad < (const uint64_t *)(blackbox + 1); quad++)
        assert_int_equal(*quad, 0);
    boot();
    assert_string_equal(said, "");
}

/* Every bit of the header counts; a header that is sealed may still say what cannot be. */
static void corrupt(void **state)
{
    (void)state;
    boot();
    live();
    for (size_t bit = 0; bit < 8 * (offsetof(struct blackbox, checksum) + 4); bit++) {
        uint8_t *byte = (uint8_t *)blackbox + bit / 8;

        *byte ^= (uint8_t)(1 << bit % 8);
        assert_false(blackbox_valid(blackbox, TOP));
        *byte ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(blackbox_valid(blackbox, TOP));
    assert_true(blackbox_valid(blackbox, CPUS * sizeof(trace_ring)));
    assert_false(blackbox_valid(blackbox, CPUS * sizeof(trace_ring) - 1));
}

#define ASSERT_REFUSED(change)                           \
    do {                                                 \
        struct blackbox was = *blackbox;                 \
        change;                                          \
        blackbox_seal(blackbox);                         \
        assert_false(blackbox_valid(blackbox, 4 * GIB)); \
        *blackbox = was;                                 \
    } while (0)

static void impossible(void **state)
{
    (void)state;
    boot();
    live();
    ASSERT_REFUSED(blackbox->cpus = 0);
    ASSERT_REFUSED(blackbox->cpus = MAX_CPUS + 1);
    ASSERT_REFUSED(blackbox->cpus = UINT32_MAX);
    ASSERT_REFUSED(blackbox->version++);
    ASSERT_REFUSED(blackbox->end = BLACKBOX_PANIC + 1);
    ASSERT_REFUSED(blackbox->crashed = CONFIG_MAX_VMS + 1);
    ASSERT_REFUSED(memset(blackbox->names[3], 'x', CONFIG_NAME_SIZE));
    ASSERT_REFUSED(blackbox->names[0][0] = '\n');
    ASSERT_REFUSED(blackbox->names[31][0] = '\x7f');
    assert_true(blackbox_valid(blackbox, 4 * GIB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_boot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(next_boot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(how_it_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(erased, set_up, tear_down),
        cmocka_unit_test_setup_teardown(corrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impossible, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
