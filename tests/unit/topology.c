/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/x86/topology.c: leaves as processors answer them, and which CPUs then are threads of one core. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

static struct cpuid sample(uint32_t leaf, uint32_t subleaf);
#define cpuid(leaf, subleaf) sample(leaf, subleaf)
#include "arch/x86/topology.c"
#undef cpuid

#define HTT (1u << 28)

static const struct machine_leaves {
    const char *name;
    uint32_t max;
    struct cpuid one, four, b, v2; /* leaves 1, 4, 0Bh, 1Fh, their first subleaf */
    unsigned bits;
} machines[] = {
    {"Nehalem, hyperthreading", 0xb, {0, 16 << 16, 0, HTT}, {7u << 26, 0, 0, 0}, {1, 2, 0x100, 0}, {0}, 1},
    {"Nehalem, off in the setup", 0xb, {0, 16 << 16, 0, HTT}, {7u << 26, 0, 0, 0}, {1, 1, 0x100, 0}, {0}, 0},
    {"Skylake-SP", 0x16, {0, 64 << 16, 0, HTT}, {31u << 26, 0, 0, 0}, {1, 2, 0x100, 7}, {0}, 1},
    {"Ice Lake-SP", 0x1b, {0, 64 << 16, 0, HTT}, {0}, {1, 2, 0x100, 0}, {1, 2, 0x100, 0}, 1},
    {"Tremont: one thread a core", 0x1b, {0, 4 << 16, 0, HTT}, {0}, {0, 1, 0x100, 0}, {0, 1, 0x100, 0}, 0},
    {"Knights Mill: four", 0xd, {0, 255 << 16, 0, HTT}, {0}, {2, 4, 0x100, 0}, {0}, 2},
    {"1Fh without a first level", 0x1f, {0, 2 << 16, 0, HTT}, {0}, {1, 2, 0x100, 0}, {0}, 1},
    {"0Bh empty: two threads of a core", 0xb, {0, 2 << 16, 0, HTT}, {0}, {0}, {0}, 1},
    {"no 0Bh: two cores", 4, {0, 2 << 16, 0, HTT}, {1u << 26, 0, 0, 0}, {0}, {0}, 0},
    {"no 0Bh: four cores of two", 5, {0, 8 << 16, 0, HTT}, {3u << 26, 0, 0, 0}, {0}, {0}, 1},
    {"no 0Bh: six cores of two", 5, {0, 16 << 16, 0, HTT}, {5u << 26, 0, 0, 0}, {0}, {0}, 1},
    {"one CPU", 2, {0, 1 << 16, 0, 0}, {0}, {0}, {0}, 0},
};

static const struct machine_leaves *here;

static struct cpuid sample(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(subleaf, 0);
    switch (leaf) {
    case 0: return (struct cpuid){here->max, 0, 0, 0};
    case 1: return here->one;
    case 4: return here->four;
    case 0xb: return here->b;
    case 0x1f: return here->v2;
    default: fail_msg("leaf %x", leaf); return (struct cpuid){0};
    }
}

static void bits_of_machines(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
        here = &machines[i];
        if (topology_thread_bits() != here->bits)
            fail_msg("%s: %u", here->name, topology_thread_bits());
    }
}

/* Two packages of four cores: IDs of the second begin at 20h. */
static void cores(void **state)
{
    struct cpu a = {.apic_id = 0x06, .thread_bits = 1}, b = a;

    (void)state;
    b.apic_id = 0x07;
    assert_true(same_core(&a, &b));
    b.apic_id = 0x08;
    assert_false(same_core(&a, &b));
    b.apic_id = 0x26;
    assert_false(same_core(&a, &b));
    a.thread_bits = b.thread_bits = 0;
    b.apic_id = 0x07;
    assert_false(same_core(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bits_of_machines), cmocka_unit_test(cores)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
