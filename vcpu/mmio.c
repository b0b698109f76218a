/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/mmio.h"
#include "arch/x86/cpu.h"
#include "sched/vm_run.h"
#include "vcpu/event.h"
#include "vcpu/mmio_access.h"
#include "vcpu/mmio_other.h"

/* Whether the operand begins in the page before. Drivers address by a register and a displacement. */
static inline bool begins_before(const struct vcpu *v, const struct mmio_insn *insn,
                                 const struct guest_mode *m)
{
    uint64_t at;

    if (unlikely(insn->index != MMIO_NONE || insn->base >= 16 || insn->base == 4 ||
                 (insn->op != MMIO_LOAD && insn->op != MMIO_STORE)))
        return mmio_crosses(v, insn, m);
    at = v->regs.by_number[insn->base] + (uint64_t)insn->displacement;
    if (m->bits != 64 || insn->segment >= SEGMENT_FS)
        at += mmio_segment_base(v, m, insn->segment);
    return at % PAGE_SIZE != 0;
}

/* Rarely more than a look at the address. */
static inline bool in_two_pages(const struct vcpu *v, const struct mmio_insn *insn,
                                const struct guest_mode *m, gpa_t at)
{
    uint64_t offset = at.value % PAGE_SIZE;

    return offset + insn->size > PAGE_SIZE || (offset == 0 && begins_before(v, insn, m));
}

/* What drivers do: MOV, and MOVZX, which flags and the rest of the register have no part in. */
static bool plain_move(struct vcpu *v, const struct mmio_insn *insn, gpa_t at)
{
    if (insn->swap || insn->vector || insn->high)
        return false;
    if (insn->op == MMIO_STORE)
        mmio_write_at(v, at, insn->size, insn->has_imm ? (uint64_t)insn->imm : read_gpr(v, insn->reg));
    else if (insn->op == MMIO_LOAD && insn->reg_size >= 4 && !insn->sign_extend)
        write_gpr(v, insn->reg, mmio_read_at(v, at, insn->size));
    else
        return false;
    return true;
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

static NOINLINE const struct mmio_insn *decode(struct decoded *d, const union fetched *f, unsigned count,
                                               unsigned bits)
{
    if (!mmio_decode(f->bytes, count, bits, &d->insn)) {
        d->bits = 0;
        return NULL;
    }
    d->bytes[0] = f->words[0];
    d->bytes[1] = f->words[1];
    d->count = count;
    d->bits = bits;
    return &d->insn;
}

/* Drivers come back to the same few instructions: what was decoded last at such an address is compared by its
 * bytes. NULL: none that is emulated. */
static inline const struct mmio_insn *fetch(struct vcpu *v, const struct guest_mode *m)
{
    struct decoded *d = &state_of(v)->decoded[(m->rip ^ m->rip >> 3) & (DECODED_PLACES - 1)];
    union fetched f = {.words = {0, 0}};
    unsigned count = guest_fetch(v->vm, m, f.bytes);

    if (likely(d->bytes[0] == f.words[0] && d->bytes[1] == f.words[1] && d->count == count &&
               d->bits == m->bits))
        return &d->insn;
    return decode(d, &f, count, m->bits);
}

enum next vcpu_device_memory(struct vcpu *v, gpa_t at)
{
    const struct mmio_insn *insn;
    struct guest_mode m;

    backend.get_mode(v, &m);
    insn = fetch(v, &m);
    if (!insn) {
        vcpu_inject(v, VECTOR_UD);
        return NEXT_RESUME;
    }
    if (likely(!in_two_pages(v, insn, &m, at)) && plain_move(v, insn, at))
        return skip_insn(v, insn, NEXT_SKIP_AND_RESUME);
    return skip_insn(v, insn, access(v, insn, &m, at));
}
