/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/mmio.h"
#include "arch/x86/cpu.h"
#include "sched/vm_run.h"
#include "vcpu/event.h"
#include "vcpu/mmio_access.h"
#include "vcpu/mmio_other.h"

/* Whether the operand begins where its page does. Drivers address by a register and a displacement. */
static INLINED bool begins_page(const struct vcpu *v, const struct decoded *d)
{
    uint64_t at = v->regs.by_number[d->insn.base] + (uint64_t)d->insn.displacement;

    if (d->bits != 64 || d->insn.segment >= SEGMENT_FS)
        at += mmio_data_segment_base(v, d->insn.segment);
    return at % PAGE_SIZE == 0;
}

/* Rarely more than a look at the address. False: it has two pages, or it takes a closer look. */
static INLINED bool within_page(const struct vcpu *v, const struct decoded *d, gpa_t at)
{
    uint64_t offset = at.value % PAGE_SIZE;

    return likely(offset - 1 < d->room) || (offset == 0 && d->simple && begins_page(v, d));
}

/* By another device than the last time, or none that stays where it is. */
static NOINLINE uint64_t read_other(struct vcpu *v, struct decoded *d, gpa_t at)
{
    const struct bus_slot *s = bus_find_memory(v->vm->bus, at, d->insn.size);

    if (!s)
        return mmio_read_beside_slots(v, at, d->insn.size);
    d->slot = s;
    return bus_slot_read(s, at, d->insn.size) & d->mask;
}

static NOINLINE void write_other(struct vcpu *v, struct decoded *d, gpa_t at, uint64_t value)
{
    const struct bus_slot *s = bus_find_memory(v->vm->bus, at, d->insn.size);

    if (!s) {
        mmio_write_beside_slots(v, at, d->insn.size, value);
        return;
    }
    d->slot = s;
    bus_slot_write(s, at, d->insn.size, value & d->mask);
}

static INLINED uint64_t plain_read(struct vcpu *v, struct decoded *d, gpa_t at)
{
    if (mmio_is_lapic(v, at))
        return vlapic_mmio_read_any(v, at.value % PAGE_SIZE, d->insn.size);
    if (likely(bus_slot_takes(d->slot, at, d->insn.size)))
        return bus_slot_read(d->slot, at, d->insn.size) & d->mask;
    return read_other(v, d, at);
}

static INLINED void plain_write(struct vcpu *v, struct decoded *d, gpa_t at, uint64_t value)
{
    if (mmio_is_lapic(v, at))
        vlapic_mmio_write_any(v, at.value % PAGE_SIZE, d->insn.size, value);
    else if (likely(bus_slot_takes(d->slot, at, d->insn.size)))
        bus_slot_write(d->slot, at, d->insn.size, value & d->mask);
    else
        write_other(v, d, at, value);
}

/* What drivers do. */
static INLINED enum next plain_move(struct vcpu *v, struct decoded *d, gpa_t at)
{
    if (d->move == PLAIN_LOAD)
        write_gpr(v, d->insn.reg, plain_read(v, d, at));
    else
        plain_write(v, d, at, d->move == PLAIN_STORE ? read_gpr(v, d->insn.reg) : (uint64_t)d->insn.imm);
    backend.skip(v, d->insn.length);
    return NEXT_RESUME;
}

/* All but strings and what has a second operand in memory. */
static void execute(struct vcpu *v, const struct mmio_insn *insn, uint64_t rflags, const struct mmio_place *p)
{
    unsigned other = insn->other == MMIO_NONE ? 0 : insn->other;
    struct mmio_operands in = {.reg = read_gpr(v, insn->reg), .other = read_gpr(v, other), .rflags = rflags};
    struct mmio_result r;

    if (insn->reads)
        in.memory = mmio_read(v, p, 0, insn->size);
    r = mmio_execute(insn, &in);
    if (r.write_memory)
        mmio_write(v, p, 0, insn->size, r.memory);
    if (r.write_reg)
        write_gpr(v, insn->reg, r.reg);
    if (r.write_other)
        v->regs.by_number[other] = r.other;
    if (r.rflags != rflags)
        backend.set(v, GUEST_RFLAGS, r.rflags);
}

static COLD enum next access(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m,
                             gpa_t at)
{
    struct mmio_place place;
    gpa_t closed;

    if (mmio_is_string(insn))
        return vcpu_mmio_string(v, insn, m);
    if (!mmio_find_operand(v, m, insn, at, &place))
        return NEXT_RESUME;
    if (insn->writes && mmio_is_closed(v, &place, insn->size, &closed))
        return vcpu_protected_write(v, closed);
    if (insn->op == MMIO_PUSH)
        return vcpu_mmio_push(v, insn, m, &place);
    if (insn->op == MMIO_POP)
        return vcpu_mmio_pop(v, insn, m, &place);
    if (insn->vector)
        vcpu_mmio_move_vector(v, insn, &place);
    else
        execute(v, insn, m->rflags, &place);
    return NEXT_SKIP_AND_RESUME;
}

COLD enum next vcpu_protected_write(struct vcpu *v, gpa_t at)
{
    vm_request_end(v->vm, VM_END_CRASH, "write to guest-physical %llx, which %s, rip %llx (vcpu %u)",
                   (unsigned long long)at.value,
                   guest_map(v->vm, at, 1) ? "the guest has protected" : "is read-only for guests",
                   (unsigned long long)backend.get(v, GUEST_RIP), v->id);
    return NEXT_LEAVE;
}

COLD enum next vcpu_memory_refused(struct vcpu *v, gpa_t at, const char *what)
{
    vm_request_end(v->vm, VM_END_CRASH, "%s at guest-physical %llx, which is no RAM, rip %llx (vcpu %u)",
                   what, (unsigned long long)at.value, (unsigned long long)backend.get(v, GUEST_RIP), v->id);
    return NEXT_LEAVE;
}

/* The processor leaves the instruction's length undefined here: the decoder knows it. */
static enum next skip_insn(struct vcpu *v, const struct mmio_insn *insn, enum next next)
{
    if (next != NEXT_SKIP_AND_RESUME)
        return next;
    backend.skip(v, insn->length);
    return NEXT_RESUME;
}

union fetched {
    uint8_t bytes[FETCH_SIZE];
    uint64_t words[2];
};

_Static_assert(sizeof(union fetched) == sizeof(((struct decoded *)NULL)->bytes) &&
                   !(DECODED_PLACES & (DECODED_PLACES - 1)),
               "are compared as a whole; a place is some bits of an address");

static enum plain_move move_of(const struct mmio_insn *insn)
{
    if (insn->swap || insn->vector || insn->high)
        return NO_PLAIN_MOVE;
    if (insn->op == MMIO_STORE)
        return insn->has_imm ? PLAIN_STORE_NUMBER : PLAIN_STORE;
    return insn->op == MMIO_LOAD && insn->reg_size >= 4 && !insn->sign_extend ? PLAIN_LOAD : NO_PLAIN_MOVE;
}

static void describe(struct decoded *d)
{
    const struct mmio_insn *insn = &d->insn;

    d->move = move_of(insn);
    d->simple = insn->index == MMIO_NONE && insn->base < 16 && insn->base != 4 && insn->segment != SEGMENT_CS;
    d->room = (uint32_t)PAGE_SIZE - insn->size;
    d->mask = insn->size >= 8 ? UINT64_MAX : BIT(8 * insn->size) - 1;
    d->slot = &bus_no_slot;
}

/* False: none that is emulated. */
static bool decode(struct decoded *d, const union fetched *f, unsigned count, unsigned bits)
{
    d->bits = 0;
    d->quick = false;
    if (!mmio_decode(f->bytes, count, bits, &d->insn)) {
        d->fetch.code = NULL;
        return false;
    }
    d->bytes[0] = f->words[0];
    d->bytes[1] = f->words[1];
    d->count = count;
    d->bits = bits;
    describe(d);
    return true;
}

static NOINLINE bool fetch(struct vcpu *v, const struct guest_mode *m, struct decoded *d)
{
    union fetched f = {.words = {0, 0}};
    unsigned count = guest_fetch_and_keep(v->vm, m, f.bytes, &d->fetch);

    d->rip = m->rip;
    backend.note_mode(v, &d->mode);
    if ((d->bytes[0] != f.words[0] || d->bytes[1] != f.words[1] || d->count != count || d->bits != m->bits) &&
        !decode(d, &f, count, m->bits))
        return false;
    d->quick = d->fetch.code && d->move != NO_PLAIN_MOVE;
    return true;
}

/* Drivers come back to the same few instructions: where the guest's tables lead to one is kept, and what it
 * was decoded to; both hold as long as what they were made of is the same. */
static INLINED bool is_known(const struct vcpu *v, const struct decoded *d, uint64_t rip)
{
    return d->rip == rip && backend.is_mode(v, &d->mode) && kept_fetch_holds(&d->fetch) &&
           d->bytes[0] == le64(d->fetch.code) && d->bytes[1] == le64(d->fetch.code + 8);
}

static NOINLINE enum next closer_look(struct vcpu *v, struct decoded *d, gpa_t at)
{
    struct guest_mode m;

    backend.get_mode(v, &m);
    if (!(d->fetch.code && is_known(v, d, m.rip)) && !fetch(v, &m, d)) {
        vcpu_inject(v, VECTOR_UD);
        return NEXT_RESUME;
    }
    if (d->move != NO_PLAIN_MOVE && (within_page(v, d, at) || !mmio_crosses(v, &d->insn, &m)))
        return plain_move(v, d, at);
    return skip_insn(v, &d->insn, access(v, &d->insn, &m, at));
}

enum next vcpu_device_memory(struct vcpu *v, gpa_t at, uint64_t rip)
{
    struct decoded *d = &state_of(v)->decoded[(rip ^ rip >> 3) & (DECODED_PLACES - 1)];

    __asm__("" : "+r"(d)); /* else the compiler makes it anew of its index for each use */
    if (likely(d->quick && is_known(v, d, rip) && within_page(v, d, at)))
        return plain_move(v, d, at);
    return closer_look(v, d, at);
}
