/* SPDX-License-Identifier: BSD-2-Clause */
#include "svm/guest.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "svm/instruction.h"
#include "svm/msr.h"
#include "vcpu/debug.h"

#define CR0_HELD     (CR0_CD | CR0_NW) /* never set for real: the caches belong to all VMs */
#define DEBUGCTL_BTF BIT(1)
#define DR6_BS       BIT(14)

/* Where they are in the VMCB, and which clean bit watches that. */
static const struct {
    uint16_t offset;
    uint16_t clean;
} places[GUEST_REGISTERS] = {
#define PLACE(field, bit)                 \
    {                                     \
        offsetof(struct vmcb, field), bit \
    }
    [GUEST_RIP] = PLACE(rip, 0),
    [GUEST_RSP] = PLACE(rsp, 0),
    [GUEST_RFLAGS] = PLACE(rflags, 0),
    [GUEST_CR3] = PLACE(cr3, CLEAN_CONTROL),
    [GUEST_PAT] = PLACE(pat, CLEAN_NESTED),
    [GUEST_DEBUGCTL] = PLACE(debugctl, CLEAN_LBR),
    [GUEST_DR7] = PLACE(dr7, CLEAN_DEBUG),
    [GUEST_DS_BASE] = PLACE(ds.base, CLEAN_SEGMENTS),
    [GUEST_ES_BASE] = PLACE(es.base, CLEAN_SEGMENTS),
    [GUEST_SS_BASE] = PLACE(ss.base, CLEAN_SEGMENTS),
    [GUEST_FS_BASE] = PLACE(fs.base, 0), /* VMLOAD's */
    [GUEST_GS_BASE] = PLACE(gs.base, 0),
#undef PLACE
};

static uint64_t *place_of(struct vmcb *b, enum guest_register which)
{
    ASSERT(places[which].offset); /* else it is none of those that are as they are */
    return (uint64_t *)((uint8_t *)b + places[which].offset);
}

uint64_t svm_get(const struct vcpu *v, enum guest_register which)
{
    const struct svm_vcpu *x = svm_of(v);

    switch (which) {
    case GUEST_CR0: return x->vmcb->cr0 | x->cr0_held;
    case GUEST_CR4: return x->mce ? x->vmcb->cr4 : x->vmcb->cr4 & ~CR4_MCE;
    case GUEST_EFER: return x->vmcb->efer & ~EFER_SVME;
    case GUEST_RFLAGS:
        return x->steps_over_iret ? (x->vmcb->rflags & ~RFLAGS_TF) | x->guest_tf : x->vmcb->rflags;
    case GUEST_SS_RIGHTS: return VMCB_RIGHTS(x->vmcb->ss.attributes);
    case GUEST_TR_RIGHTS: return VMCB_RIGHTS(x->vmcb->tr.attributes);
    default: return *place_of(x->vmcb, which);
    }
}

/* What the guest must not read as it is exits. */
static void set_cr0(struct svm_vcpu *x, uint64_t value)
{
    struct vmcb *b = x->vmcb;

    x->cr0_held = value & CR0_HELD;
    b->cr0 = value & ~CR0_HELD;
    b->cr_reads = (uint16_t)((b->cr_reads & ~INTERCEPT_CR0) | (x->cr0_held ? INTERCEPT_CR0 : 0));
    svm_dirty(b, CLEAN_CONTROL | CLEAN_INTERCEPTS);
}

COLD void svm_set(struct vcpu *v, enum guest_register which, uint64_t value)
{
    struct svm_vcpu *x = svm_of(v);

    ASSERT(which != GUEST_SS_RIGHTS && which != GUEST_TR_RIGHTS);
    switch (which) {
    case GUEST_CR0: set_cr0(x, value); break;
    case GUEST_CR4: /* without MCE a machine check is the machine's end, and no exit */
        x->mce = value & CR4_MCE;
        x->vmcb->cr4 = value | CR4_MCE;
        svm_dirty(x->vmcb, CLEAN_CONTROL);
        break;
    case GUEST_EFER:
        x->vmcb->efer = value | EFER_SVME;
        svm_dirty(x->vmcb, CLEAN_CONTROL);
        break;
    case GUEST_RFLAGS:
        x->guest_tf = x->steps_over_iret ? value & RFLAGS_TF : 0;
        x->vmcb->rflags = x->steps_over_iret ? value | RFLAGS_TF : value;
        break;
    default:
        *place_of(x->vmcb, which) = value;
        svm_dirty(x->vmcb, places[which].clean);
        break;
    }
}

void svm_get_mode(const struct vcpu *v, struct guest_mode *out)
{
    const struct vmcb *b = vmcb_of(v);

    out->rip = b->rip;
    out->cs_base = b->cs.base;
    out->rflags = b->rflags;
    out->cr0 = b->cr0;
    out->cr3 = b->cr3;
    out->cr4 = b->cr4;
    out->efer = b->efer;
    out->cpl = b->cpl;
    out->code_l = b->cs.attributes & ATTRIBUTE_L;
    if ((out->efer & EFER_LMA) && out->code_l)
        out->bits = 64;
    else
        out->bits = (b->cs.attributes & ATTRIBUTE_D) && (b->cr0 & CR0_PE) ? 32 : 16;
}

void svm_note_mode(const struct vcpu *v, struct mode_note *out)
{
    const struct vmcb *b = vmcb_of(v);

    *out = (struct mode_note){{b->cr3, b->cs.attributes, b->cpl, b->cs.base, b->cr0, b->cr4, b->efer}};
}

bool svm_is_mode(const struct vcpu *v, const struct mode_note *note)
{
    const struct vmcb *b = vmcb_of(v);
    const uint64_t *was = note->word;

    return b->cr3 == was[0] && b->cs.attributes == was[1] && b->cpl == was[2] && b->cs.base == was[3] &&
           b->cr0 == was[4] && b->cr4 == was[5] && b->efer == was[6];
}

/* The processor reads them out of the guest's memory where it needs them (APM volume 2, "Nested paging"). */
void svm_set_pdptes(struct vcpu *v UNUSED, const uint64_t entries[4] UNUSED)
{
}

void svm_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
    vmcb_of(v)->tsc_offset = offset;
    svm_dirty(vmcb_of(v), CLEAN_INTERCEPTS);
}

/* What the end of an instruction does to debuggers; there is no field for a step that is to be taken. */
static COLD void end_instruction(struct vcpu *v, struct vmcb *b)
{
    b->rflags &= ~RFLAGS_RF;
    if ((svm_get(v, GUEST_RFLAGS) & RFLAGS_TF) && !(b->debugctl & DEBUGCTL_BTF))
        vcpu_debug_exception(v, DR6_BS);
}

static inline void go_to(struct vcpu *v, uint64_t rip)
{
    struct vmcb *b = vmcb_of(v);

    b->rip = rip;
    b->shadow &= ~VMCB_SHADOW;
    if (unlikely(b->rflags & (RFLAGS_TF | RFLAGS_RF)))
        end_instruction(v, b);
}

void svm_skip(struct vcpu *v, unsigned length)
{
    go_to(v, vmcb_of(v)->rip + length);
}

INLINED void svm_skip_instruction(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);

    go_to(v, likely(b->next_rip) ? b->next_rip : b->rip + svm_instruction_length(v));
}
