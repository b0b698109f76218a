/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/debug.h"
#include "arch/x86/cpu.h"
#include "vmx/examine.h"

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
#define RIGHTS_L      BIT(13)

/* The exit qualification for debug registers. */
#define QUALIFIED_DR(q)       ((unsigned)(q)&7)
#define QUALIFIED_FROM(q)     ((q)&BIT(4))
#define QUALIFIED_REGISTER(q) ((unsigned)((q) >> 8) & 15)

/* --- arming --- */

uint64_t vmx_debug_exceptions(const struct vcpu *v)
{
    return v->vm->breakpoints.int3 ? BIT(VECTOR_BP) : 0;
}

static void put_breakpoints(struct vmx_vcpu *x, const struct breakpoints *b)
{
    uint64_t dr7 = DR7_FIXED;

    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        x->context.dr[i] = b->at[i];
        dr7 |= b->used & BIT(i) ? DR7_GLOBAL(i) : 0;
    }
    vmcs_write(vmcs_guest_dr7, dr7);
}

static void put_own(struct vmx_vcpu *x)
{
    for (unsigned i = 0; i < ARRAY_SIZE(x->own.dr); i++)
        x->context.dr[i] = x->own.dr[i];
    x->context.dr6 = x->own.dr6;
    vmcs_write(vmcs_guest_dr7, x->own.dr7);
}

static void keep_own(struct vmx_vcpu *x)
{
    for (unsigned i = 0; i < ARRAY_SIZE(x->own.dr); i++)
        x->own.dr[i] = x->context.dr[i];
    x->own.dr6 = x->context.dr6;
    x->own.dr7 = vmcs_read(vmcs_guest_dr7);
}

/* Without breakpoints of the guest's own its registers are loaded when it asks for them, as ever. */
static void follow(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    const struct breakpoints *b = &v->vm->breakpoints;
    bool own;

    if (!x->watched && !b->used)
        return;
    if (!x->watched)
        keep_own(x);
    if (b->used)
        put_breakpoints(x, b);
    else
        put_own(x);
    own = !b->used && (x->own.dr7 & DR7_ENABLED);
    x->watched = b->used;
    x->debug = b->used || own;
    x->proc = own ? x->proc & ~PROC_MOV_DR : x->proc | PROC_MOV_DR;
    vmx_write_proc_controls(x);
}

void vmx_debug_reset(struct vcpu *v)
{
    follow(v);
}

void vmx_breakpoints_changed(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        vmx_examine_begin(v);
        vmcs_write(vmcs_exception_bitmap,
                   (vmcs_read(vmcs_exception_bitmap) & ~BIT(VECTOR_BP)) | vmx_debug_exceptions(v));
        follow(v);
        vmx_examine_end(v);
    }
}

/* --- exits --- */

/* The guest goes on behind the instruction, as it would after a #BP. */
COLD enum next vmx_handle_int3(struct vcpu *v)
{
    if (vm_break(v, "int3"))
        vmx_skip_instruction();
    return NEXT_LEAVE;
}

static void guest_exception(struct vcpu *v, uint64_t bits)
{
    struct debug_registers *own = &vmx_of(v)->own;

    own->dr6 = (own->dr6 & ~DR6_HITS) | bits;
    own->dr7 &= ~DR7_GD;
    vmx_inject_exception(v, VECTOR_DB);
}

/*
 * A single step of the guest comes before the breakpoint on its next instruction, and is the guest's. RF: the
 * instruction at the breakpoint is executed when the guest goes on.
 */
COLD enum next vmx_watched_exception(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);

    if (!(q & v->vm->breakpoints.used & DR6_HITS) || (q & DR6_BS)) {
        guest_exception(v, q & (DR6_BD | DR6_BS));
        return NEXT_RESUME;
    }
    if (vm_break(v, "a breakpoint"))
        vmcs_write(vmcs_guest_rflags, vmcs_read(vmcs_guest_rflags) | RFLAGS_RF);
    return NEXT_LEAVE;
}

static bool in_64_bit_code(void)
{
    return (vmcs_read(vmcs_entry_controls) & ENTRY_IA32E) && (vmcs_read(vmcs_guest_cs_rights) & RIGHTS_L);
}

static uint64_t *own_register(struct debug_registers *own, unsigned dr)
{
    if (dr < 4)
        return &own->dr[dr];
    return dr & 1 ? &own->dr7 : &own->dr6; /* 4 and 5 are other names of 6 and 7 */
}

static enum next write_own(struct vcpu *v, unsigned dr, uint64_t value)
{
    uint64_t *to = own_register(&vmx_of(v)->own, dr);

    if (dr >= 4 && value >> 32) {
        vmx_inject_fault(v, VECTOR_GP, 0);
        return NEXT_RESUME;
    }
    if (dr < 4)
        *to = value;
    else
        *to = dr & 1 ? (value & DR7_WRITABLE) | DR7_FIXED : (value & DR6_WRITABLE) | DR6_FIXED;
    return NEXT_SKIP_AND_RESUME;
}

static COLD enum next move_own(struct vcpu *v)
{
    struct debug_registers *own = &vmx_of(v)->own;
    uint64_t q = vmcs_read(vmcs_exit_qualification), mask = in_64_bit_code() ? UINT64_MAX : UINT32_MAX;

    if (own->dr7 & DR7_GD) {
        guest_exception(v, DR6_BD);
        return NEXT_RESUME;
    }
    if (!QUALIFIED_FROM(q))
        return write_own(v, QUALIFIED_DR(q), vmx_read_gpr(v, QUALIFIED_REGISTER(q)) & mask);
    vmx_write_gpr(v, QUALIFIED_REGISTER(q), *own_register(own, QUALIFIED_DR(q)) & mask);
    return NEXT_SKIP_AND_RESUME;
}

/* Its debug registers, from here on. The instruction is tried again. */
enum next vmx_handle_mov_dr(struct vcpu *v)
{
    if (vmx_of(v)->watched)
        return move_own(v);
    vmx_load_debug(v);
    return NEXT_RESUME;
}

struct debug_registers vmx_guest_debug(const struct vcpu *v)
{
    const struct vmx_vcpu *x = vmx_of(v);
    const struct guest_context *c = &x->context;

    if (x->watched)
        return x->own;
    return (struct debug_registers){
        .dr = {c->dr[0], c->dr[1], c->dr[2], c->dr[3]}, .dr6 = c->dr6, .dr7 = vmcs_read(vmcs_guest_dr7)};
}
