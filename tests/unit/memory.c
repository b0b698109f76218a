/* SPDX-License-Identifier: BSD-2-Clause */
/* Who owns which page: the map at boot, allocation, accounts, and giving everything back. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_panic.h"

#define spin_lock   real_spin_lock
#define spin_unlock real_spin_unlock
#include "arch/x86/spinlock.h"
#undef spin_lock
#undef spin_unlock

static unsigned holds;
static bool held_now;
static void (*behind_unlock)(void); /* what another CPU does there */

static void spin_lock(struct spinlock *l)
{
    (void)l;
    assert_false(held_now);
    held_now = true;
    holds++;
}

static void spin_unlock(struct spinlock *l)
{
    void (*other)(void) = behind_unlock;

    (void)l;
    held_now = false;
    behind_unlock = NULL;
    if (other)
        other();
    behind_unlock = other;
}

#include "core/base/memory.c"

#include <stdlib.h>

#define TOP (64 * MIB)

static void forget(void)
{
    owners = NULL;
    page_limit = total_pages = free_pages = retired_count = 0;
    behind_unlock = NULL;
    held_now = false;
    first_free = LOW_MEMORY / PAGE_SIZE;
    memory_host = (struct account){.owner = MEMORY_HOST};
}

static int set_up(void **state)
{
    (void)state;
    forget();
    return fake_memory_create(TOP) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fake_memory_destroy(TOP);
    return 0;
}

static const struct memory_range usable[] = {
    {0x1000, 0x9e000}, {MIB, 31 * MIB}, {32 * MIB + 0x800, 32 * MIB - 0x1000}};
static const struct memory_range reserved[] = {
    {MIB, 0x1800}, {2 * MIB, 2 * MIB}, {40 * MIB, PAGE_SIZE}, {UINT64_C(0xfffc0000), 256 * KIB}};

static void start(void)
{
    assert_true(memory_setup(usable, ARRAY_SIZE(usable), reserved, ARRAY_SIZE(reserved)));
}

static bool inside(uint64_t at, const struct memory_range *r)
{
    return at < r->base + r->size && r->base < at + PAGE_SIZE;
}

/* Whether a page may be given out, said straight from the two lists. */
static bool may_have(uint64_t at)
{
    bool whole = false;

    for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (inside(at, &reserved[i]))
            return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(usable); i++)
        whole |= at >= usable[i].base && at + PAGE_SIZE <= usable[i].base + usable[i].size;
    return whole && at >= MIB;
}

static void everything_once(void **state)
{
    uint64_t count, expected = 0, last = 0;

    (void)state;
    start();
    count = memory_total_pages();
    for (uint64_t at = 0; at < TOP; at += PAGE_SIZE)
        expected += may_have(at);
    /* One byte a page: the map itself takes (64 MiB / 4 KiB) bytes. */
    assert_int_equal(count, expected - TOP / PAGE_SIZE / PAGE_SIZE);
    for (uint64_t i = 0; i < count; i++) {
        hpa_t page = memory_alloc(&memory_host, MEMORY_STATE, 1, 1);

        assert_true(page.value > last);
        assert_true(may_have(page.value));
        last = page.value;
    }
    assert_int_equal(memory_alloc(&memory_host, MEMORY_STATE, 1, 1).value, 0);
    assert_int_equal(memory_free_pages(), 0);
    assert_int_equal(memory_host.pages[MEMORY_STATE], count);
}

static void too_little(void **state)
{
    const struct memory_range low = {0, 640 * KIB}, all = {0, 8 * MIB};

    (void)state;
    assert_false(memory_setup(&low, 1, NULL, 0));
    forget();
    assert_false(memory_setup(&all, 1, &all, 1));
}

/* The map must not lie on a module, whatever the order of the list. */
static void map_avoids_modules(void **state)
{
    const struct memory_range all = {0, TOP}, modules[] = {{2 * MIB, 62 * MIB - 0x10000},
                                                           {MIB + 0x3000, 0x1000},
                                                           {MIB, 0x2001},
                                                           {MIB + 0x8000, MIB - 0x8000}};

    (void)state;
    assert_true(memory_setup(&all, 1, modules, ARRAY_SIZE(modules)));
    assert_ptr_equal(owners, phys_to_virt(hpa(MIB + 0x4000)));
    assert_int_equal(memory_alloc(&memory_host, MEMORY_STATE, 1, 1).value, TOP - 0x10000);
}

static void alignment(void **state)
{
    hpa_t at;

    (void)state;
    start();
    at = memory_alloc(&memory_host, MEMORY_RAM, 3, 512);
    assert_int_equal(at.value, 4 * MIB);
    at = memory_alloc(&memory_host, MEMORY_RAM, 512, 512);
    assert_int_equal(at.value, 6 * MIB);
    /* The rest of the 2 MiB that three pages were taken from is not lost. */
    at = memory_alloc(&memory_host, MEMORY_RAM, 509, 1);
    assert_int_equal(at.value, 4 * MIB + 3 * PAGE_SIZE);
    assert_int_equal(memory_alloc(&memory_host, MEMORY_RAM, 1, TOP / PAGE_SIZE).value, 0);
    assert_int_equal(memory_alloc(&memory_host, MEMORY_RAM, UINT64_MAX / 2, 1).value, 0);
    assert_int_equal(memory_alloc(&memory_host, MEMORY_RAM, TOP / PAGE_SIZE, 1).value, 0);
    assert_int_equal(memory_host.pages[MEMORY_RAM], 3 + 512 + 509);
}

/* From the top, aligned, below what is asked for; and the rest goes on as before. */
static void high(void **state)
{
    uint64_t below = (TOP - 2 * MIB) / PAGE_SIZE, end = memory_used_end();
    hpa_t first, second;

    (void)state;
    start();
    first = memory_alloc_high(&memory_host, MEMORY_STATE, 9, 4, below * PAGE_SIZE);
    assert_int_equal(first.value / PAGE_SIZE, ALIGN_DOWN(below - 9, 4));
    second = memory_alloc_high(&memory_host, MEMORY_STATE, 9, 4, below * PAGE_SIZE);
    assert_int_equal(second.value / PAGE_SIZE, ALIGN_DOWN(first.value / PAGE_SIZE - 9, 4));
    assert_int_equal(memory_host.pages[MEMORY_STATE], 18);
    assert_int_equal(memory_free_pages(), memory_total_pages() - 18);
    assert_int_equal(memory_used_end(), end);
    assert_true(memory_audit(&memory_host));
    for (uint64_t at = first.value; at < first.value + 9 * PAGE_SIZE; at += PAGE_SIZE)
        assert_true(may_have(at));
    assert_int_equal(memory_alloc_high(&memory_host, MEMORY_STATE, 1, 1, MIB).value, 0);
    assert_int_equal(memory_alloc_high(&memory_host, MEMORY_STATE, TOP / PAGE_SIZE, 1, 4 * GIB).value, 0);
    first = memory_alloc_high(&memory_host, MEMORY_STATE, 1, 1, 40 * MIB + PAGE_SIZE); /* which is reserved */
    assert_int_equal(first.value, 40 * MIB - PAGE_SIZE);
}

static void zeroed(void **state)
{
    struct account a = {.owner = 3};
    uint8_t *p;

    (void)state;
    start();
    p = memory_alloc_zeroed(&a, MEMORY_STATE, 2);
    memset(p, 0xaa, 2 * PAGE_SIZE);
    memory_release(&a);
    assert_ptr_equal(memory_alloc_zeroed(&a, MEMORY_STATE, 2), p);
    for (uint64_t i = 0; i < 2 * PAGE_SIZE; i++)
        assert_int_equal(p[i], 0);
}

struct claim {
    uint64_t page, count;
    unsigned account;
};

/* Several accounts at once: no page is given twice, and an account returns its own pages and no others. */
static void accounts(void **state)
{
    static struct claim claims[4000];
    static uint8_t taken[TOP / PAGE_SIZE];
    struct account a[4] = {{.owner = 3}, {.owner = 4}, {.owner = 5}, {.owner = 34}};
    uint64_t held[4] = {0}, all;
    unsigned n = 0;

    (void)state;
    start();
    srand(5);
    all = memory_free_pages();
    for (unsigned i = 0; i < 3000; i++) {
        unsigned who = (unsigned)rand() % 4;
        uint64_t count = (uint64_t)rand() % 9 + 1, align = UINT64_C(1) << rand() % 5;
        hpa_t at = memory_alloc(&a[who], (enum memory_kind)(rand() % MEMORY_KINDS), count, align);

        if (at.value) {
            claims[n++] = (struct claim){at.value / PAGE_SIZE, count, who};
            held[who] += count;
            assert_int_equal(at.value / PAGE_SIZE % align, 0);
        }
        for (uint64_t p = 0; at.value && p < count; p++) {
            assert_int_equal(taken[at.value / PAGE_SIZE + p], 0);
            taken[at.value / PAGE_SIZE + p] = 1;
        }
        if (rand() % 300)
            continue;
        memory_release(&a[who]);
        held[who] = 0;
        for (unsigned c = 0; c < n; c++) {
            if (claims[c].account == who) {
                memset(&taken[claims[c].page], 0, claims[c].count);
                claims[c].count = 0;
            }
        }
        for (unsigned k = 0; k < MEMORY_KINDS; k++)
            assert_int_equal(a[who].pages[k], 0);
    }
    assert_int_equal(memory_free_pages(), all - held[0] - held[1] - held[2] - held[3]);
    for (unsigned i = 0; i < 4; i++)
        memory_release(&a[i]);
    assert_int_equal(memory_free_pages(), all);
}

static void sealed(void **state)
{
    struct account a = {.owner = 3, .sealed = true};

    (void)state;
    start();
    assert_panics(memory_alloc(&a, MEMORY_STATE, 1, 1));
    a.sealed = false;
    assert_panics(memory_alloc(&a, MEMORY_STATE, 0, 1));
    assert_panics(memory_alloc(&a, MEMORY_STATE, 1, 3));
    assert_panics(memory_alloc_high(&a, MEMORY_STATE, 1, 0, GIB));
    a.owner = MEMORY_FREE;
    assert_panics(memory_alloc(&a, MEMORY_STATE, 1, 1));
    assert_panics(memory_release(&memory_host));
}

/* Nothing of the last owner is left where the next one is. */
static void scrubbed(void **state)
{
    struct account a = {.owner = 3};
    uint8_t *p;

    (void)state;
    start();
    p = phys_to_virt(memory_alloc(&a, MEMORY_RAM, 8, 1));
    memset(p, 0x5a, 8 * PAGE_SIZE);
    memory_release(&a);
    for (uint64_t i = 0; i < 8 * PAGE_SIZE; i++)
        assert_int_equal(p[i], 0);
}

/* A VM's account lies in its own memory. */
static void account_in_itself(void **state)
{
    struct account first = {.owner = 3}, *a;
    uint64_t all;

    (void)state;
    start();
    all = memory_free_pages();
    a = memory_alloc_zeroed(&first, MEMORY_STATE, 2);
    *a = first;
    memory_release(a);
    assert_int_equal(memory_free_pages(), all);
    assert_int_equal(owners[0], UNUSABLE);
}

/* Its contents are lost, and may not be touched: it is neither zeroed nor ever given out again. */
static void page_is_retired(void **state)
{
    struct account a = {.owner = 3};
    uint64_t all;
    hpa_t at, other;
    uint8_t *p;

    (void)state;
    start();
    all = memory_free_pages();
    at = memory_alloc(&a, MEMORY_RAM, 8, 1);
    p = phys_to_virt(hpa(at.value + 5 * PAGE_SIZE));
    memset(p, 0x5a, PAGE_SIZE);
    assert_true(memory_retire(hpa(at.value + 5 * PAGE_SIZE)));
    assert_true(memory_retire(hpa(at.value + 5 * PAGE_SIZE)));
    assert_int_equal(retired_count, 1);
    assert_true(memory_audit(&a));
    memory_release(&a);
    assert_true(memory_audit(&a));
    assert_int_equal(p[0], 0x5a);
    assert_int_equal(p[PAGE_SIZE - 1], 0x5a);
    assert_int_equal(memory_free_pages(), all - 1);
    for (uint64_t i = 0; i < all - 1; i++) {
        other = memory_alloc(&a, MEMORY_RAM, 1, 1);
        assert_true(other.value && other.value != at.value + 5 * PAGE_SIZE);
    }
    assert_int_equal(memory_alloc(&a, MEMORY_RAM, 1, 1).value, 0);
    for (uint64_t i = 0; i < ARRAY_SIZE(retired) - 1; i++)
        assert_true(memory_retire(hpa(20 * MIB + i * PAGE_SIZE)));
    assert_false(memory_retire(hpa(30 * MIB)));
}

static struct account other_cpus = {.owner = 9};

static void another_takes(void)
{
    memory_alloc(&other_cpus, MEMORY_RAM, 1, 1);
}

static void another_gives_back(void)
{
    memory_alloc(&other_cpus, MEMORY_RAM, 3, 2);
    memory_release(&other_cpus);
}

/* The lock is given up between pieces, and what others do there is not lost. */
static void in_pieces(void **state)
{
    static void (*const what[])(void) = {another_takes, another_gives_back};
    struct account a = {.owner = 3}, b = {.owner = 4};
    uint64_t all;

    (void)state;
    start();
    all = memory_free_pages();
    for (unsigned i = 0; i < ARRAY_SIZE(what); i++) {
        memory_alloc(&b, MEMORY_RAM, 3, 1);
        memory_alloc(&a, MEMORY_RAM, 4096, 1);
        memory_alloc(&b, MEMORY_RAM, 30, 1);
        behind_unlock = what[i];
        holds = 0;
        assert_true(memory_audit(&a) && memory_audit(&b));
        b.pages[MEMORY_RAM]++;
        assert_false(memory_audit(&b));
        b.pages[MEMORY_RAM]--;
        holds = 0;
        memory_release(&a);
        assert_true(holds >= 2 * 4096 / RELEASE_PIECE);
        behind_unlock = NULL;
        assert_true(memory_audit(&a) && memory_audit(&b) && memory_audit(&other_cpus));
        memory_release(&b);
        memory_release(&other_cpus);
        assert_int_equal(memory_free_pages(), all);
        assert_true(first_free <= next_of(FREE, 0));
    }
}

/* Words of the map against its bytes. */
static void words(void **state)
{
    (void)state;
    srand(3);
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t bytes[8], byte = (uint8_t)(rand() % 4 + 1);
        unsigned count = 0;
        uint64_t word;

        for (unsigned k = 0; k < 8; k++) {
            bytes[k] = (uint8_t)(rand() % 8 ? byte + rand() % 2 * (int)(i % 3) : rand());
            count += bytes[k] == byte;
        }
        memcpy(&word, bytes, 8);
        assert_int_equal(count_bytes(word, byte), count);
        assert_int_equal(has_byte(word, byte), count > 0);
    }
}

/* One page too many or too few, on either side, is found. */
static void audit(void **state)
{
    struct account a = {.owner = 3}, b = {.owner = 4};
    uint64_t page;

    (void)state;
    start();
    page = memory_alloc(&a, MEMORY_RAM, 8, 1).value / PAGE_SIZE;
    memory_alloc(&b, MEMORY_TABLES, 3, 1);
    assert_true(memory_audit(&a) && memory_audit(&b));
    a.pages[MEMORY_RAM]--;
    assert_false(memory_audit(&a));
    a.pages[MEMORY_RAM]++;
    owners[page] = 4;
    assert_false(memory_audit(&a));
    assert_false(memory_audit(&b));
    owners[page] = FREE;
    assert_false(memory_audit(&b));
    owners[page] = 3;
    assert_true(memory_audit(&a) && memory_audit(&b));
    memory_release(&a);
    assert_true(memory_audit(&a) && memory_audit(&b));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_once),
        TEST(too_little),
        TEST(map_avoids_modules),
        TEST(alignment),
        TEST(high),
        TEST(zeroed),
        TEST(accounts),
        TEST(sealed),
        TEST(scrubbed),
        TEST(page_is_retired),
        TEST(in_pieces),
        TEST(words),
        TEST(audit),
        TEST(account_in_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
