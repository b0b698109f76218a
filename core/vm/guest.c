/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/guest.h"

#include "arch/x86/layout.h"
#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "core/vm/vm.h"

_Static_assert(GUEST_HOLE % PAGE_2M == 0, "no piece of RAM lies on both sides");
_Static_assert(GUEST_STATISTICS >= GUEST_HOLE && GUEST_CHANNELS < GUEST_HOLE_END, "beside the RAM");

unsigned guest_ranges(const struct vm *vm, struct guest_range ranges[GUEST_MAX_RANGES])
{
    ranges[0] = (struct guest_range){gpa(0), MIN(vm->memory, GUEST_HOLE)};
    if (vm->memory <= GUEST_HOLE)
        return 1;
    ranges[1] = (struct guest_range){gpa(GUEST_HOLE_END), vm->memory - GUEST_HOLE};
    return 2;
}

/* Device registers: what most accesses outside of RAM are for. */
static bool in_hole(gpa_t at)
{
    return at.value >= GUEST_HOLE && at.value < GUEST_HOLE_END;
}

/* Offset of a guest address into its RAM, when n bytes from there are RAM without a hole. */
static bool ram_offset(const struct vm *vm, gpa_t at, uint64_t n, uint64_t *offset)
{
    struct guest_range ranges[GUEST_MAX_RANGES];
    unsigned count;
    uint64_t before = 0;

    if (in_hole(at))
        return false;
    count = guest_ranges(vm, ranges);
    for (unsigned i = 0; i < count; i++) {
        uint64_t into = at.value - ranges[i].base.value;

        if (at.value >= ranges[i].base.value && into < ranges[i].size && n <= ranges[i].size - into) {
            *offset = before + into;
            return true;
        }
        before += ranges[i].size;
    }
    return false;
}

/* What is read there may be the guest's tables, which lead on. */
static uint8_t *ram_pointer(const struct vm *vm, uint64_t offset)
{
    offset = index_nospec(offset, vm->memory);
    return (uint8_t *)phys_to_virt(vm->ram[offset / PAGE_2M]) + offset % PAGE_2M;
}

/* Nearly every access: n bytes within one piece of RAM. NULL: look closer. */
static INLINED uint8_t *one_piece(const struct vm *vm, gpa_t at, size_t n)
{
    uint64_t offset = at.value;

    if (unlikely(n > PAGE_2M) || offset >= GUEST_HOLE || offset + n > vm->memory || offset + n > GUEST_HOLE)
        return NULL;
    return offset % PAGE_2M + n <= PAGE_2M ? ram_pointer(vm, offset) : NULL;
}

bool guest_is_ram(const struct vm *vm, gpa_t at, uint64_t n)
{
    uint64_t offset;

    return n && (one_piece(vm, at, n) || ram_offset(vm, at, n, &offset));
}

void *guest_map(const struct vm *vm, gpa_t at, size_t n)
{
    uint64_t offset;

    if (!n)
        return NULL;
    if (one_piece(vm, at, n))
        return one_piece(vm, at, n);
    if (!ram_offset(vm, at, n, &offset))
        return NULL;
    for (uint64_t o = offset; o / PAGE_2M < (offset + n - 1) / PAGE_2M; o += PAGE_2M) {
        if (vm->ram[o / PAGE_2M + 1].value != vm->ram[o / PAGE_2M].value + PAGE_2M)
            return NULL;
    }
    return ram_pointer(vm, offset);
}

/* Of RAM. Nearly no VM has anything closed. */
static inline bool closed_in_ram(const struct vm *vm, gpa_t at, size_t n)
{
    bool (*asked)(const struct vm *, gpa_t, size_t) = __atomic_load_n(&vm->is_closed, __ATOMIC_ACQUIRE);

    return unlikely(asked != NULL) && asked(vm, at, n);
}

bool guest_is_closed(const struct vm *vm, gpa_t at, size_t n)
{
    uint64_t offset;

    return n && ram_offset(vm, at, n, &offset) && closed_in_ram(vm, at, n);
}

void *guest_map_open(const struct vm *vm, gpa_t at, size_t n)
{
    void *there = guest_map(vm, at, n);

    return there && !closed_in_ram(vm, at, n) ? there : NULL;
}

static NOINLINE bool read_pieces(const struct vm *vm, gpa_t from, void *to, size_t n)
{
    uint64_t offset;

    if (!ram_offset(vm, from, n, &offset))
        return false;
    for (size_t step; n; n -= step, offset += step, to = (uint8_t *)to + step) {
        step = MIN(n, PAGE_2M - offset % PAGE_2M);
        memcpy(to, ram_pointer(vm, offset), step);
    }
    return true;
}

bool guest_read(const struct vm *vm, gpa_t from, void *to, size_t n)
{
    const uint8_t *piece = one_piece(vm, from, n);

    if (piece && n == 8) {
        store_le(to, load_le(piece, 8), 8);
        return true;
    }
    return !in_hole(from) && read_pieces(vm, from, to, n);
}

bool guest_write(struct vm *vm, gpa_t to, const void *from, size_t n)
{
    uint8_t *piece = n ? one_piece(vm, to, n) : NULL;
    uint64_t offset;

    if ((!piece && !ram_offset(vm, to, n, &offset)) || closed_in_ram(vm, to, n))
        return false;
    if (likely(piece != NULL)) {
        memcpy(piece, from, n);
        return true;
    }
    for (size_t step; n; n -= step, offset += step, from = (const uint8_t *)from + step) {
        step = MIN(n, PAGE_2M - offset % PAGE_2M);
        memcpy(ram_pointer(vm, offset), from, step);
    }
    return true;
}
