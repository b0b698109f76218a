/* SPDX-License-Identifier: BSD-2-Clause */
/* The contents of a VMCB, and the guest state that none holds. */
#include "svm/setup.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"
#include "core/base/memory.h"
#include "hypercall/kvm.h"
#include "svm/asid.h"
#include "svm/caps.h"
#include "svm/event.h"
#include "svm/guest.h"
#include "svm/msr.h"
#include "vcpu/debug.h"

#define CODE16    0x09b
#define CODE32    0xc9b
#define CODE64    0xa9b
#define DATA16    0x093
#define DATA32    0xc93
#define LDTR      0x082
#define TSS_BUSY  0x08b
#define PAT_RESET UINT64_C(0x0007040600070406)

#define START_CODE      0x10
#define START_DATA      0x18
#define ALL_DRS         0xffff
#define PAUSE_COUNT     3000 /* PAUSEs in a loop before it exits */
#define PAUSE_THRESHOLD 128  /* cycles: further apart they are no loop */

bool svm_vcpu_create(struct vcpu *v)
{
    struct svm_vcpu *x = memory_alloc_zeroed(&v->vm->account, MEMORY_STATE, 1);
    struct vmcb *b = memory_alloc_zeroed(&v->vm->account, MEMORY_CONTROL, 1);

    _Static_assert(sizeof(*x) <= PAGE_SIZE, "one page");
    if (!x || !b)
        return false;
    v->backend = x;
    x->vmcb = b;
    return true;
}

/* All that is or could be the machine's. Left to the guest: CR3, descriptor tables, INVLPG, RDTSC, task
 * switches. */
static void write_interceptions(const struct vcpu *v, struct vmcb *b)
{
    b->cr_reads = INTERCEPT_CR4; /* MCE */
    b->cr_writes = INTERCEPT_CR4;
    b->dr_reads = b->dr_writes = ALL_DRS;
    /* #DB and #AC can loop in the processor's event delivery and would stall the CPU; #UD may be another
     * maker's instruction for a hypercall. */
    b->exceptions =
        (uint32_t)(BIT(VECTOR_DB) | BIT(VECTOR_AC) | BIT(VECTOR_MC) | (v->fast.calls ? BIT(VECTOR_UD) : 0));
    b->misc1 = (uint32_t)(MISC1_INTR | MISC1_NMI | MISC1_SMI | MISC1_INIT | MISC1_CR0_SELECT | MISC1_RDPMC |
                          MISC1_CPUID | MISC1_RSM | MISC1_INVD | MISC1_HLT | MISC1_INVLPGA | MISC1_IO |
                          MISC1_MSR | MISC1_FERR | MISC1_SHUTDOWN);
    b->misc2 =
        (uint32_t)(MISC2_VMRUN | MISC2_VMMCALL | MISC2_VMLOAD | MISC2_VMSAVE | MISC2_STGI | MISC2_CLGI |
                   MISC2_SKINIT | MISC2_WBINVD | MISC2_MONITOR | MISC2_MWAIT | MISC2_XSETBV | MISC2_RDPRU);
    if (v->sched && svm_can(SVM_PAUSE_FILTER)) {
        b->misc1 |= MISC1_PAUSE;
        b->pause_count = PAUSE_COUNT;
        b->pause_threshold = svm_can(SVM_PAUSE_THRESHOLD) ? PAUSE_THRESHOLD : 0;
    }
}

static void write_controls(const struct vcpu *v, struct vmcb *b)
{
    const struct svm_vm *vm = v->vm->backend;

    write_interceptions(v, b);
    b->io_map = svm_io_map(v->vm->config).value;
    b->msr_map = virt_to_phys(vm->msr_map).value;
    b->interrupts = VINTR_MASKING;
    b->nested_control = VMCB_NESTED_PAGING;
    b->nested_cr3 = virt_to_phys(vm->npt.table.root).value;
}

static void write_segments(struct vmcb *b, unsigned mode)
{
    struct vmcb_segment code = {0, CODE16, 0xffff, 0}, data = {0, DATA16, 0xffff, 0};

    ASSERT(mode == 16 || mode == 32 || mode == 64);
    if (mode != 16) {
        code = (struct vmcb_segment){START_CODE, mode == 64 ? CODE64 : CODE32, UINT32_MAX, 0};
        data = (struct vmcb_segment){START_DATA, DATA32, UINT32_MAX, 0};
    }
    b->cs = code;
    b->ss = b->ds = b->es = b->fs = b->gs = data;
    b->ldtr = (struct vmcb_segment){0, LDTR, 0xffff, 0};
    b->tr = (struct vmcb_segment){0, TSS_BUSY, 0xffff, 0};
    b->cpl = 0;
}

/* kept: bits of CR0 beyond the mode's. */
static void write_control_registers(struct vcpu *v, const struct start_state *s, uint64_t kept)
{
    bool wide = s->mode == 64;

    svm_set(v, GUEST_CR0, CR0_ET | (s->mode == 16 ? 0 : CR0_PE) | (wide ? CR0_PG : 0) | kept);
    svm_set(v, GUEST_CR3, s->cr3);
    svm_set(v, GUEST_CR4, wide ? CR4_PAE : 0);
    svm_set(v, GUEST_EFER, wide ? EFER_LME | EFER_LMA : 0);
}

/* What a reset and INIT write alike. */
static void write_rest(struct vmcb *b, const struct start_state *s)
{
    b->gdtr = (struct vmcb_segment){0, 0, s->gdt_base ? (uint32_t)s->gdt_limit : 0xffff, s->gdt_base};
    b->idtr = (struct vmcb_segment){0, 0, s->mode == 16 ? 0xffff : 0, 0};
    b->rip = s->rip;
    b->rsp = s->rsp;
    b->rflags = RFLAGS_FIXED;
    b->shadow = 0;
    b->inject = 0;
    b->clean = 0;
}

void svm_vcpu_reset(struct vcpu *v, const struct start_state *start)
{
    struct svm_vcpu *x = svm_of(v);
    struct vmcb *b = x->vmcb;

    if (start)
        v->vm->tsc_started = false;
    else
        start = &vcpu_waits_for_sipi;
    vcpu_reset_general(v, start);
    memset(x, 0, sizeof(*x));
    memset(b, 0, sizeof(*b));
    x->vmcb = b;
    x->vmcb_at = virt_to_phys(b);
    x->fresh = true;
    v->fast.calls = v->vm->config->pv != PV_NONE;
    v->fast.deadline = 0;
    vcpu_state_reset(v);
    write_controls(v, b);
    write_segments(b, start->mode);
    write_control_registers(v, start, 0);
    write_rest(b, start);
    b->pat = PAT_RESET;
    b->dr7 = DR7_RESET;
    b->dr6 = DR6_RESET;
    svm_set_breakpoint_exits(v);
    vcpu_debug_follow(v);
    v->due |= DUE_IRQ | DUE_TIMER;
}

/* As on Intel (vmx/setup.c): the vector registers, XCR0, the TSC and all other MSRs stay, and of CR0 CD and
 * NW. */
COLD void svm_vcpu_init(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);

    vcpu_reset_general(v, &vcpu_waits_for_sipi);
    x->state.event = 0;
    x->state.nmis = 0;
    svm_forget_nmi(v);
    kvm_reset(v);
    write_segments(x->vmcb, vcpu_waits_for_sipi.mode);
    write_control_registers(v, &vcpu_waits_for_sipi, svm_get(v, GUEST_CR0) & (CR0_CD | CR0_NW));
    write_rest(x->vmcb, &vcpu_waits_for_sipi);
    vcpu_debug_init(v);
    write_cr2(0);
    svm_new_asid(v);
    v->due |= DUE_IRQ | DUE_TIMER;
}

void svm_vcpu_startup(struct vcpu *v, unsigned vector)
{
    struct vmcb *b = vmcb_of(v);

    b->cs.selector = (uint16_t)(vector << 8);
    b->cs.base = vector << 12;
    b->rip = 0;
    svm_dirty(b, CLEAN_SEGMENTS);
}

void svm_exit_on_debug(struct vcpu *v, bool on)
{
    struct vmcb *b = vmcb_of(v);

    b->dr_reads = b->dr_writes = on ? ALL_DRS : 0;
    svm_dirty(b, CLEAN_INTERCEPTS);
}

/* INT n, too: there is a host on which INT3 is one. */
void svm_set_breakpoint_exits(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);
    bool on = v->vm->breakpoints.int3;

    b->exceptions = (b->exceptions & ~(uint32_t)BIT(VECTOR_BP)) | (on ? BIT(VECTOR_BP) : 0);
    b->misc1 = (b->misc1 & ~(uint32_t)MISC1_INTN) | (on ? MISC1_INTN : 0);
    svm_dirty(b, CLEAN_INTERCEPTS);
}
