/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/second_level.h"

#include "core/base/machine.h"
#include "core/base/panic.h"
#include "hypercall/kvm.h"
#include "vcpu/guards.h"

/* Of an entry that maps a page, in either format. */
#define LEAF_FLAGS       (UINT64_C(0x7f) | PTE_NX)
#define LEAF_ADDRESS     UINT64_C(0x000ffffffffff000)
#define LEAF_SIZE(level) (UINT64_C(1) << (PAGE_SHIFT + 9 * ((level)-1)))
#define RAM_RIGHTS       (GUEST_MAY_READ | GUEST_MAY_WRITE | GUEST_MAY_EXECUTE)

static bool map_pages(struct second_level *s, uint64_t guest, uint64_t host, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        enum cache_type type = mtrr_page_type(&machine.mtrrs, host + done);

        if (!paging_map(&s->table, guest + done, host + done, PAGE_SIZE, s->leaf(RAM_RIGHTS, type)))
            return false;
    }
    return true;
}

/* One 2 MiB or 1 GiB piece: a large page if the MTRRs give all of it one type. */
static bool map_piece(struct second_level *s, uint64_t guest, uint64_t host, uint64_t size)
{
    enum cache_type type;

    ASSERT((size == PAGE_2M || size == PAGE_1G) && ((guest | host) & (size - 1)) == 0);
    if (!mtrr_range_type(&machine.mtrrs, host, size, &type))
        return map_pages(s, guest, host, size);
    return paging_map(&s->table, guest, host, size, s->leaf(RAM_RIGHTS, type));
}

/* True when the RAM at offset has a whole aligned GiB in one piece on both sides. */
static bool whole_gib(const struct vm *vm, uint64_t guest, uint64_t offset, uint64_t left)
{
    uint64_t chunk = offset / PAGE_2M;
    enum cache_type type;

    if (left < PAGE_1G || (guest | vm->ram[chunk].value) & (PAGE_1G - 1))
        return false;
    for (uint64_t i = 1; i < PAGE_1G / PAGE_2M; i++) {
        if (vm->ram[chunk + i].value != vm->ram[chunk].value + i * PAGE_2M)
            return false;
    }
    return mtrr_range_type(&machine.mtrrs, vm->ram[chunk].value, PAGE_1G, &type);
}

bool second_level_map_ram(struct vm *vm)
{
    struct second_level *s = vm->tables;
    struct guest_range ranges[GUEST_MAX_RANGES];
    unsigned count = guest_ranges(vm, ranges);
    uint64_t offset = 0;

    for (unsigned r = 0; r < count; r++) {
        for (uint64_t into = 0, step; into < ranges[r].size; into += step, offset += step) {
            uint64_t guest = ranges[r].base.value + into;

            step = s->table.max_leaf == 3 && whole_gib(vm, guest, offset, ranges[r].size - into) ? PAGE_1G
                                                                                                 : PAGE_2M;
            if (!map_piece(s, guest, vm->ram[offset / PAGE_2M].value, step))
                return false;
        }
    }
    return true;
}

/* In both views: where they share the table, it is the same entry twice. */
static bool set_range(struct second_level *s, uint64_t at, uint64_t to, uint64_t size, uint64_t flags)
{
    ASSERT(((at | to | size) & (PAGE_SIZE - 1)) == 0);
    return paging_map(&s->table, at, to, size, flags) &&
           (!s->view || paging_map(s->view, at, to, size, flags));
}

bool second_level_map_range(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights,
                            enum cache_type type)
{
    ASSERT(rights & GUEST_MAY_READ); /* else it is a misconfiguration, or not there */
    return set_range(vm->tables, at.value, to.value, size, vm->tables->leaf(rights, type));
}

bool second_level_unmap_range(struct vm *vm, gpa_t at, uint64_t size)
{
    if (!set_range(vm->tables, at.value, 0, size, 0))
        return false;
    second_level_changed(vm);
    return true;
}

/* By large pages, even where the guest's code has none (GUARD_SMALL_PAGES): nothing here is executed. All are
 * in one GiB, so that the tables are there from the first time on. */
static bool map_large(struct page_table t, uint64_t at, uint64_t to, uint64_t size, uint64_t flags)
{
    t.max_leaf = 2;
    return paging_map(&t, at, to, size, flags);
}

_Static_assert(GUEST_WINDOWS / PAGE_1G == (GUEST_WINDOWS_END - 1) / PAGE_1G, "one table of large pages");

bool second_level_map_window(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights)
{
    struct second_level *s = vm->tables;
    uint64_t flags = rights ? s->leaf(GUEST_MAY_READ | (rights & GUEST_MAY_WRITE), CACHE_WB) : 0;
    bool done;

    ASSERT(((at.value | to.value | size) & (PAGE_2M - 1)) == 0);
    ASSERT(at.value >= GUEST_WINDOWS && at.value + size <= GUEST_WINDOWS_END);
    done = map_large(s->table, at.value, to.value, size, flags) &&
           (!s->view || map_large(*s->view, at.value, to.value, size, flags));
    if (!rights)
        second_level_tell(vm);
    return done;
}

/* --- what the guest closes --- */

/* Gives the leaf that maps at write access, or takes it; returns the leaf's size. */
static uint64_t set_writable(struct second_level *s, uint64_t at, bool writable)
{
    unsigned level = 0;
    uint64_t entry = paging_lookup(&s->table, at, &level), flags = entry & LEAF_FLAGS & ~s->writable;

    paging_map(&s->table, at, entry & LEAF_ADDRESS, LEAF_SIZE(level), flags | (writable ? s->writable : 0));
    return LEAF_SIZE(level);
}

/* Whole pages of the tables only: to split one, memory would have to be allocated. */
static bool is_whole(const struct vm *vm, uint64_t at, uint64_t size)
{
    for (uint64_t step; size; at += step, size -= step) {
        unsigned level = 0;

        if (!guest_map(vm, gpa(at), 1) || !paging_lookup(&vm->tables->table, at, &level) || level > 2)
            return false;
        step = level == 2 ? PAGE_2M : PAGE_SIZE;
        if (at % step || size < step)
            return false;
    }
    return true;
}

/* vm->is_closed. All of it is RAM, which both views map by the same entries. */
static COLD bool any_closed(const struct vm *vm, gpa_t at, size_t n)
{
    const struct second_level *s = vm->tables;

    for (uint64_t place = at.value; place < at.value + n;) {
        unsigned level = 0;
        uint64_t entry = paging_lookup(&s->table, place, &level);

        if (!(entry & s->writable))
            return true;
        place = ALIGN_DOWN(place, LEAF_SIZE(level)) + LEAF_SIZE(level);
    }
    return false;
}

static bool close_range(struct vm *vm, gpa_t at, uint64_t size)
{
    bool free;

    spin_lock(&vm->sharing);
    free = !kvm_writes_to(vm, at, size);
    if (free) {
        __atomic_store_n(&vm->is_closed, any_closed, __ATOMIC_RELEASE);
        for (uint64_t done = 0; done < size;)
            done += set_writable(vm->tables, at.value + done, false);
    }
    spin_unlock(&vm->sharing);
    return free;
}

enum call_result second_level_protect(struct vm *vm, gpa_t at, uint64_t size)
{
    if (!size || size > vm->memory ||
        ((vm->guards & GUARD_SMALL_PAGES) && (at.value | size) & (PAGE_2M - 1)) || /* as with large ones */
        !is_whole(vm, at.value, size))
        return CALL_INVALID;
    if (!close_range(vm, at, size))
        return CALL_BUSY;
    second_level_changed(vm);
    return CALL_DONE;
}

void second_level_unprotect(struct vm *vm)
{
    struct guest_range ranges[GUEST_MAX_RANGES];

    if (!vm->is_closed)
        return;
    for (unsigned i = guest_ranges(vm, ranges); i-- > 0;) {
        for (uint64_t into = 0; into < ranges[i].size;)
            into += set_writable(vm->tables, ranges[i].base.value + into, true);
    }
    vm->is_closed = NULL;
    second_level_new_generation(vm->tables);
}

void second_level_flush_counts(const struct vm *vm, uint64_t *flushes, uint64_t *ipis)
{
    *flushes = vm->tables->flushes;
    *ipis = vm->tables->ipis;
}
