/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu/walk.c over core/vm/guest.c and a guest's RAM in pieces: each form of paging, rights and error codes,
 * against a walker in the words of the manual's figures.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_ram.h"

#include "core/vm/guest.c"
#include "vcpu/event.c"
#include "vcpu/walk.c"

#include <string.h>

#define P  1u
#define W  2u
#define U  4u
#define PS 0x80u

#define HIGH   (4 * GIB) /* RAM beyond the hole begins here */
#define TABLES 16        /* pages with random entries, from 0 up */

static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_state state;

static uint64_t get_register(const struct vcpu *v UNUSED, enum guest_register which)
{
    assert_int_equal(which, GUEST_CR0);
    return CR0_PE;
}

struct backend backend = {.get = get_register};

enum vm_end vm_triple_fault(struct vm *of UNUSED, const char **what)
{
    *what = "triple fault";
    return VM_END_RESET;
}

bool vm_request_end(struct vm *of UNUSED, enum vm_end end UNUSED, const char *fmt UNUSED, ...)
{
    fail_msg("a VM that ends");
    return true;
}

static int create(void **unused)
{
    (void)unused;
    return fake_ram_create() ? 0 : -1;
}

static int set_up(void **unused)
{
    (void)unused;
    vm = (struct vm){.memory = FAKE_RAM_MAX, .ram = fake_pieces};
    memset(&state, 0, sizeof(state));
    vcpu = (struct vcpu){.vm = &vm, .backend = &state};
    fake_cr2 = 0;
    for (unsigned i = 0; i < 2 * TABLES; i++)
        memset(fake_ram_at(&vm, i * PAGE_SIZE), 0, PAGE_SIZE);
    return 0;
}

/* --- the other walker --- */

enum paging { NONE, TWO, TWO_PSE, THREE, FOUR, FIVE, PAGINGS };

/* The figures "Linear-Address Translation": bits of the address that choose an entry, and whether a page may
 * be here. */
static const struct figure {
    unsigned entry, levels;
    struct {
        unsigned high, low;
        bool page;
    } level[5];
} figures[] = {
    [TWO] = {4, 2, {{31, 22, false}, {21, 12, true}}},
    [TWO_PSE] = {4, 2, {{31, 22, true}, {21, 12, true}}},
    [THREE] = {8, 3, {{31, 30, false}, {29, 21, true}, {20, 12, true}}},
    [FOUR] = {8, 4, {{47, 39, false}, {38, 30, true}, {29, 21, true}, {20, 12, true}}},
    [FIVE] = {8, 5, {{56, 48, false}, {47, 39, false}, {38, 30, true}, {29, 21, true}, {20, 12, true}}},
};

static uint64_t bits(uint64_t value, unsigned high, unsigned low)
{
    return value >> low & (UINT64_MAX >> (63 - (high - low)));
}

struct found {
    bool ok;
    uint64_t at;
    unsigned error;
};

static uint64_t page_at(enum paging how, uint64_t entry, unsigned low, uint64_t linear)
{
    uint64_t frame = how == TWO_PSE && low == 22 ? bits(entry, 31, 22) << 22 | bits(entry, 20, 13) << 32
                     : how <= TWO_PSE            ? bits(entry, 31, low) << low
                                                 : bits(entry, 51, low) << low;

    return frame | bits(linear, low - 1, 0);
}

/* By RAM alone, from the table down; what is forbidden anywhere on the way is forbidden. */
static struct found look(enum paging how, const struct guest_mode *m, uint64_t linear, bool write)
{
    const struct figure *f = &figures[how];
    bool user = m->cpl == 3, writable = true, for_user = true;
    struct found no = {false, 0, (write ? 2u : 0) + (user ? 4u : 0)};
    uint64_t table =
        how == THREE ? bits(m->cr3, 31, 5) << 5 : bits(m->cr3, f->entry == 4 ? 31 : 51, 12) << 12;

    if (how == NONE)
        return (struct found){true, bits(linear, 31, 0), 0};
    for (unsigned i = 0; i < f->levels; i++) {
        unsigned low = f->level[i].low;
        const uint8_t *place = fake_ram_at(&vm, table + bits(linear, f->level[i].high, low) * f->entry);
        uint64_t entry = place ? load_le(place, f->entry) : 0;
        bool pdpte = how == THREE && i == 0;

        if (!(entry & 1))
            return no;
        writable &= pdpte || (entry & 2);
        for_user &= pdpte || (entry & 4);
        if (low == 12 || (f->level[i].page && (entry & 0x80))) {
            no.error |= 1;
            if ((user && !for_user) || (write && !writable && (user || (m->cr0 & CR0_WP))))
                return no;
            return (struct found){true, page_at(how, entry, low, linear), 0};
        }
        table = bits(entry, f->entry == 4 ? 31 : 51, 12) << 12;
    }
    return no;
}

/* --- modes --- */

static struct guest_mode mode(enum paging how, uint64_t cr3, unsigned cpl, bool wp)
{
    static const uint64_t cr4s[] = {0, 0, CR4_PSE, CR4_PAE | CR4_PSE, CR4_PAE, CR4_PAE | CR4_LA57};

    return (struct guest_mode){.cr0 = (how == NONE ? 0 : CR0_PG) | (wp ? CR0_WP : 0),
                               .cr3 = cr3,
                               .cr4 = cr4s[how],
                               .efer = how >= FOUR ? EFER_LMA : 0,
                               .bits = how >= FOUR ? 64 : 32,
                               .code_l = how >= FOUR,
                               .cpl = cpl};
}

static void agrees(enum paging how, const struct guest_mode *m, uint64_t linear, bool write)
{
    struct found expected = look(how, m, linear, write);
    struct walk w = {.error = 0};
    bool ok = guest_translate(&vm, m, linear, write, &w);

    if (ok != expected.ok || (ok ? w.at.value != expected.at : w.error != expected.error))
        fail_msg("paging %d linear %llx write %d cpl %u: %d at %llx error %x, expected %d %llx %x", how,
                 (unsigned long long)linear, write, m->cpl, ok, (unsigned long long)w.at.value, w.error,
                 expected.ok, (unsigned long long)expected.at, expected.error);
}

/* --- random tables --- */

static uint64_t seed = 12345;

static uint64_t any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* Where an entry leads: mostly to a table. */
static uint64_t any_frame(void)
{
    switch (any() % 16) {
    case 0: return 3 * GIB - PAGE_SIZE;           /* the last page before the hole, */
    case 1: return 3 * GIB + any() % GIB;         /* in it, */
    case 2: return HIGH + any() % (16 * MIB);     /* behind it, */
    case 3: return HIGH + 16 * MIB + any() % GIB; /* behind all RAM, */
    case 4: return any();                         /* anywhere */
    case 5: return any() % FAKE_RAM_MAX;
    default: return any() % (TABLES + 2) * PAGE_SIZE;
    }
}

static uint64_t any_entry(void)
{
    uint64_t flags = any() & 0xfff;

    flags |= any() % 8 ? P : 0;
    flags |= any() % 4 ? W | U : 0;
    flags &= any() % 4 ? ~(uint64_t)PS : UINT64_MAX;
    return ALIGN_DOWN(any_frame(), PAGE_SIZE) | flags | (any() % 8 ? 0 : any() << 52);
}

static void fill_tables(unsigned entry)
{
    for (uint64_t at = 0; at < TABLES * PAGE_SIZE; at += entry)
        store_le(fake_ram_at(&vm, at), any_entry(), entry);
}

/* What guest_linear_read() must find, byte by byte. */
static void reads_what_is_there(enum paging how, const struct guest_mode *m, uint64_t linear, unsigned n)
{
    uint8_t got[32];
    bool done;

    state.event = 0;
    done = guest_linear_read(&vcpu, m, linear, got, n);
    for (unsigned i = 0; i < n; i++) {
        struct found f = look(how, m, linear + i, false);
        const uint8_t *ram = f.ok ? fake_ram_at(&vm, f.at) : NULL;

        if (!f.ok) {
            assert_false(done);
            assert_int_equal(state.event, EVENT_VALID | EVENT_ERROR_CODE | EVENT_EXCEPTION << 8 | VECTOR_PF);
            assert_int_equal(state.event_error, f.error);
            assert_int_equal(fake_cr2, linear + i);
            return;
        }
        if (done)
            assert_int_equal(got[i], ram ? *ram : 0xff);
    }
    assert_true(done);
    assert_int_equal(state.event, 0);
}

/* As many bytes as there are without a gap; a page that is no RAM ends it, too. */
static void fetches_what_is_there(enum paging how, struct guest_mode m, uint64_t linear)
{
    uint8_t got[FETCH_SIZE];
    unsigned n;

    m.rip = linear;
    n = guest_fetch(&vm, &m, got);
    assert_true(n <= MAX_INSTRUCTION);
    for (unsigned i = 0; i < MAX_INSTRUCTION; i++) {
        struct found f = look(how, &m, linear + i, false);
        const uint8_t *ram = f.ok ? fake_ram_at(&vm, f.at) : NULL;

        assert_int_equal(i < n, ram != NULL);
        if (!ram)
            return;
        assert_int_equal(got[i], *ram);
    }
}

/* A linear address that the tables have something for, often close to the end of a page. */
static uint64_t any_linear(enum paging how)
{
    uint64_t linear = how >= FOUR ? any() & (BIT(57) - 1) : any() & (UINT32_MAX - 64);

    return any() % 3 ? linear : (linear | 0xfff) - any() % 20;
}

static void random_tables(void **unused)
{
    unsigned found[PAGINGS] = {0};

    (void)unused;
    for (unsigned round = 0; round < 300; round++) {
        enum paging how = (enum paging)(round % PAGINGS);

        fill_tables(how == NONE ? 8 : figures[how].entry);
        for (unsigned i = 0; i < 200; i++) {
            struct guest_mode m =
                mode(how, any() % TABLES * PAGE_SIZE | (any() & 0xfff), any() & 3, any() & 1);
            uint64_t linear = any_linear(how);

            agrees(how, &m, linear, false);
            agrees(how, &m, linear, true);
            found[how] += look(how, &m, linear, true).ok;
            reads_what_is_there(how, &m, linear, 1 + any() % 16);
            fetches_what_is_there(how, m, linear);
        }
    }
    for (unsigned i = 0; i < PAGINGS; i++)
        assert_true(found[i] > 200); /* else the test tests nothing */
}

/* Kept or not, it is the same fetch; and what is kept says no more than that: tables and code are what they
 * were, or it does not hold. */
static void kept_fetches(void **unused)
{
    unsigned held[PAGINGS] = {0}, gone[PAGINGS] = {0};

    (void)unused;
    for (unsigned round = 0; round < 300; round++) {
        enum paging how = (enum paging)(round % PAGINGS);

        fill_tables(how == NONE ? 8 : figures[how].entry);
        for (unsigned i = 0; i < 200; i++) {
            struct guest_mode m =
                mode(how, any() % TABLES * PAGE_SIZE | (any() & 0xfff), any() & 3, any() & 1);
            uint8_t kept[FETCH_SIZE], fresh[FETCH_SIZE];
            struct kept_fetch k;

            m.rip = any_linear(how);
            assert_int_equal(guest_fetch_and_keep(&vm, &m, kept, &k), guest_fetch(&vm, &m, fresh));
            if (!k.code)
                continue;
            assert_memory_equal(kept, fresh, MAX_INSTRUCTION);
            assert_true(kept_fetch_holds(&k));
            for (unsigned n = any() % 64; n > 0; n--)
                store_le(fake_ram_at(&vm, any() % (TABLES * PAGE_SIZE / 8) * 8), any_entry(), 8);
            if (any() % 2) {
                uint64_t *place = (uint64_t *)k.place[any() % WALK_LEVELS];

                if (*place)
                    *place ^= BIT(any() % 64);
            }
            if (!kept_fetch_holds(&k)) {
                gone[how]++;
                continue;
            }
            held[how]++;
            assert_int_equal(guest_fetch(&vm, &m, fresh), MAX_INSTRUCTION);
            assert_memory_equal(k.code, fresh, MAX_INSTRUCTION);
        }
    }
    for (unsigned i = 0; i < PAGINGS; i++)
        assert_true(held[i] > 50 && (i == NONE || gone[i] > 50)); /* else the test tests nothing */
}

/* --- named cases --- */

static void put(uint64_t at, uint64_t entry, unsigned size)
{
    store_le(fake_ram_at(&vm, at), entry, size);
}

/* 4-level tables in pages 1 to 4 for the first 2 MiB; page n of them is mapped with entries[n]. */
static struct guest_mode four(const uint64_t *entries, unsigned n, unsigned cpl, bool wp)
{
    put(0x1000, 0x2000 | P | W | U, 8);
    put(0x2000, 0x3000 | P | W | U, 8);
    put(0x3000, 0x4000 | P | W | U, 8);
    for (unsigned i = 0; i < n; i++)
        put(0x4000 + 8 * i, entries[i], 8);
    return mode(FOUR, 0x1000, cpl, wp);
}

/* Each of the rights in the last entry and in the one above it. */
static void rights_and_error_codes(void **unused)
{
    (void)unused;
    for (unsigned k = 0; k < 256; k++) {
        bool write = k & 1, wp = k & 2, user = k & 4;
        uint64_t upper = (k & 8 ? W : 0) | (k & 16 ? U : 0), last = (k & 32 ? W : 0) | (k & 64 ? U : 0);
        uint64_t entry = 0x5000 | last | (k & 128 ? P : 0);
        struct guest_mode m = four(&entry, 1, user ? 3 : 0, wp);
        bool allowed = !user || (upper & last & U);
        struct walk w;

        put(0x3000, 0x4000 | P | upper, 8);
        if (write && (user || wp))
            allowed &= (upper & last & W) != 0;
        w.error = 99;
        assert_int_equal(guest_translate(&vm, &m, 0x123, write, &w), allowed && (k & 128));
        if (allowed && (k & 128))
            assert_int_equal(w.at.value, 0x5123);
        else
            assert_int_equal(w.error, (k & 128 ? 1 : 0) | (write ? 2 : 0) | (user ? 4 : 0));
    }
}

static void large_pages(void **unused)
{
    struct walk w;
    struct guest_mode m;

    (void)unused;
    /* 1 GiB, 2 MiB: bit 12 is the PAT's there, and bits above it the processor's business. */
    put(0x1000, 0x2000 | P, 8);
    put(0x2008, (UINT64_C(5) << 30) | BIT(12) | PS | P, 8);
    m = mode(FOUR, 0x1000, 0, false);
    assert_true(guest_translate(&vm, &m, GIB + 0x1234567, false, &w));
    assert_int_equal(w.at.value, (UINT64_C(5) << 30) + 0x1234567);
    put(0x1000, 0x2000 | P, 8);
    put(0x2000, 0x3000 | P, 8);
    put(0x3010, 0xa00000 | BIT(12) | PS | P | BIT(63), 8);
    assert_true(guest_translate(&vm, &m, 0x412345, false, &w));
    assert_int_equal(w.at.value, 0xa12345);
    /* PAE: bit 7 of a PDPTE means nothing, nor do its rights. */
    put(0x1020, 0x3000 | PS | P, 8);
    put(0x3010, 0xa00000 | PS | P | W | U, 8);
    m = mode(THREE, 0x1020, 3, true);
    assert_true(guest_translate(&vm, &m, 0x412345, true, &w));
    assert_int_equal(w.at.value, 0xa12345);
    /* 4 MiB, beyond 4 GiB by PSE-36; and without CR4.PSE the same entry is a table's. */
    put(0x1008, 0x00c00000 | 1u << 13 | PS | P, 4);
    m = mode(TWO_PSE, 0x1000, 0, false);
    assert_true(guest_translate(&vm, &m, 0xbfedcb, false, &w));
    assert_int_equal(w.at.value, HIGH + 0xffedcb);
    put(0x1008, 0x3000 | PS | P, 4);
    put(0x3004, 0x9000 | P, 4);
    m = mode(TWO, 0x1000, 0, false);
    put(0x1004, 0x3000 | PS | P, 4);
    assert_true(guest_translate(&vm, &m, 0x401abc, false, &w));
    assert_int_equal(w.at.value, 0x9abc);
}

/* Code that is not 64-bit has 32 bits of address, whatever is added up: the first byte is behind the end. */
static void addresses_wrap(void **unused)
{
    static const enum paging hows[] = {NONE, TWO, THREE, FOUR};
    uint8_t got[FETCH_SIZE];

    (void)unused;
    memset(fake_ram_at(&vm, 0), 0, 0x8000);
    memset(fake_ram_at(&vm, 0x5000), 0x90, PAGE_SIZE);
    memset(fake_ram_at(&vm, 0x100), 0x90, 0x20);
    for (unsigned i = 0; i < ARRAY_SIZE(hows); i++) {
        uint64_t first = 0x5000 | P | W | U;
        struct guest_mode m = hows[i] == FOUR ? four(&first, 1, 0, false) : mode(hows[i], 0x1000, 0, false);

        if (hows[i] == TWO)
            put(0x1000, 0x4000 | P, 4);
        if (hows[i] == THREE) {
            put(0x1000, 0x3000 | P, 8);
            put(0x3000, 0x4000 | P, 8);
        }
        put(0x4000, first, hows[i] == TWO ? 4 : 8);
        m.bits = 32;
        m.code_l = false;
        m.cs_base = 0xfffff000;
        m.rip = 0x1100;
        assert_int_equal(guest_fetch(&vm, &m, got), MAX_INSTRUCTION);
        assert_int_equal(got[0], 0x90);
        assert_int_equal(got[14], 0x90);
    }
}

/* Two pages that are not beside each other; the second one in turn there, absent and no RAM. */
static void page_crossings(void **unused)
{
    uint64_t entries[] = {0x5000 | P | W, 0x9000 | P | W};
    struct guest_mode m = four(entries, 2, 0, true);
    uint8_t in[8], bytes[FETCH_SIZE];

    (void)unused;
    memcpy(fake_ram_at(&vm, 0x5ffc), "abcd", 4);
    memcpy(fake_ram_at(&vm, 0x9000), "efghijklmnopqrst", 16);
    assert_true(guest_linear_read(&vcpu, &m, 0xffc, in, 8));
    assert_memory_equal(in, "abcdefgh", 8);
    m.rip = 0xffc;
    assert_int_equal(guest_fetch(&vm, &m, bytes), 15);
    assert_memory_equal(bytes, "abcdefghijklmno", 15);
    assert_true(guest_linear_write(&vcpu, &m, 0xffe, "1234", 4));
    assert_memory_equal(fake_ram_at(&vm, 0x5ffc), "ab12", 4);
    assert_memory_equal(fake_ram_at(&vm, 0x9000), "34gh", 4);
    assert_int_equal(*fake_ram_at(&vm, 0x6000), 0);

    put(0x4008, 0, 8);
    assert_false(guest_linear_read(&vcpu, &m, 0xffc, in, 8));
    assert_int_equal(EVENT_VECTOR(state.event), VECTOR_PF);
    assert_int_equal(state.event_error, 0);
    assert_int_equal(fake_cr2, 0x1000);
    assert_true(vcpu.due & DUE_EVENT);
    assert_int_equal(guest_fetch(&vm, &m, bytes), 4);
    state.event = 0;
    put(0x4008, 0x9000 | P, 8);
    assert_false(guest_linear_write(&vcpu, &m, 0xffe, "5678", 4));
    assert_int_equal(state.event_error, 3);
    assert_int_equal(fake_cr2, 0x1000);

    state.event = 0;
    put(0x4008, 0xd0000000 | P | W, 8);
    assert_true(guest_linear_read(&vcpu, &m, 0xffc, in, 8));
    assert_memory_equal(in + 4, "\xff\xff\xff\xff", 4);
    assert_true(guest_linear_write(&vcpu, &m, 0xffe, "5678", 4));
    assert_memory_equal(fake_ram_at(&vm, 0x5ffe), "56", 2);
    assert_int_equal(guest_fetch(&vm, &m, bytes), 4);
    assert_int_equal(state.event, 0);
}

static void a_fault_of_the_user(void **unused)
{
    uint64_t entries[] = {0x5000 | P | W, 0x9000 | P | U};
    struct guest_mode m = four(entries, 2, 3, false);
    uint32_t value = 7;

    (void)unused;
    assert_false(guest_linear_read(&vcpu, &m, 0x123, &value, 4));
    assert_int_equal(state.event_error, 5);
    assert_int_equal(fake_cr2, 0x123);
    state.event = 0;
    assert_true(guest_linear_read(&vcpu, &m, 0x1123, &value, 4));
    assert_false(guest_linear_write(&vcpu, &m, 0x1123, &value, 4));
    assert_int_equal(state.event_error, 7);
    assert_int_equal(fake_cr2, 0x1123);
}

/* --- core/vm/guest.c alone --- */

/* The edges of RAM, the hole and pieces: all or nothing. */
static void edges(void **unused)
{
    static const struct {
        uint64_t at, n;
        bool ram, one;
    } cases[] = {
        {0, 1, true, true},
        {PAGE_2M - 1, 2, true, true},      /* pieces beside each other, */
        {2 * PAGE_2M - 1, 2, true, false}, /* and not */
        {PAGE_2M, PAGE_2M, true, true},
        {PAGE_2M, PAGE_2M + 1, true, false},
        {3 * GIB - 8, 8, true, true},
        {3 * GIB - 8, 9, false, false},
        {3 * GIB, 1, false, false},
        {4 * GIB - 1, 1, false, false},
        {4 * GIB - 1, 2, false, false},
        {4 * GIB, 8, true, true},
        {4 * GIB + 16 * MIB - 8, 8, true, true},
        {4 * GIB + 16 * MIB - 8, 9, false, false},
        {4 * GIB + 16 * MIB, 1, false, false},
        {0, FAKE_RAM_MAX, false, false},
        {1, UINT64_MAX, false, false},
        {4096, UINT64_MAX - 4095, false, false},
        {UINT64_MAX, 1, false, false},
        {UINT64_MAX, 2, false, false},
        {UINT64_MAX - 7, 8, false, false},
    };
    static uint8_t buffer[PAGE_2M + 1];

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        void *expected = cases[i].one ? fake_ram_at(&vm, cases[i].at) : NULL;

        assert_ptr_equal(guest_map(&vm, gpa(cases[i].at), cases[i].n), expected);
        if (cases[i].ram && cases[i].n > sizeof(buffer))
            continue;
        assert_int_equal(guest_read(&vm, gpa(cases[i].at), buffer, cases[i].n), cases[i].ram);
        assert_int_equal(guest_write(&vm, gpa(cases[i].at), buffer, cases[i].n), cases[i].ram);
    }
    vm.memory = 4 * MIB;
    assert_true(guest_read(&vm, gpa(4 * MIB - 8), buffer, 8));
    assert_false(guest_read(&vm, gpa(4 * MIB - 7), buffer, 8));
    assert_null(guest_map(&vm, gpa(4 * GIB), 1));
    assert_null(guest_map(&vm, gpa(0), 0));
}

/* Bytes go where they belong, across two pieces that are far from each other. */
static void across_pieces(void **unused)
{
    uint8_t out[16] = "0123456789abcde", in[16];
    uint64_t at = 2 * PAGE_2M - 5;

    (void)unused;
    assert_true(guest_write(&vm, gpa(at), out, 16));
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(*fake_ram_at(&vm, at + i), out[i]);
    assert_true(guest_read(&vm, gpa(at), in, 16));
    assert_memory_equal(in, out, 16);
    assert_true(guest_read(&vm, gpa(at), in, 8));
    assert_memory_equal(in, out, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(edges, set_up),
        cmocka_unit_test_setup(across_pieces, set_up),
        cmocka_unit_test_setup(large_pages, set_up),
        cmocka_unit_test_setup(rights_and_error_codes, set_up),
        cmocka_unit_test_setup(page_crossings, set_up),
        cmocka_unit_test_setup(a_fault_of_the_user, set_up),
        cmocka_unit_test_setup(addresses_wrap, set_up),
        cmocka_unit_test_setup(random_tables, set_up),
        cmocka_unit_test_setup(kept_fetches, set_up),
    };

    return cmocka_run_group_tests(tests, create, NULL);
}
