/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a guest's memory, its mode and addresses: whatever its page tables and numbers say, nothing
 * outside its RAM is touched (places without access lie between the pieces), and what is read, written and
 * fetched is what guest_map() shows.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_ram.h"

#include "core/vm/guest.c"
#include "vcpu/event.c"
#include "vcpu/walk.c"

#include <string.h>

#define LOW_MEMORY (2 * PAGE_SIZE) /* where the input goes */
#define MAX_COPY   64u

static struct vcpu_state state;
static struct vm vm = {.memory = FAKE_RAM_MAX, .ram = fake_pieces};
static struct vcpu vcpu = {.vm = &vm, .backend = &state};
static bool created;

static uint64_t get_register(const struct vcpu *v UNUSED, enum guest_register which UNUSED)
{
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
    __builtin_trap(); /* a single #PF ends nobody */
}

/* The input begins with it. */
struct PACKED head {
    uint8_t paging, flags, n, large;
    uint64_t cr3, linear, at, size;
};

static struct guest_mode mode_of(const struct head *h)
{
    static const uint64_t cr4s[] = {0, 0, CR4_PSE, CR4_PAE, CR4_PAE, CR4_PAE | CR4_LA57};
    unsigned how = h->paging % ARRAY_SIZE(cr4s);
    bool is_64 = how >= 4 && !(h->flags & 16);

    return (struct guest_mode){.cr0 = (how ? CR0_PG : 0) | (h->flags & 4 ? CR0_WP : 0),
                               .cr3 = h->cr3,
                               .cr4 = cr4s[how],
                               .efer = how >= 4 ? EFER_LMA : 0,
                               .rip = h->linear,
                               .cs_base = h->flags & 8 ? h->at : 0,
                               .bits = is_64 ? 64 : 32,
                               .code_l = is_64,
                               .cpl = h->flags & 3};
}

/* --- guest-physical --- */

static bool is_ram(uint64_t at, uint64_t n)
{
    uint64_t end = at < 3 * GIB ? 3 * GIB : FAKE_RAM_MAX + GIB;

    return fake_ram_at(&vm, at) && n <= end - at;
}

static void maps(uint64_t at, uint64_t n)
{
    uint8_t *p = guest_map(&vm, gpa(at), n);

    MUST(!p || (n && is_ram(at, n) && p == fake_ram_at(&vm, at)));
    MUST(!p || p + n - 1 == fake_ram_at(&vm, at + n - 1));
    MUST(p || n != 1 || !is_ram(at, 1));
}

/* A size that does not fit must be refused before anything is copied: the buffers are small. */
static void copies(uint64_t at, uint64_t n)
{
    uint8_t old[MAX_COPY], got[MAX_COPY], new[MAX_COPY];
    bool ram = is_ram(at, n);

    if (ram && n > MAX_COPY)
        n = MAX_COPY;
    MUST(guest_read(&vm, gpa(at), old, n) == ram);
    memset(new, 0xa5, sizeof(new));
    MUST(guest_write(&vm, gpa(at), new, n) == ram);
    if (!ram)
        return;
    MUST(guest_read(&vm, gpa(at), got, n) && !memcmp(got, new, n));
    for (uint64_t i = 0; i < n; i++)
        MUST(*fake_ram_at(&vm, at + i) == 0xa5);
    MUST(guest_write(&vm, gpa(at), old, n));
}

/* --- linear --- */

static const uint8_t *byte_at(const struct guest_mode *m, uint64_t linear, bool write, bool *there)
{
    struct walk w;

    *there = guest_translate(&vm, m, linear, write, &w);
    MUST(*there || !(w.error & ~7u));
    return *there ? guest_map(&vm, w.at, 1) : NULL;
}

static bool faulted(uint64_t linear, uint64_t n)
{
    bool event = state.event != 0;

    MUST(!event || (EVENT_VECTOR(state.event) == VECTOR_PF && fake_cr2 - linear < n));
    state.event = 0;
    return event;
}

static void reads(const struct guest_mode *m, uint64_t linear, unsigned n)
{
    uint8_t got[MAX_COPY];
    bool first, done;

    byte_at(m, linear, false, &first);
    done = guest_linear_read(&vcpu, m, linear, got, n);
    MUST(first || !done);
    MUST(faulted(linear, n) == !done);
    for (unsigned i = 0; i < n && done; i++) {
        bool there;
        const uint8_t *p = byte_at(m, linear + i, false, &there);

        MUST(there && got[i] == (p ? *p : 0xff));
    }
}

/* Within a page: the bytes in front of a crossing may be an entry of what is behind it. */
static void writes(const struct guest_mode *m, uint64_t linear, unsigned n)
{
    uint8_t old[16], new[16];
    struct walk w;
    bool there = guest_translate(&vm, m, linear, true, &w), ram;

    n = (unsigned)MIN(n, PAGE_SIZE - linear % PAGE_SIZE);
    memset(new, 0x5a, sizeof(new));
    ram = there && guest_read(&vm, w.at, old, n);
    MUST(guest_linear_write(&vcpu, m, linear, new, n) == there);
    MUST(faulted(linear, n) == !there);
    if (!ram)
        return;
    MUST(!memcmp(guest_map(&vm, w.at, n), new, n));
    MUST(guest_write(&vm, w.at, old, n));
}

static void fetches(const struct guest_mode *m)
{
    uint64_t linear = m->bits == 64 ? m->rip : (uint32_t)(m->rip + m->cs_base);
    uint8_t bytes[FETCH_SIZE];
    unsigned n = guest_fetch(&vm, m, bytes);
    uint8_t kept[FETCH_SIZE];
    struct kept_fetch k;

    MUST(n <= MAX_INSTRUCTION);
    MUST(guest_fetch_and_keep(&vm, m, kept, &k) == n && !memcmp(kept, bytes, n));
    MUST(!k.code || (kept_fetch_holds(&k) && !memcmp(k.code, bytes, n)));
    for (unsigned i = 0; i < n; i++) {
        bool there;
        const uint8_t *p = byte_at(m, linear + i, false, &there);

        MUST(p && bytes[i] == *p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *low;
    struct guest_mode m;
    struct head h;

    if (size < sizeof(h))
        return 0;
    if (!created)
        MUST(fake_ram_create());
    created = true;
    memcpy(&h, data, sizeof(h));
    low = fake_ram_at(&vm, 0);
    memset(low, 0, LOW_MEMORY);
    memcpy(low, data + sizeof(h), MIN(size - sizeof(h), LOW_MEMORY));
    m = mode_of(&h);
    maps(h.at, h.large ? h.size : h.n);
    copies(h.at, h.large ? h.size : h.n % (MAX_COPY + 1));
    reads(&m, h.linear, 1 + h.n % MAX_COPY);
    writes(&m, h.linear, 1 + h.n % 16);
    fetches(&m);
    return 0;
}
