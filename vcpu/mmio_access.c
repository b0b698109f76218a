/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/mmio_access.h"
#include "core/base/panic.h"

uint64_t mmio_data_segment_base(const struct vcpu *v, unsigned segment)
{
    static const enum guest_register bases[] = {[SEGMENT_ES] = GUEST_ES_BASE,
                                                [SEGMENT_SS] = GUEST_SS_BASE,
                                                [SEGMENT_DS] = GUEST_DS_BASE,
                                                [SEGMENT_FS] = GUEST_FS_BASE,
                                                [SEGMENT_GS] = GUEST_GS_BASE};

    ASSERT(segment <= SEGMENT_GS && segment != SEGMENT_CS);
    return backend.get(v, bases[segment]);
}

uint64_t mmio_segment_base(const struct vcpu *v, const struct guest_mode *m, unsigned segment)
{
    if (m->bits == 64 && segment < SEGMENT_FS)
        return 0;
    return segment == SEGMENT_CS ? m->cs_base : mmio_data_segment_base(v, segment);
}

/* BT and its kin with a register: the bit may lie anywhere before or behind the address. */
static uint64_t bit_distance(const struct vcpu *v, const struct mmio_insn *insn)
{
    unsigned unused = 64 - 8 * insn->size, shift = insn->size == 8 ? 6 : insn->size == 4 ? 5 : 4;

    if (insn->op < MMIO_BT || insn->op > MMIO_BTC || insn->has_imm)
        return 0;
    return (uint64_t)(((int64_t)(read_gpr(v, insn->reg) << unused) >> unused >> shift) * insn->size);
}

static uint64_t base_of(const struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m)
{
    if (insn->base == MMIO_NONE)
        return 0;
    if (insn->base == MMIO_RIP)
        return m->rip + insn->length;
    /* POP computes its address with the stack pointer behind what is popped. */
    return read_gpr(v, insn->base) + (insn->op == MMIO_POP && insn->base == 4 ? insn->size : 0);
}

static uint64_t linear_of(const struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m)
{
    uint64_t at = (uint64_t)insn->displacement + base_of(v, insn, m) + bit_distance(v, insn);

    if (insn->index != MMIO_NONE)
        at += read_gpr(v, insn->index) << insn->scale;
    at = mmio_masked(at, insn->address_size) + mmio_segment_base(v, m, insn->segment);
    return m->bits == 64 ? at : (uint32_t)at;
}

bool mmio_crosses(const struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m)
{
    return linear_of(v, insn, m) % PAGE_SIZE + insn->size > PAGE_SIZE;
}

bool mmio_find(struct vcpu *v, const struct guest_mode *m, uint64_t linear, unsigned size, bool write,
               struct mmio_place *out)
{
    uint64_t second = linear + (PAGE_SIZE - linear % PAGE_SIZE);

    out->first = (unsigned)MIN(size, PAGE_SIZE - linear % PAGE_SIZE);
    if (!guest_find(v, m, linear, write, &out->at[0]))
        return false;
    return out->first == size ||
           guest_find(v, m, m->bits == 64 ? second : (uint32_t)second, write, &out->at[1]);
}

bool mmio_find_operand(struct vcpu *v, const struct guest_mode *m, const struct mmio_insn *insn, gpa_t at,
                       struct mmio_place *out)
{
    *out = (struct mmio_place){.at = {at}, .first = insn->size};
    if (likely(!mmio_may_cross(at, insn->size)) || !mmio_crosses(v, insn, m))
        return true;
    return mmio_find(v, m, linear_of(v, insn, m), insn->size, insn->writes, out);
}

bool mmio_is_closed(const struct vcpu *v, const struct mmio_place *p, unsigned size, gpa_t *at)
{
    *at = p->at[0];
    if (guest_is_closed(v->vm, p->at[0], MIN(p->first, size)))
        return true;
    *at = p->at[1];
    return size > p->first && guest_is_closed(v->vm, p->at[1], size - p->first);
}

static gpa_t byte_at(const struct mmio_place *p, unsigned offset)
{
    return offset < p->first ? gpa(p->at[0].value + offset) : gpa(p->at[1].value + offset - p->first);
}

static bool in_one_page(const struct mmio_place *p, unsigned offset, unsigned n)
{
    return offset >= p->first || offset + n <= p->first;
}

uint64_t mmio_read(struct vcpu *v, const struct mmio_place *p, unsigned offset, unsigned n)
{
    uint64_t value = 0;

    ASSERT(n > 0 && n <= 8);
    if (in_one_page(p, offset, n))
        return mmio_read_at(v, byte_at(p, offset), n);
    for (unsigned i = 0; i < n; i++)
        value |= (mmio_read_at(v, byte_at(p, offset + i), 1) & 0xff) << 8 * i;
    return value;
}

void mmio_write(struct vcpu *v, const struct mmio_place *p, unsigned offset, unsigned n, uint64_t value)
{
    ASSERT(n > 0 && n <= 8);
    if (in_one_page(p, offset, n)) {
        mmio_write_at(v, byte_at(p, offset), n, value);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        mmio_write_at(v, byte_at(p, offset + i), 1, value >> 8 * i & 0xff);
}
