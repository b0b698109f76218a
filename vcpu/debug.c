/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/debug.h"

#include "arch/x86/cpu.h"
#include "sched/vm_run.h"
#include "vcpu/context.h"
#include "vcpu/event.h"

#define DR6_FIXED     UINT64_C(0xffff0ff0)
#define DR6_WRITABLE  UINT64_C(0x0000e00f)
#define DR6_HITS      UINT64_C(0xf)
#define DR6_BD        BIT(13)
#define DR6_BS        BIT(14)
#define DR7_FIXED     UINT64_C(0x00000400)
#define DR7_WRITABLE  UINT64_C(0xffff23ff)
#define DR7_GD        BIT(13)
#define DR7_ENABLED   UINT64_C(0xff)
#define DR7_GLOBAL(i) BIT(2 * (i) + 1) /* an execution breakpoint: its type and length are 0 */

_Static_assert(DR6_HITS == BIT(BREAKPOINTS) - 1 && DR7_GLOBAL(BREAKPOINTS - 1) < DR7_ENABLED,
               "a bit for each");

/* --- arming --- */

static void put_breakpoints(struct vcpu *v, struct vcpu_state *x, const struct breakpoints *b)
{
    uint64_t dr7 = DR7_FIXED;

    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        x->context.dr[i] = b->at[i];
        dr7 |= b->used & BIT(i) ? DR7_GLOBAL(i) : 0;
    }
    backend.set(v, GUEST_DR7, dr7);
}

static void put_own(struct vcpu *v, struct vcpu_state *x)
{
    for (unsigned i = 0; i < ARRAY_SIZE(x->own.dr); i++)
        x->context.dr[i] = x->own.dr[i];
    x->context.dr6 = x->own.dr6;
    backend.set(v, GUEST_DR7, x->own.dr7);
}

static void keep_own(struct vcpu *v, struct vcpu_state *x)
{
    for (unsigned i = 0; i < ARRAY_SIZE(x->own.dr); i++)
        x->own.dr[i] = x->context.dr[i];
    x->own.dr6 = x->context.dr6;
    x->own.dr7 = backend.get(v, GUEST_DR7);
}

/* Without breakpoints of the guest's own its registers are loaded when it asks for them, as ever. */
void vcpu_debug_follow(struct vcpu *v)
{
    struct vcpu_state *x = state_of(v);
    const struct breakpoints *b = &v->vm->breakpoints;
    bool own;

    if (!x->watched && !b->used)
        return;
    if (!x->watched)
        keep_own(v, x);
    if (b->used)
        put_breakpoints(v, x, b);
    else
        put_own(v, x);
    own = !b->used && (x->own.dr7 & DR7_ENABLED);
    x->watched = b->used;
    x->debug = b->used || own;
    backend.exit_on_debug(v, !own);
}

/* --- exits --- */

/* The guest goes on behind the instruction, as it would after a #BP. */
COLD enum next vcpu_int3(struct vcpu *v, unsigned length)
{
    if (vm_break(v, "int3"))
        backend.skip(v, length);
    return NEXT_LEAVE;
}

static void guest_exception(struct vcpu *v, uint64_t bits)
{
    struct debug_registers *own = &state_of(v)->own;

    own->dr6 = (own->dr6 & ~DR6_HITS) | bits;
    own->dr7 &= ~DR7_GD;
    vcpu_inject(v, VECTOR_DB);
}

/*
 * A single step of the guest comes before the breakpoint on its next instruction, and is the guest's. RF: the
 * instruction at the breakpoint is executed when the guest goes on.
 */
static enum next watched_exception(struct vcpu *v, uint64_t q)
{
    if (!(q & v->vm->breakpoints.used & DR6_HITS) || (q & DR6_BS)) {
        guest_exception(v, q & (DR6_BD | DR6_BS));
        return NEXT_RESUME;
    }
    if (vm_break(v, "a breakpoint"))
        backend.set(v, GUEST_RFLAGS, backend.get(v, GUEST_RFLAGS) | RFLAGS_RF);
    return NEXT_LEAVE;
}

/* With DR6 as the processor would have left it. */
COLD enum next vcpu_debug_exception(struct vcpu *v, uint64_t hits)
{
    if (state_of(v)->watched)
        return watched_exception(v, hits);
    vcpu_load_debug(v);
    write_dr6((read_dr6() & ~DR6_HITS) | (hits & (DR6_HITS | DR6_BD | DR6_BS)));
    backend.set(v, GUEST_DR7, backend.get(v, GUEST_DR7) & ~DR7_GD);
    vcpu_inject(v, VECTOR_DB);
    return NEXT_RESUME;
}

/* INIT: as after a reset. */
COLD void vcpu_debug_init(struct vcpu *v)
{
    struct vcpu_state *x = state_of(v);

    if (x->watched) {
        x->own = (struct debug_registers){.dr6 = DR6_RESET, .dr7 = DR7_RESET};
        return;
    }
    backend.set(v, GUEST_DR7, DR7_RESET);
    vcpu_reset_debug(v);
}

static uint64_t *own_register(struct debug_registers *own, unsigned dr)
{
    if (dr < 4)
        return &own->dr[dr];
    return dr & 1 ? &own->dr7 : &own->dr6; /* 4 and 5 are other names of 6 and 7 */
}

static enum next write_own(struct vcpu *v, unsigned dr, uint64_t value)
{
    uint64_t *to = own_register(&state_of(v)->own, dr);

    if (dr >= 4 && value >> 32) {
        return vcpu_protection_fault(v);
    }
    if (dr < 4)
        *to = value;
    else
        *to = dr & 1 ? (value & DR7_WRITABLE) | DR7_FIXED : (value & DR6_WRITABLE) | DR6_FIXED;
    return NEXT_SKIP_AND_RESUME;
}

static COLD enum next move_own(struct vcpu *v, struct debug_move move)
{
    struct debug_registers *own = &state_of(v)->own;
    struct guest_mode m;
    uint64_t mask;

    backend.get_mode(v, &m);
    mask = m.bits == 64 ? UINT64_MAX : UINT32_MAX;
    if (own->dr7 & DR7_GD) {
        guest_exception(v, DR6_BD); /* a fault, unlike what other causes of #DB have left in RFLAGS */
        backend.set(v, GUEST_RFLAGS, backend.get(v, GUEST_RFLAGS) | RFLAGS_RF);
        return NEXT_RESUME;
    }
    if (!move.from_dr)
        return write_own(v, move.dr, read_gpr(v, move.gpr) & mask);
    write_gpr(v, move.gpr, *own_register(own, move.dr) & mask);
    return NEXT_SKIP_AND_RESUME;
}

/* Its debug registers, from here on. The instruction is tried again. */
enum next vcpu_move_debug(struct vcpu *v, struct debug_move move)
{
    if (state_of(v)->watched)
        return move_own(v, move);
    vcpu_load_debug(v);
    return NEXT_RESUME;
}

struct debug_registers vcpu_guest_debug(const struct vcpu *v)
{
    const struct vcpu_state *x = state_of(v);
    const struct guest_context *c = &x->context;

    if (x->watched)
        return x->own;
    return (struct debug_registers){
        .dr = {c->dr[0], c->dr[1], c->dr[2], c->dr[3]}, .dr6 = c->dr6, .dr7 = backend.get(v, GUEST_DR7)};
}
