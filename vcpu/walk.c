/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own paging, walked by software, for the few exits that must look through guest pointers. */
#include "vcpu/walk.h"
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"
#include "vcpu/event.h"

#define ENTRY_P     BIT(0)
#define ENTRY_W     BIT(1)
#define ENTRY_U     BIT(2)
#define ENTRY_LARGE BIT(7)
#define PSE_36      UINT64_C(0x001fe000)
#define ERROR_P     1u
#define ERROR_W     2u
#define ERROR_U     4u
#define ADDRESS_64  UINT64_C(0x000ffffffffff000)
#define ADDRESS_32  UINT64_C(0xfffff000)

_Static_assert(PSE_36 << 19 == UINT64_C(0xff) << 32, "the upper bits of a page of 4 MiB");

struct format {
    unsigned levels, bits, entry_size; /* bits: of index per level */
    uint64_t address;
};

static struct format guest_format(uint64_t cr4, uint64_t efer)
{
    if (efer & EFER_LMA)
        return (struct format){cr4 & CR4_LA57 ? 5 : 4, 9, 8, ADDRESS_64};
    if (cr4 & CR4_PAE)
        return (struct format){3, 9, 8, ADDRESS_64};
    return (struct format){2, 10, 4, ADDRESS_32};
}

static bool large_allowed(const struct format *f, unsigned level, uint64_t cr4)
{
    if (level == 1)
        return false;
    return f->entry_size == 8 ? level <= 3 && f->levels + 1 > level : (cr4 & CR4_PSE) != 0;
}

/* An entry, and for who keeps it the 64 bits that it lies in: read once, so that both are of one moment. */
static INLINED bool read_entry(const struct vm *vm, uint64_t at, unsigned size, uint64_t *entry,
                               struct kept_fetch *k, unsigned level)
{
    const uint64_t *place;

    if (!k)
        return guest_read(vm, gpa(at), entry, size);
    place = guest_map(vm, gpa(ALIGN_DOWN(at, sizeof(*place))), sizeof(*place));
    if (!place)
        return false;
    k->place[level - 1] = place;
    k->value[level - 1] = __atomic_load_n(place, __ATOMIC_RELAXED);
    *entry = size == sizeof(*place) ? k->value[level - 1]
                                    : load_le((const uint8_t *)&k->value[level - 1] + at % sizeof(*place), 4);
    return true;
}

static INLINED bool translate(const struct vm *vm, const struct guest_mode *m, uint64_t linear, bool write,
                              struct walk *out, struct kept_fetch *k)
{
    uint64_t rights = ENTRY_W | ENTRY_U, table = m->cr3;
    bool user = m->cpl == 3;
    struct format f;

    if (!(m->cr0 & CR0_PG)) {
        out->at = gpa(linear & UINT32_MAX);
        return true;
    }
    f = guest_format(m->cr4, m->efer);
    out->error = (write ? ERROR_W : 0) | (user ? ERROR_U : 0);
    if (f.levels <= 3)
        linear = (uint32_t)linear;
    table &= f.levels == 3 ? UINT64_C(0xffffffe0) : f.address;
    for (unsigned level = f.levels; level > 0; level--) {
        unsigned shift = PAGE_SHIFT + f.bits * (level - 1);
        uint64_t index = linear >> shift & (BIT(f.bits) - 1), entry = 0, size = BIT(shift);
        bool pdpte = f.levels == 3 && level == 3;

        if (!read_entry(vm, table + index * f.entry_size, f.entry_size, &entry, k, level) ||
            !(entry & ENTRY_P))
            return false;
        if (!pdpte)
            rights &= entry;
        if (level == 1 || (!pdpte && (entry & ENTRY_LARGE) && large_allowed(&f, level, m->cr4))) {
            out->error |= ERROR_P;
            if ((user && !(rights & ENTRY_U)) ||
                (write && !(rights & ENTRY_W) && (user || (m->cr0 & CR0_WP))))
                return false;
            out->at = gpa((entry & f.address & ~(size - 1)) | (linear & (size - 1)));
            if (f.entry_size == 4 && level == 2)
                out->at.value |= (entry & PSE_36) << 19; /* bits 20:13 are 39:32 */
            return true;
        }
        table = entry & f.address;
    }
    return false;
}

bool guest_translate(const struct vm *vm, const struct guest_mode *m, uint64_t linear, bool write,
                     struct walk *out)
{
    return translate(vm, m, linear, write, out, NULL);
}

bool guest_find(struct vcpu *v, const struct guest_mode *m, uint64_t linear, bool write, gpa_t *at)
{
    struct walk w;
    bool found = guest_translate(v->vm, m, linear, write, &w);

    if (found)
        *at = w.at;
    else
        vcpu_inject_page_fault(v, linear, w.error);
    return found;
}

bool guest_linear_writable(struct vcpu *v, const struct guest_mode *m, uint64_t linear, size_t n)
{
    uint64_t second = ALIGN_DOWN(linear + n - 1, PAGE_SIZE);
    gpa_t at;

    return guest_find(v, m, linear, true, &at) && (linear >= second || guest_find(v, m, second, true, &at));
}

bool guest_linear_closed(const struct vcpu *v, const struct guest_mode *m, uint64_t linear, size_t n,
                         gpa_t *at)
{
    size_t first = MIN(n, PAGE_SIZE - linear % PAGE_SIZE);
    struct walk w;

    if (likely(!v->vm->is_closed))
        return false;
    for (size_t done = 0, step = first; done < n; done += step, step = n - first) {
        if (!guest_translate(v->vm, m, linear + done, true, &w) || !guest_is_closed(v->vm, w.at, step))
            continue;
        *at = w.at;
        return true;
    }
    return false;
}

static bool copy_linear(struct vcpu *v, const struct guest_mode *m, uint64_t linear, uint8_t *buffer,
                        size_t n, bool write)
{
    while (n) {
        size_t step = MIN(n, PAGE_SIZE - linear % PAGE_SIZE);
        gpa_t at;

        if (!guest_find(v, m, linear, write, &at))
            return false;
        /* Memory that is not RAM reads as all ones and ignores writes; so does what a mate closes meanwhile.
         */
        if (write)
            guest_write(v->vm, at, buffer, step);
        else if (!guest_read(v->vm, at, buffer, step))
            memset(buffer, 0xff, step);
        linear += step;
        buffer += step;
        n -= step;
    }
    return true;
}

bool guest_linear_read(struct vcpu *v, const struct guest_mode *m, uint64_t linear, void *to, size_t n)
{
    return copy_linear(v, m, linear, to, n, false);
}

bool guest_linear_write(struct vcpu *v, const struct guest_mode *m, uint64_t linear, const void *from,
                        size_t n)
{
    uint8_t buffer[16]; /* callers move one item at a time */

    if (n > sizeof(buffer) || (linear % PAGE_SIZE + n > PAGE_SIZE && !guest_linear_writable(v, m, linear, n)))
        return false;
    memcpy(buffer, from, n);
    return copy_linear(v, m, linear, buffer, n, true);
}

/* The instruction may end right before a page that is not there; and another vCPU may be writing to it. */
INLINED unsigned guest_fetch(const struct vm *vm, const struct guest_mode *m, uint8_t bytes[FETCH_SIZE])
{
    uint64_t linear = guest_fetch_from(m);
    const uint8_t *from;
    unsigned got = 0;
    struct walk w;

    if (!guest_translate(vm, m, linear, false, &w))
        return 0;
    if (linear % PAGE_SIZE <= PAGE_SIZE - FETCH_SIZE) {
        from = guest_map(vm, w.at, FETCH_SIZE);
        if (!from)
            return 0;
        store_le(bytes, load_le(from, 8), 8);
        store_le(bytes + 8, load_le(from + 8, 8), 8);
        return MAX_INSTRUCTION;
    }
    while (got < MAX_INSTRUCTION) {
        unsigned step = (unsigned)MIN(MAX_INSTRUCTION - got, PAGE_SIZE - (linear + got) % PAGE_SIZE);

        if (!guest_translate(vm, m, linear + got, false, &w) || !guest_read(vm, w.at, bytes + got, step))
            break;
        got += step;
    }
    return got;
}

/* Levels that the guest's paging does not have: a word that is always the same. */
static void keep_nothing(struct kept_fetch *k)
{
    static const uint64_t none;

    k->code = NULL;
    for (unsigned i = 0; i < WALK_LEVELS; i++) {
        k->place[i] = &none;
        k->value[i] = none;
    }
}

unsigned guest_fetch_and_keep(const struct vm *vm, const struct guest_mode *m, uint8_t bytes[FETCH_SIZE],
                              struct kept_fetch *k)
{
    uint64_t linear = guest_fetch_from(m);
    struct walk w;

    keep_nothing(k);
    if (linear % PAGE_SIZE > PAGE_SIZE - FETCH_SIZE)
        return guest_fetch(vm, m, bytes);
    if (translate(vm, m, linear, false, &w, k))
        k->code = guest_map(vm, w.at, FETCH_SIZE);
    if (!k->code)
        return 0;
    store_le(bytes, load_le(k->code, 8), 8);
    store_le(bytes + 8, load_le(k->code + 8, 8), 8);
    return MAX_INSTRUCTION;
}

/* What one page holds from linear on; 0: nothing is mapped there, or it is no RAM. */
static size_t peek_page(const struct vm *vm, const struct guest_mode *m, uint64_t linear, void *to, size_t n)
{
    struct walk w;

    n = MIN(n, PAGE_SIZE - linear % PAGE_SIZE);
    return guest_translate(vm, m, linear, false, &w) && guest_read(vm, w.at, to, n) ? n : 0;
}

COLD size_t guest_linear_peek(const struct vm *vm, const struct guest_mode *m, uint64_t linear, void *to,
                              size_t n)
{
    size_t done = 0, step;

    while (done < n && (step = peek_page(vm, m, linear + done, (uint8_t *)to + done, n - done)))
        done += step;
    return done;
}
