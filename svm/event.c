/* SPDX-License-Identifier: BSD-2-Clause */
/* What is delivered to the guest at the next entry (APM volume 2, "Event injection" and "Interrupt and local
 * APIC support"). */
#include "svm/event.h"

#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "core/base/machine.h"
#include "core/base/trace.h"
#include "sched/sched.h"
#include "svm/caps.h"
#include "svm/guest.h"
#include "vcpu/event.h"

#define DEBUGCTL_BTF BIT(1)
#define WINDOW       (VINTR_IRQ | VINTR_IGN_TPR | VINTR_PRIORITY)
#define ERROR_SHIFT  32
#define SOON_HZ      20000u

/* Vectors of exceptions whose RIP is at the instruction, so that what they push has RF set. */
#define NO_FAULTS \
    (BIT(VECTOR_DB) | BIT(VECTOR_NMI) | BIT(VECTOR_BP) | BIT(VECTOR_OF) | BIT(VECTOR_DF) | BIT(VECTOR_MC))

static bool is_fault(uint32_t event)
{
    return EVENT_TYPE(event) == EVENT_EXCEPTION && !(NO_FAULTS >> EVENT_VECTOR(event) & 1);
}

/* Of software's own only INT n comes here, of which RIP and nRIP are behind the instruction. */
COLD void svm_reinject(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    uint64_t info = x->vmcb->exit_event;
    unsigned type = EVENT_TYPE(info), vector = EVENT_VECTOR(info);

    sched_look_around(); /* a delivery that always fails is no instruction of the guest's */
    x->vmcb->exit_event = 0;
    if (type == EVENT_SOFTWARE_INTERRUPT ||
        (type == EVENT_EXCEPTION && (vector == VECTOR_BP || vector == VECTOR_OF)))
        return; /* RIP is at the instruction: it is executed again */
    x->state.event = (uint32_t)info & (EVENT_VALID | EVENT_ERROR_CODE | EVENT_TYPE_MASK | 0xff);
    x->state.event_error = (uint32_t)(info >> ERROR_SHIFT);
    x->state.event_again = true;
    if (type == EVENT_NMI)
        x->nmi_in_service = false; /* its delivery sets it again */
    v->due |= DUE_EVENT;
}

/* Real mode knows no error codes. */
static void inject(struct vmcb *b, uint32_t event, uint32_t error)
{
    if (!(b->cr0 & CR0_PE))
        event &= ~(uint32_t)EVENT_ERROR_CODE;
    b->inject = event | (event & EVENT_ERROR_CODE ? (uint64_t)error << ERROR_SHIFT : 0);
}

/* "Single-Stepping on Branches": the processor clears BTF when it generates a debug exception. */
static void begin_debug_exception(struct vcpu *v)
{
    svm_set(v, GUEST_DEBUGCTL, svm_get(v, GUEST_DEBUGCTL) & ~DEBUGCTL_BTF);
}

static void begin_nmi(struct svm_vcpu *x)
{
    x->nmi_in_service = true;
    x->vmcb->misc1 |= MISC1_IRET;
    svm_dirty(x->vmcb, CLEAN_INTERCEPTS);
}

static void inject_exception(struct vcpu *v, struct svm_vcpu *x)
{
    if (EVENT_VECTOR(x->state.event) == VECTOR_DB && EVENT_TYPE(x->state.event) == EVENT_EXCEPTION)
        begin_debug_exception(v);
    if (!x->state.event_again && is_fault(x->state.event))
        x->vmcb->rflags |= RFLAGS_RF;
    inject(x->vmcb, x->state.event, x->state.event_error);
    if (EVENT_TYPE(x->state.event) == EVENT_NMI) {
        x->state.nmis = MIN(x->state.nmis, 1);
        begin_nmi(x);
    }
    x->state.event = 0;
}

/* While one is handled one more is kept, and no third. */
static bool inject_nmi(struct svm_vcpu *x)
{
    if (x->nmi_in_service)
        x->state.nmis = 1;
    if (x->nmi_in_service || (x->vmcb->shadow & VMCB_SHADOW))
        return false;
    x->state.nmis--;
    inject(x->vmcb, (uint32_t)EVENT_VALID | EVENT_NMI << 8 | VECTOR_NMI, 0);
    begin_nmi(x);
    return true;
}

static COLD bool inject_event(struct vcpu *v, struct svm_vcpu *x)
{
    if (!x->state.event)
        return inject_nmi(x);
    inject_exception(v, x);
    return true;
}

static bool interruptible(const struct vmcb *b)
{
    return (b->rflags & RFLAGS_IF) && !(b->shadow & VMCB_SHADOW);
}

/* A virtual interrupt that is never taken: it exits instead, when it could be. */
static void set_window(struct svm_vcpu *x, bool on)
{
    struct vmcb *b = x->vmcb;

    if (on == x->window)
        return;
    x->window = on;
    b->interrupts = (b->interrupts & ~WINDOW) | (on ? WINDOW : 0);
    b->misc1 = (b->misc1 & ~(uint32_t)MISC1_VINTR) | (on ? MISC1_VINTR : 0);
    svm_dirty(b, CLEAN_INTERRUPTS | CLEAN_INTERCEPTS);
}

/* CR8 is the processor's, but where what waits below its priority may become free. */
static void watch_cr8(struct vmcb *b, bool on)
{
    if (on == !!(b->cr_writes & INTERCEPT_CR8))
        return;
    b->cr_writes ^= INTERCEPT_CR8;
    svm_dirty(b, CLEAN_INTERCEPTS);
}

static bool deliver_interrupt(struct vcpu *v, struct vmcb *b, bool busy)
{
    int vector = vlapic_pending(v);

    if (vector >= 0 && !busy && interruptible(b)) {
        vlapic_accept(v, (unsigned)vector);
        inject(b, (uint32_t)EVENT_VALID | EVENT_EXTERNAL << 8 | (unsigned)vector, 0);
        v->stats->counts[COUNT_INJECTED]++;
        if (v->vm->traced)
            trace_note(TRACE_INJECT, (unsigned)vector, v->trace_who);
        vector = vlapic_pending(v);
    }
    if (unlikely(v->pv.eoi) && vector < 0)
        vlapic_pv_eoi_offer(v);
    watch_cr8(b, vector < 0 && vlapic_requested(v) >= 0);
    return vector >= 0;
}

/*
 * A window would open at once where VMRUN loses the shadow, behind STI and before its HLT, which would not be
 * ended any more. So what waits waits for the next exit, of which there is one soon.
 */
static COLD bool look_soon(struct vcpu *v, struct svm_vcpu *x)
{
    if (!svm_caps.loses_shadow || !(x->vmcb->shadow & VMCB_SHADOW))
        return false;
    x->looks_soon = true;
    lapic_timer_set(TIMER_GUEST, rdtsc() + machine.tsc_hz / SOON_HZ);
    v->due |= DUE_IRQ;
    return true;
}

static COLD void looked(struct vcpu *v, struct svm_vcpu *x)
{
    x->looks_soon = false;
    vlapic_use_hv_timer(v, false); /* the host's timer is its own again */
}

static void give_tpr(struct vcpu *v, struct svm_vcpu *x)
{
    unsigned tpr = vlapic_tpr_class(v);

    if (tpr == x->tpr)
        return;
    x->tpr = (uint8_t)tpr;
    x->vmcb->interrupts = (x->vmcb->interrupts & ~VINTR_TPR) | tpr;
    svm_dirty(x->vmcb, CLEAN_INTERRUPTS);
}

/* Exceptions and interrupted deliveries first, then NMI, then interrupts; windows for what has to wait. */
void svm_deliver(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    bool busy = false, waiting, waits;

    give_tpr(v, x);
    if (unlikely(x->looks_soon))
        looked(v, x);
    if (unlikely(x->state.nmis || x->state.event))
        busy = inject_event(v, x);
    waiting = deliver_interrupt(v, x->vmcb, busy);
    waits = waiting || (x->state.nmis && !x->nmi_in_service);
    set_window(x, waits && !look_soon(v, x));
    if (waiting)
        v->due |= DUE_IRQ; /* a processor may tell of a window late: each exit looks */
}

enum next svm_handle_window(struct vcpu *v)
{
    v->due |= DUE_IRQ;
    return NEXT_RESUME;
}

/*
 * The exit is before the instruction, and NMIs are blocked until it has been executed: it is stepped over.
 * What the guest has in TF comes off the stack with it.
 */
COLD enum next svm_handle_iret(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);

    x->guest_tf = x->vmcb->rflags & RFLAGS_TF;
    x->vmcb->rflags |= RFLAGS_TF;
    x->steps_over_iret = true;
    x->vmcb->misc1 &= ~(uint32_t)MISC1_IRET;
    svm_dirty(x->vmcb, CLEAN_INTERCEPTS);
    return NEXT_RESUME;
}

COLD bool svm_iret_is_over(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    bool own = x->guest_tf;

    if (!x->steps_over_iret)
        return false;
    svm_forget_nmi(v);
    v->due |= DUE_EVENT;
    return !own; /* the guest steps, too: this one is its own as well */
}

void svm_forget_nmi(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);

    x->steps_over_iret = x->nmi_in_service = false;
    x->guest_tf = 0;
    x->vmcb->misc1 &= ~(uint32_t)MISC1_IRET;
    svm_dirty(x->vmcb, CLEAN_INTERCEPTS);
}
