/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An operand in device memory: where it is, and how it is read and written. What begins in one page and ends
 * in the next may be in RAM with one part, or in two devices: it is accessed byte by byte.
 */
#pragma once

#include "apic/vlapic.h"
#include "dev/bus.h"
#include "dev/decode.h"
#include "vcpu/state.h"
#include "vcpu/walk.h"

struct mmio_place {
    gpa_t at[2];    /* in its first page and in its second, */
    unsigned first; /* from this byte on, if it has so many */
};

/* Whether an operand of so many bytes, a part of which is at a guest-physical address, may have two pages. */
static inline bool mmio_may_cross(gpa_t at, unsigned size)
{
    return at.value % PAGE_SIZE == 0 || at.value % PAGE_SIZE + size > PAGE_SIZE;
}

bool mmio_crosses(const struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m);

/* Where a segment begins, as an address in it is computed. */
uint64_t mmio_segment_base(const struct vcpu *v, const struct guest_mode *m, unsigned segment);
uint64_t mmio_data_segment_base(const struct vcpu *v, unsigned segment); /* not CS, nor without a base */
static inline uint64_t mmio_masked(uint64_t value, unsigned bytes)
{
    return bytes == 8 ? value : value & (BIT(8 * bytes) - 1);
}

/* False: the guest may not do that, and has its #PF. Of an exit's operand the exit knows a part: `at`. */
bool mmio_find(struct vcpu *v, const struct guest_mode *m, uint64_t linear, unsigned size, bool write,
               struct mmio_place *out);
bool mmio_find_operand(struct vcpu *v, const struct guest_mode *m, const struct mmio_insn *insn, gpa_t at,
                       struct mmio_place *out);
/* A part of it is RAM that is closed (core/vm/guest.h): *at, which part. */
bool mmio_is_closed(const struct vcpu *v, const struct mmio_place *p, unsigned size, gpa_t *at);

/* n bytes, at most 8, from an offset in it. */
uint64_t mmio_read(struct vcpu *v, const struct mmio_place *p, unsigned offset, unsigned n);
void mmio_write(struct vcpu *v, const struct mmio_place *p, unsigned offset, unsigned n, uint64_t value);

static inline bool mmio_is_lapic(const struct vcpu *v, gpa_t at)
{
    return ALIGN_DOWN(at.value, PAGE_SIZE) == vlapic_base(v).value && vlapic_mmio_enabled(v);
}

/* Not the local APIC's, nor a device's that stays where it is. */
static inline uint64_t mmio_read_beside_slots(struct vcpu *v, gpa_t at, unsigned size)
{
    uint64_t value = UINT64_MAX >> (64 - 8 * size);

    if (!bus_window_read(v->vm->bus, at, size, &value))
        guest_read(v->vm, at, &value, size);
    return value;
}

static inline void mmio_write_beside_slots(struct vcpu *v, gpa_t at, unsigned size, uint64_t value)
{
    if (!bus_window_write(v->vm->bus, at, size, value))
        guest_write(v->vm, at, &value, size);
}

/* Within a page. Nearly always a device: what is RAM does not exit, but for the other end of a string
 * instruction. */
static inline uint64_t mmio_read_at(struct vcpu *v, gpa_t at, unsigned size)
{
    uint64_t value = 0;

    if (mmio_is_lapic(v, at))
        return vlapic_mmio_read_any(v, at.value % PAGE_SIZE, size);
    if (!bus_mmio_read(v->vm->bus, at, size, &value))
        guest_read(v->vm, at, &value, size);
    return value;
}

static inline void mmio_write_at(struct vcpu *v, gpa_t at, unsigned size, uint64_t value)
{
    if (mmio_is_lapic(v, at))
        vlapic_mmio_write_any(v, at.value % PAGE_SIZE, size, value);
    else if (!bus_mmio_write(v->vm->bus, at, size, value))
        guest_write(v->vm, at, &value, size);
}
