/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/mmio_other.h"
#include "arch/x86/cpu.h"
#include "vcpu/mmio.h"

#define SEGMENT_BIG BIT(14) /* of SS: the stack pointer is ESP */

/* --- string instructions --- */

struct string_use {
    bool source, destination, writes; /* DS:rSI, ES:rDI, which is written */
    bool compares;
};

static const struct string_use uses[] = {
    [MMIO_STOS - MMIO_STOS] = {.destination = true, .writes = true},
    [MMIO_MOVS - MMIO_STOS] = {.source = true, .destination = true, .writes = true},
    [MMIO_LODS - MMIO_STOS] = {.source = true},
    [MMIO_CMPS - MMIO_STOS] = {.source = true, .destination = true, .compares = true},
    [MMIO_SCAS - MMIO_STOS] = {.destination = true, .compares = true},
};

_Static_assert(ARRAY_SIZE(uses) == MMIO_OPS - MMIO_STOS, "each string form");

static void advance(uint64_t *reg, uint64_t delta, unsigned bytes)
{
    uint64_t next = mmio_masked(*reg + delta, bytes);

    *reg = bytes == 2 ? (*reg & ~UINT64_C(0xffff)) | next : next;
}

static bool find_element(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m,
                         unsigned segment, uint64_t offset, bool write, struct mmio_place *out)
{
    uint64_t linear = mmio_segment_base(v, m, segment) + mmio_masked(offset, insn->address_size);

    return mmio_find(v, m, m->bits == 64 ? linear : (uint32_t)linear, insn->size, write, out);
}

/* RAX as its operand size has it. */
static void load_accumulator(struct vcpu *v, unsigned size, uint64_t value)
{
    v->regs.rax = size >= 4 ? value : (v->regs.rax & ~(BIT(8 * size) - 1)) | value;
}

static void do_element(struct vcpu *v, const struct mmio_insn *insn, const struct string_use *use,
                       const struct mmio_place *from, const struct mmio_place *to)
{
    uint64_t value = use->source ? mmio_read(v, from, 0, insn->size) : v->regs.rax, flags;

    if (use->writes) {
        mmio_write(v, to, 0, insn->size, value);
    } else if (use->compares) {
        flags = backend.get(v, GUEST_RFLAGS);
        flags = mmio_compare(value, mmio_read(v, to, 0, insn->size), insn->size, flags);
        backend.set(v, GUEST_RFLAGS, flags);
    } else {
        load_accumulator(v, insn->size, value);
    }
}

static bool repeats(struct vcpu *v, const struct mmio_insn *insn, const struct string_use *use)
{
    if (!insn->rep)
        return false;
    advance(&v->regs.rcx, -UINT64_C(1), insn->address_size);
    if (use->compares && !(backend.get(v, GUEST_RFLAGS) & RFLAGS_ZF) != insn->while_unequal)
        return false;
    return mmio_masked(v->regs.rcx, insn->address_size);
}

enum next vcpu_mmio_string(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m)
{
    const struct string_use *use = &uses[(unsigned)(insn->op - MMIO_STOS) % ARRAY_SIZE(uses)];
    uint64_t delta = m->rflags & RFLAGS_DF ? -(uint64_t)insn->size : insn->size;
    struct mmio_place from, to;
    gpa_t closed;

    if (insn->rep && !mmio_masked(v->regs.rcx, insn->address_size))
        return NEXT_SKIP_AND_RESUME; /* somebody else has changed the code meanwhile */
    if (use->source && !find_element(v, insn, m, insn->segment, v->regs.rsi, false, &from))
        return NEXT_RESUME;
    if (use->destination && !find_element(v, insn, m, SEGMENT_ES, v->regs.rdi, use->writes, &to))
        return NEXT_RESUME;
    if (use->writes && mmio_is_closed(v, &to, insn->size, &closed))
        return vcpu_protected_write(v, closed);
    do_element(v, insn, use, &from, &to);
    if (use->source)
        advance(&v->regs.rsi, delta, insn->address_size);
    if (use->destination)
        advance(&v->regs.rdi, delta, insn->address_size);
    return repeats(v, insn, use) ? NEXT_RESUME : NEXT_SKIP_AND_RESUME;
}

/* --- the stack --- */

static unsigned stack_width(const struct vcpu *v, const struct guest_mode *m)
{
    if (m->bits == 64)
        return 8;
    return backend.get(v, GUEST_SS_RIGHTS) & SEGMENT_BIG ? 4 : 2;
}

static uint64_t stack_linear(const struct vcpu *v, const struct guest_mode *m, uint64_t pointer)
{
    uint64_t linear = mmio_segment_base(v, m, SEGMENT_SS) + mmio_masked(pointer, stack_width(v, m));

    return m->bits == 64 ? linear : (uint32_t)linear;
}

static void move_stack(struct vcpu *v, const struct guest_mode *m, uint64_t by)
{
    uint64_t pointer = backend.get(v, GUEST_RSP);

    advance(&pointer, by, stack_width(v, m));
    backend.set(v, GUEST_RSP, pointer);
}

/* The device must not be read for a push that faults. */
enum next vcpu_mmio_push(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m,
                         const struct mmio_place *p)
{
    uint64_t linear = stack_linear(v, m, backend.get(v, GUEST_RSP) - insn->size), value;
    gpa_t closed;

    if (!guest_linear_writable(v, m, linear, insn->size))
        return NEXT_RESUME;
    if (guest_linear_closed(v, m, linear, insn->size, &closed))
        return vcpu_protected_write(v, closed);
    value = mmio_read(v, p, 0, insn->size);
    if (!guest_linear_write(v, m, linear, &value, insn->size))
        return NEXT_RESUME;
    move_stack(v, m, -(uint64_t)insn->size);
    return NEXT_SKIP_AND_RESUME;
}

enum next vcpu_mmio_pop(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m,
                        const struct mmio_place *p)
{
    uint64_t value = 0;

    if (!guest_linear_read(v, m, stack_linear(v, m, backend.get(v, GUEST_RSP)), &value, insn->size))
        return NEXT_RESUME;
    mmio_write(v, p, 0, insn->size, value);
    move_stack(v, m, insn->size);
    return NEXT_SKIP_AND_RESUME;
}

/* --- vector registers, which are the guest's while it has the CPU (context.h) --- */

struct xmm {
    uint64_t part[2];
};

#define EACH_XMM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void read_xmm(unsigned number, struct xmm *x)
{
    switch (number) {
#define READ_XMM(n) \
    case n: __asm__ volatile("movdqu %%xmm" #n ", %0" : "=m"(*x)); break;
        EACH_XMM(READ_XMM)
#undef READ_XMM
    default: break;
    }
}

static void write_xmm(unsigned number, const struct xmm *x)
{
    switch (number) {
#define WRITE_XMM(n) \
    case n: __asm__ volatile("movdqu %0, %%xmm" #n : : "m"(*x)); break;
        EACH_XMM(WRITE_XMM)
#undef WRITE_XMM
    default: break;
    }
}

void vcpu_mmio_move_vector(struct vcpu *v, const struct mmio_insn *insn, const struct mmio_place *p)
{
    struct xmm x = {{0, 0}};
    unsigned step = MIN(insn->size, 8);

    if (insn->writes)
        read_xmm(insn->reg, &x);
    for (unsigned at = 0; at < insn->size; at += step) {
        if (insn->writes)
            mmio_write(v, p, at, step, x.part[at / 8]);
        else
            x.part[at / 8] = mmio_read(v, p, at, step);
    }
    if (!insn->writes)
        write_xmm(insn->reg, &x);
}
