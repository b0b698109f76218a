/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual I/O APIC by itself: registers, edge and level pins, remote IRR. */
#include "tests/unit/unit.h"

#include "apic/ipi.h"
#include "apic/vioapic.h"
#include "core/vm/vm.h"

#define SELECT 0x00
#define WINDOW 0x10
#define EOI    0x40

static struct vioapic io;
static struct vm vm;
static bool taken;
static struct {
    uint32_t destination;
    bool logical, level;
    unsigned mode, vector, count;
} delivered;

bool vm_deliver_msi(struct vm *to, struct msi msi)
{
    assert_ptr_equal(to, &vm);
    assert_int_equal(msi.address >> 20, 0xfee);
    assert_true(msi.data & MSI_ASSERT);
    delivered.destination = (msi.address >> 12 & 0xff) | (msi.address >> 5 & 0x7f) << 8;
    delivered.logical = msi.address & MSI_LOGICAL;
    delivered.mode = msi.data >> 8 & 7;
    delivered.vector = msi.data & 0xff;
    delivered.level = msi.data & MSI_LEVEL;
    delivered.count++;
    return taken;
}

static int set_up(void **state)
{
    (void)state;
    delivered.count = 0;
    taken = true;
    vioapic_reset(&io);
    return 0;
}

static void write_reg(unsigned reg, uint32_t value)
{
    vioapic_write(&vm, &io, SELECT, reg);
    vioapic_write(&vm, &io, WINDOW, value);
}

static uint32_t read_reg(unsigned reg)
{
    vioapic_write(&vm, &io, SELECT, reg);
    return vioapic_read(&io, WINDOW);
}

static void set_pin(unsigned pin, uint64_t entry)
{
    write_reg(0x11 + 2 * pin, (uint32_t)(entry >> 32));
    write_reg(0x10 + 2 * pin, (uint32_t)entry);
}

static void registers(void **state)
{
    (void)state;
    assert_int_equal(read_reg(1) >> 16 & 0xff, VIOAPIC_PINS - 1);
    write_reg(0, 0xffffffff);
    assert_int_equal(read_reg(0), 0x0f000000);
    write_reg(1, 0);
    assert_int_equal(read_reg(1) >> 16 & 0xff, VIOAPIC_PINS - 1);
    for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
        assert_int_equal(read_reg(0x10 + 2 * pin), 0x10000);
        assert_int_equal(read_reg(0x11 + 2 * pin), 0);
        set_pin(pin, UINT64_MAX);
        /* Delivery status and remote IRR are read-only; bits 55:49 extend the destination. */
        assert_int_equal(read_reg(0x10 + 2 * pin), 0x1afff);
        assert_int_equal(read_reg(0x11 + 2 * pin), 0xfffe0000);
    }
}

/* Nothing behind the last register, and nothing a guest writes there lands in another one. */
static void every_index(void **state)
{
    struct vioapic before;

    (void)state;
    before = io;
    for (unsigned reg = 0x10 + 2 * VIOAPIC_PINS; reg < 0x100; reg++) {
        write_reg(reg, UINT32_MAX);
        assert_int_equal(read_reg(reg), 0);
    }
    for (unsigned reg = 2; reg < 0x10; reg++)
        write_reg(reg, UINT32_MAX);
    assert_memory_equal(io.redirection, before.redirection, sizeof(io.redirection));
    assert_int_equal(vioapic_read(&io, 0x20), 0);
}

static void edge(void **state)
{
    (void)state;
    set_pin(4, UINT64_C(3) << 56 | 0x931);
    assert_int_equal(delivered.count, 0);
    vioapic_set_pin(&vm, &io, 4, true);
    assert_int_equal(delivered.count, 1);
    assert_int_equal(delivered.destination, 3);
    assert_true(delivered.logical);
    assert_int_equal(delivered.mode, 1);
    assert_int_equal(delivered.vector, 0x31);
    assert_false(delivered.level);
    vioapic_set_pin(&vm, &io, 4, true);
    assert_int_equal(delivered.count, 1);
    vioapic_set_pin(&vm, &io, 4, false);
    vioapic_set_pin(&vm, &io, 4, true);
    assert_int_equal(delivered.count, 2);
    vioapic_eoi(&vm, &io, 0x31);
    assert_int_equal(delivered.count, 2);
}

static void masked_edge_is_lost(void **state)
{
    (void)state;
    set_pin(4, 0x10031);
    vioapic_set_pin(&vm, &io, 4, true);
    set_pin(4, 0x31);
    assert_int_equal(delivered.count, 0);
}

static void level(void **state)
{
    (void)state;
    set_pin(9, 0x8041);
    vioapic_set_pin(&vm, &io, 9, true);
    assert_int_equal(delivered.count, 1);
    assert_true(delivered.level);
    assert_true(read_reg(0x22) & 0x4000);
    /* Until its EOI the pin is silent, whatever the line does. */
    vioapic_set_pin(&vm, &io, 9, false);
    vioapic_set_pin(&vm, &io, 9, true);
    vioapic_eoi(&vm, &io, 0x42);
    assert_int_equal(delivered.count, 1);
    vioapic_eoi(&vm, &io, 0x41);
    assert_int_equal(delivered.count, 2);
    assert_true(read_reg(0x22) & 0x4000);
    vioapic_set_pin(&vm, &io, 9, false);
    vioapic_eoi(&vm, &io, 0x41);
    assert_int_equal(delivered.count, 2);
    assert_false(read_reg(0x22) & 0x4000);
}

static void masked_level_waits(void **state)
{
    (void)state;
    set_pin(9, 0x18041);
    vioapic_set_pin(&vm, &io, 9, true);
    assert_int_equal(delivered.count, 0);
    set_pin(9, 0x8041);
    assert_int_equal(delivered.count, 1);
}

/* Masking in between does not end the service; writing the entry does not either. */
static void rewriting_keeps_remote_irr(void **state)
{
    (void)state;
    set_pin(9, 0x8041);
    vioapic_set_pin(&vm, &io, 9, true);
    set_pin(9, 0x18041);
    set_pin(9, 0x8041);
    assert_int_equal(delivered.count, 1);
    assert_true(read_reg(0x22) & 0x4000);
    /* Linux's way to clear a stuck one: edge, masked, then level again. */
    set_pin(9, 0x10041);
    assert_false(read_reg(0x22) & 0x4000);
    set_pin(9, 0x8041);
    assert_int_equal(delivered.count, 2);
}

/* Two pins with one vector: the EOI register and the broadcast reach both. */
static void shared_vector(void **state)
{
    (void)state;
    set_pin(9, 0x8041);
    set_pin(10, 0x8041);
    vioapic_set_pin(&vm, &io, 9, true);
    vioapic_set_pin(&vm, &io, 10, true);
    assert_int_equal(delivered.count, 2);
    vioapic_write(&vm, &io, EOI, 0x41);
    assert_int_equal(delivered.count, 4);
}

/* Without a local APIC that owes an EOI, a level pin is not held back. */
static void nobody_takes_it(void **state)
{
    (void)state;
    taken = false;
    set_pin(9, 0x8041);
    vioapic_set_pin(&vm, &io, 9, true);
    assert_int_equal(delivered.count, 1);
    assert_false(read_reg(0x22) & 0x4000);
    taken = true;
    vioapic_set_pin(&vm, &io, 9, true);
    assert_int_equal(delivered.count, 2);
    assert_true(read_reg(0x22) & 0x4000);
}

/* APIC IDs of 15 bits, as guests of KVM's MSI_EXT_DEST_ID write them. */
static void wide_destinations(void **state)
{
    (void)state;
    set_pin(4, UINT64_C(0x34) << 56 | UINT64_C(0x12) << 49 | 0x31);
    vioapic_set_pin(&vm, &io, 4, true);
    assert_int_equal(delivered.destination, 0x1234);
    assert_int_equal(delivered.vector, 0x31);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers),
        TEST(every_index),
        TEST(edge),
        TEST(level),
        TEST(masked_level_waits),
        TEST(rewriting_keeps_remote_irr),
        TEST(masked_edge_is_lost),
        TEST(shared_vector),
        TEST(nobody_takes_it),
        TEST(wide_destinations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
