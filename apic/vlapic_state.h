/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual local APIC from the inside: for the files of apic/ that are parts of it, and for
 * vmx/fastpath.asm, which arms its timer and fires it. Nobody else. */
#pragma once

#include "apic/guest_tsc.h"
#include "apic/pid_table.h"
#include "apic/vlapic.h"
#include "arch/x86/lapic.h"
#include "arch/x86/msr.h"
#include "core/vm/vm.h"

/* Registers beyond those the host driver uses. */
#define REG_TPR       0x080u
#define REG_PPR       0x0a0u
#define REG_LDR       0x0d0u
#define REG_DFR       0x0e0u
#define REG_ISR       0x100u
#define REG_TMR       0x180u
#define REG_IRR       0x200u
#define REG_ESR       0x280u
#define REG_LVT_THERM 0x330u
#define REG_LVT_PERF  0x340u
#define REG_SELF_IPI  0x3f0u
#define REG_END       0x400u

#define SVR_ENABLED        0x100u
#define SVR_NO_BROADCAST   0x1000u
#define LVT_MASKED         0x10000u
#define LVT_MODE           0x60000u
#define LVT_PERIODIC       0x20000u
#define LVT_DEADLINE       0x40000u
#define ESR_SEND_VECTOR    0x20u
#define ESR_RECEIVE_VECTOR 0x40u
#define ESR_REGISTER       0x80u

struct vlapic {
    uint8_t regs[PAGE_SIZE] ALIGNED(4096); /* the virtual-APIC page */
    struct pid pid; /* at a page boundary: Bochs 3.0 demands more than the 64 bytes of the SDM */
    struct guest_tsc tsc;
    uint64_t deadline;      /* TSC-deadline mode: guest TSC, 0 disarmed */
    uint64_t expires;       /* host TSC when the timer fires, in any mode; 0 disarmed */
    uint64_t level_mail[4]; /* level-triggered vectors: only software collects them (mailbox.c) */
    struct vcpu *vcpu;
    uint64_t base;        /* IA32_APIC_BASE */
    uint64_t period;      /* host TSC ticks, periodic mode */
    uint32_t esr_pending; /* shown by the next write to ESR */
    /* As last acted upon: the processor may put a guest's write into the page before we hear of it. */
    uint32_t svr, lvt_timer, divide;
    bool hv_timer;      /* the backend watches the deadline */
    bool posted;        /* the processor collects while the vCPU runs */
    bool running;       /* on a CPU, not halted */
    bool tpr_shadow;    /* the processor may change TPR unseen */
    bool level_changed; /* a vector became level-triggered */
    bool requested;     /* IRR, or whether it counts, was changed by software since the backend asked */
};

_Static_assert(offsetof(struct vlapic, regs) == 0, "the page comes first");
_Static_assert(offsetof(struct vlapic, pid) == PAGE_SIZE, "at a page boundary");
_Static_assert(REG_TMR == REG_ISR + 256 / 32 * 16 && REG_IRR == REG_TMR + 256 / 32 * 16,
               "a bit for each vector");

static inline uint32_t get(const struct vlapic *a, unsigned reg)
{
    return *(const uint32_t *)(a->regs + reg);
}

static inline void set(struct vlapic *a, unsigned reg, uint32_t value)
{
    *(uint32_t *)(a->regs + reg) = value;
}

/* IRR, ISR and TMR: 32 bits in every 16 bytes. TMR is also cleared by other CPUs. */
static inline uint32_t *vector_word(const struct vlapic *a, unsigned base, unsigned vector)
{
    return (uint32_t *)(a->regs + base + vector / 32 * 16);
}

static inline bool test_vector(const struct vlapic *a, unsigned base, unsigned vector)
{
    return *vector_word(a, base, vector) >> vector % 32 & 1;
}

static inline void set_vector(struct vlapic *a, unsigned base, unsigned vector)
{
    *vector_word(a, base, vector) |= (uint32_t)BIT(vector % 32);
}

static inline void request_vector(struct vlapic *a, unsigned vector)
{
    set_vector(a, REG_IRR, vector);
    a->requested = true;
    a->vcpu->due |= DUE_IRQ;
}

static inline void clear_vector(struct vlapic *a, unsigned base, unsigned vector)
{
    *vector_word(a, base, vector) &= ~(uint32_t)BIT(vector % 32);
}

/* The highest vector that is set, or -1. */
int highest_vector(const struct vlapic *a, unsigned base);

/* What PPR would say now: with TPR shadow the register is behind. From any CPU. */
uint32_t processor_priority(const struct vlapic *a);

static inline bool x2apic_mode(const struct vlapic *a)
{
    return a->base & APIC_BASE_X2APIC;
}

static inline bool software_enabled(const struct vlapic *a)
{
    return (a->base & APIC_BASE_ENABLE) && (a->svr & SVR_ENABLED);
}

/* "Error handling": the bit shows with the next write to the ESR; the LVT error entry interrupts at once. */
void vlapic_error(struct vlapic *a, uint32_t bit);

/* vlapic.c: of the highest vector in service. */
void vlapic_end_of_interrupt(struct vcpu *v);

/* At the exit after an offer, before the registers are used. */
static inline void settle_eoi(struct vcpu *v)
{
    if (unlikely(v->due & DUE_EOI))
        vlapic_settle_eoi(v);
}

/* mailbox.c */
void vlapic_post_edge(struct pid *pid, unsigned vector);
void vlapic_discard_mail(struct vcpu *v); /* or is lost */

/* ipi.c: acts on a value written to the ICR, destination in the upper half. */
void vlapic_send_ipi(struct vcpu *v, uint64_t icr);

/* vlapic_timer.c */
void vlapic_timer_reset(struct vcpu *v);
void vlapic_fastpath_follow(const struct vlapic *a); /* behind each change of its mode, vector or rate, or of
                                                        what lets it interrupt */
void vlapic_timer_disarm(struct vlapic *a);
void vlapic_timer_write_initial(struct vcpu *v, uint32_t value);
void vlapic_timer_write_divide(struct vcpu *v, uint32_t value);
void vlapic_timer_write_lvt(struct vlapic *a, uint32_t value); /* the page has it already */
uint32_t vlapic_timer_count(const struct vlapic *a);
