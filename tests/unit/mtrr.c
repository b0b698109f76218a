/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory types by the MTRRs: the rules of precedence, and large ranges against every page in them. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

/* While MTRRs change, the caches must be off, and empty. */
static uint64_t here_cr0, here_cr4;
static unsigned emptied, changed_in_the_open;

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
    changed_in_the_open += !(here_cr0 & CR0_CD) || (here_cr0 & CR0_NW) || (here_cr4 & CR4_PGE) || !emptied;
    fake_msr_set(msr, value);
}

static void fake_write_cr0(uint64_t value)
{
    here_cr0 = value;
    emptied = 0;
}

#define wrmsr(msr, value)                  fake_wrmsr(msr, value)
#define read_cr0()                         here_cr0
#define write_cr0(value)                   fake_write_cr0(value)
#define read_cr3()                         0
#define write_cr3(value)                   (void)(value)
#define read_cr4()                         here_cr4
#define write_cr4(value)                   (void)(here_cr4 = (value))
#define write_back_and_invalidate_caches() (void)emptied++
#include "arch/x86/mtrr.c"

#include <string.h>

#define PHYSICAL_MASK UINT64_C(0xfffffffff) /* 36 bits */

static int set_up(void **state)
{
    (void)state;
    fake_msr_count = 0;
    fake_leaf_1 = (struct cpuid){.edx = CPUID_MTRR};
    fake_msr_set(IA32_MTRRCAP, 0x500 | 8);
    fake_msr_set(IA32_MTRR_DEF_TYPE, 0);
    for (uint32_t i = 0; i < 16; i++)
        fake_msr_set(IA32_MTRR_PHYSBASE0 + i, 0);
    return 0;
}

static uint64_t mask_of(uint64_t size)
{
    return ~(size - 1) & PHYSICAL_MASK;
}

static void add(struct mtrrs *m, uint64_t base, uint64_t mask, enum cache_type type)
{
    m->variable[m->variable_count].base = base;
    m->variable[m->variable_count].mask = mask;
    m->variable[m->variable_count++].type = type;
}

static void without_mtrrs(void **state)
{
    struct mtrrs m;

    (void)state;
    fake_leaf_1.edx = 0;
    fake_msr_count = 0;
    mtrr_read(&m);
    assert_false(m.present);
    assert_int_equal(mtrr_page_type(&m, 0), CACHE_UC);
}

static void of_two_cpus(void **state)
{
    struct mtrrs a, b;

    (void)state;
    fake_msr_set(IA32_MTRR_DEF_TYPE, 0x806);
    fake_msr_set(IA32_MTRR_PHYSBASE0, UINT64_C(0x80000000));
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 1, mask_of(GIB) | BIT(11));
    mtrr_read(&a);
    mtrr_read(&b);
    assert_true(mtrr_same(&a, &b));
    fake_msr_set(IA32_MTRR_PHYSBASE0, UINT64_C(0x80000004));
    mtrr_read(&b);
    assert_false(mtrr_same(&a, &b));
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 1, 0); /* one less */
    mtrr_read(&b);
    assert_false(mtrr_same(&a, &b) || mtrr_same(&b, &a));
    b = a;
    b.fixed[87]++;
    assert_false(mtrr_same(&a, &b));
    fake_msr_set(IA32_MTRR_DEF_TYPE, 0); /* left off */
    mtrr_read(&b);
    assert_false(mtrr_same(&a, &b));
}

/* A CPU of which INIT has cleared them takes over those of the boot CPU, and has them. */
static void taken_over(void **state)
{
    struct mtrrs boot, here;

    (void)state;
    fake_msr_set(IA32_MTRR_DEF_TYPE, DEF_ENABLE | DEF_FIXED | CACHE_WB);
    for (unsigned i = 0; i < ARRAY_SIZE(fixed_msrs); i++)
        fake_msr_set(fixed_msrs[i], UINT64_C(0x0606060606060606) - i);
    fake_msr_set(IA32_MTRR_PHYSBASE0, UINT64_C(0xc0000000) | CACHE_UC);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 1, mask_of(GIB) | MASK_VALID);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 14, UINT64_C(0xd0000000) | CACHE_WC);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 15, mask_of(PAGE_2M) | MASK_VALID);
    mtrr_read(&boot);
    fake_msr_set(IA32_MTRR_DEF_TYPE, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(fixed_msrs); i++)
        fake_msr_set(fixed_msrs[i], 0);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 5, mask_of(GIB) | MASK_VALID); /* one that the boot CPU has not */
    here_cr0 = CR0_PG | CR0_PE | CR0_NE;
    here_cr4 = CR4_PGE | CR4_PAE;
    changed_in_the_open = 0;
    assert_true(mtrr_write(&boot));
    assert_int_equal(changed_in_the_open, 0);
    assert_int_equal(here_cr0, CR0_PG | CR0_PE | CR0_NE);
    assert_int_equal(here_cr4, CR4_PGE | CR4_PAE);
    mtrr_read(&here);
    assert_true(mtrr_same(&boot, &here));
    fake_msr_set(IA32_MTRRCAP, 0x500 | 1); /* fewer than that takes */
    fake_msr_set(IA32_MTRR_DEF_TYPE, 0);
    assert_false(mtrr_write(&boot));
    mtrr_read(&here);
    assert_false(here.enabled);
}

static void disabled(void **state)
{
    struct mtrrs m;

    (void)state;
    fake_msr_set(IA32_MTRR_DEF_TYPE, CACHE_WB);
    fake_msr_set(IA32_MTRR_PHYSBASE0, CACHE_WB);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 1, mask_of(GIB) | MASK_VALID);
    mtrr_read(&m);
    assert_true(m.present);
    assert_false(m.enabled);
    assert_int_equal(mtrr_page_type(&m, 0), CACHE_UC);
}

static void reading(void **state)
{
    struct mtrrs m;

    (void)state;
    fake_msr_set(IA32_MTRR_DEF_TYPE, DEF_ENABLE | CACHE_WB);
    fake_msr_set(IA32_MTRR_PHYSBASE0, UINT64_C(0xc0000000) | CACHE_UC);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 1, mask_of(GIB) | MASK_VALID);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 2, CACHE_WP); /* not valid */
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 14, UINT64_C(0xd0000000) | CACHE_WC);
    fake_msr_set(IA32_MTRR_PHYSBASE0 + 15, mask_of(PAGE_2M) | MASK_VALID);
    mtrr_read(&m);
    assert_int_equal(m.variable_count, 2);
    assert_int_equal(mtrr_page_type(&m, 0), CACHE_WB);
    assert_int_equal(mtrr_page_type(&m, UINT64_C(0xbffff000)), CACHE_WB);
    assert_int_equal(mtrr_page_type(&m, UINT64_C(0xc0000000)), CACHE_UC);
    assert_int_equal(mtrr_page_type(&m, UINT64_C(0xd0000000)), CACHE_UC); /* UC wins over WC */
    assert_int_equal(mtrr_page_type(&m, 4 * GIB), CACHE_WB);
}

/* Every fixed register has its own place: a byte each of the 88, numbered by its type. */
static void fixed_ranges(void **state)
{
    static const uint32_t msrs[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                    0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    static const uint8_t types[] = {CACHE_UC, CACHE_WC, CACHE_WT, CACHE_WP, CACHE_WB};
    struct mtrrs m;
    uint64_t at = 0;

    (void)state;
    fake_msr_set(IA32_MTRR_DEF_TYPE, DEF_ENABLE | DEF_FIXED | CACHE_WB);
    for (unsigned i = 0; i < 88; i++) {
        uint64_t old = fake_msr(msrs[i / 8]) ? *fake_msr(msrs[i / 8]) : 0;

        fake_msr_set(msrs[i / 8], old | (uint64_t)types[(i * 7 + i / 8) % 5] << i % 8 * 8);
    }
    mtrr_read(&m);
    for (unsigned i = 0; i < 88; i++) {
        uint64_t size = i < 8 ? 64 * KIB : i < 24 ? 16 * KIB : 4 * KIB;
        enum cache_type expected = (enum cache_type)types[(i * 7 + i / 8) % 5];

        assert_int_equal(mtrr_page_type(&m, at), expected);
        assert_int_equal(mtrr_page_type(&m, at + size - 1), expected);
        at += size;
    }
    assert_int_equal(at, MIB);
    assert_int_equal(mtrr_page_type(&m, MIB), CACHE_WB);
}

static void precedence(void **state)
{
    static const struct {
        enum cache_type a, b, result;
    } cases[] = {
        {CACHE_WB, CACHE_WB, CACHE_WB}, {CACHE_WT, CACHE_WB, CACHE_WT}, {CACHE_UC, CACHE_WB, CACHE_UC},
        {CACHE_UC, CACHE_WT, CACHE_UC}, {CACHE_UC, CACHE_WC, CACHE_UC}, {CACHE_WC, CACHE_WC, CACHE_WC},
        {CACHE_WC, CACHE_WB, CACHE_UC}, {CACHE_WP, CACHE_WB, CACHE_UC}, /* undefined: the safe one */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned order = 0; order < 2; order++) {
            struct mtrrs m = {.present = true, .enabled = true, .default_type = CACHE_WP};

            add(&m, 0, mask_of(GIB), order ? cases[i].a : cases[i].b);
            add(&m, 0, mask_of(PAGE_2M), order ? cases[i].b : cases[i].a);
            assert_int_equal(mtrr_page_type(&m, 0), cases[i].result);
            assert_int_equal(mtrr_page_type(&m, GIB), CACHE_WP);
        }
    }
}

/* What "one type throughout" means, said page by page: every register covers all of the range or nothing. */
static bool divided(const struct mtrrs *m, uint64_t base, uint64_t size, uint64_t step)
{
    if (m->fixed_enabled && base < MIB)
        return true;
    for (unsigned i = 0; i < m->variable_count; i++) {
        uint64_t hits = 0;

        for (uint64_t at = base; at < base + size; at += step)
            hits += (at & m->variable[i].mask) == (m->variable[i].base & m->variable[i].mask);
        if (hits != 0 && hits != size / step)
            return true;
    }
    return false;
}

static uint64_t random_64(void)
{
    return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

/* Bits below step are never tested, so that one page speaks for step bytes. */
static void random_mtrrs(struct mtrrs *m, uint64_t near, uint64_t step)
{
    static const enum cache_type types[] = {CACHE_UC, CACHE_WC, CACHE_WT, CACHE_WP, CACHE_WB};

    *m = (struct mtrrs){.present = true, .enabled = true, .default_type = types[rand() % 5]};
    m->fixed_enabled = rand() % 2;
    for (unsigned i = 0, count = (unsigned)rand() % 6; i < count; i++) {
        uint64_t mask = mask_of(step << rand() % 12);

        if (rand() % 4 == 0)
            mask = random_64() & mask_of(step); /* with holes: allowed, and matches stripes */
        add(m, (near ^ (random_64() & (step * 1024 - 1))) & mask_of(step), mask, types[rand() % 5]);
    }
}

static void compare(uint64_t size, uint64_t step, unsigned rounds)
{
    unsigned uniform = 0;

    srand(7);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t base = ALIGN_DOWN(random_64() & (round % 3 ? PHYSICAL_MASK : 4 * size - 1), size);
        enum cache_type type = (enum cache_type)99;
        struct mtrrs m;
        bool one;

        random_mtrrs(&m, base, step);
        one = mtrr_range_type(&m, base, size, &type);
        assert_int_equal(one, !divided(&m, base, size, step));
        for (uint64_t at = base; one && at < base + size; at += step)
            assert_int_equal(mtrr_page_type(&m, at), type);
        uniform += one;
    }
    assert_in_range(uniform, rounds / 10, rounds - rounds / 10);
}

static void ranges_of_2m(void **state)
{
    (void)state;
    compare(PAGE_2M, PAGE_SIZE, 3000);
}

static void ranges_of_1g(void **state)
{
    (void)state;
    compare(PAGE_1G, PAGE_2M, 3000);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_mtrrs), TEST(of_two_cpus), TEST(taken_over),   TEST(disabled),     TEST(reading),
        TEST(fixed_ranges),  TEST(precedence),  TEST(ranges_of_2m), TEST(ranges_of_1g),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
