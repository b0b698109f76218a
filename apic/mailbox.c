/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mailbox of a vCPU, and what is notified when mail comes: the CPU that runs it, the CPU that wakes it,
 * or nobody while it waits for a CPU. Each step has its name in tests/model/mailbox.pml, where Spin proves
 * that no mail is left behind.
 *
 * A level-triggered interrupt takes another way, through level_mail: TMR and the backend's list of vectors
 * whose EOI must exit have to be right before the guest sees it, so only software may collect it.
 */
#include "apic/vlapic_state.h"
#include "arch/x86/percpu.h"
#include "arch/x86/trap.h"
#include "sched/sched.h"

_Static_assert(VECTOR_POSTED != VECTOR_WAKEUP && VECTOR_POSTED != VECTOR_KICK && VECTOR_WAKEUP != VECTOR_KICK,
               "the vector tells how a vCPU is reached");

/* notify: to the vCPU's own CPU by a word, as it is in root mode; to others by the vector that it waits for.
 */
static void notify(struct vcpu *v, uint64_t control)
{
    uint32_t cpu = pid_decode_destination(PID_DESTINATION(control), lapic_in_x2apic_mode());
    unsigned vector = PID_VECTOR(control);

    if (cpu == this_cpu()->apic_id) {
        if (vector == VECTOR_WAKEUP)
            vcpu_ask(v, ASKED_MAIL); /* another one runs here meanwhile */
        else
            vcpu_note(v, ASKED_MAIL);
        return;
    }
    if (vector != VECTOR_POSTED) /* spares the target an exit when it is in root mode anyway */
        vcpu_note(v, ASKED_MAIL);
    lapic_ipi(cpu, ICR_ASSERT | vector);
}

/* post */
void vlapic_post_edge(struct pid *pid, unsigned vector)
{
    uint64_t control;

    if (pid_post(pid, vector, &control))
        notify(((struct vlapic *)((uint8_t *)pid - offsetof(struct vlapic, pid)))->vcpu, control);
}

void vlapic_post(struct vcpu *v, unsigned vector, bool level)
{
    struct vlapic *a = v->lapic;

    if (level) {
        __atomic_fetch_or(&a->level_mail[vector / 64], BIT(vector % 64), __ATOMIC_SEQ_CST);
        vcpu_ask(v, ASKED_MAIL);
        return;
    }
    if (test_vector(a, REG_TMR, vector)) /* its EOI may still exit: in vain, but without harm */
        __atomic_fetch_and(vector_word(a, REG_TMR, vector), ~(uint32_t)BIT(vector % 32), __ATOMIC_RELAXED);
    vlapic_post_edge(&a->pid, vector);
}

/* A processor handles one and keeps one more. */
void vlapic_post_nmi(struct vcpu *v)
{
    uint32_t old = v->asked;

    while (!__atomic_compare_exchange_n(&v->asked, &old, old | (old & ASKED_NMI ? ASKED_NMIS : ASKED_NMI),
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    vcpu_ask(v, 0);
}

static void collect_edge(struct vlapic *a)
{
    uint64_t mail[4];

    pid_collect(&a->pid, mail);
    a->requested = true;
    a->vcpu->due |= DUE_IRQ;
    for (unsigned i = 0; i < 4; i++) {
        if (!mail[i])
            continue;
        *vector_word(a, REG_IRR, i * 64) |= (uint32_t)mail[i];
        *vector_word(a, REG_IRR, i * 64 + 32) |= (uint32_t)(mail[i] >> 32);
    }
}

static void collect_level(struct vlapic *a)
{
    for (unsigned word = 0; word < 4; word++) {
        uint64_t mail =
            a->level_mail[word] ? __atomic_exchange_n(&a->level_mail[word], 0, __ATOMIC_ACQ_REL) : 0;

        for (; mail; mail &= mail - 1) {
            unsigned vector = word * 64 + (unsigned)__builtin_ctzll(mail);

            __atomic_fetch_or(vector_word(a, REG_TMR, vector), (uint32_t)BIT(vector % 32), __ATOMIC_RELAXED);
            request_vector(a, vector);
            a->level_changed = true;
        }
    }
}

static bool level_mail(const struct vlapic *a)
{
    return a->level_mail[0] | a->level_mail[1] | a->level_mail[2] | a->level_mail[3];
}

void vlapic_discard_mail(struct vcpu *v)
{
    uint64_t discarded[4];

    pid_collect(&v->lapic->pid, discarded);
    for (unsigned i = 0; i < 4; i++)
        __atomic_store_n(&v->lapic->level_mail[i], 0, __ATOMIC_RELAXED);
}

/* collect */
void vlapic_collect(struct vcpu *v)
{
    struct vlapic *a = v->lapic;

    if (pid_has_mail(&a->pid))
        collect_edge(a);
    if (level_mail(a))
        collect_level(a);
}

static inline void direct(struct vlapic *a, unsigned vector)
{
    pid_direct(&a->pid, vector, pid_encode_destination(this_cpu()->apic_id, lapic_in_x2apic_mode()));
}

static unsigned running_vector(const struct vlapic *a)
{
    return a->posted ? VECTOR_POSTED : VECTOR_KICK;
}

INLINED void vlapic_schedule_in(struct vcpu *v)
{
    struct vlapic *a = v->lapic;

    a->running = true;
    direct(a, running_vector(a));
    if (pid_any_mail(&a->pid)) { /* whatever ON says: it stayed clear while SN was set */
        collect_edge(a);
    }
    if (a->expires && rdtsc() >= a->expires)
        v->due |= DUE_TIMER;
}

void vlapic_schedule_out(struct vcpu *v)
{
    v->lapic->running = false;
    pid_suppress(&v->lapic->pid);
}

bool vlapic_block(struct vcpu *v)
{
    v->lapic->running = false;
    direct(v->lapic, VECTOR_WAKEUP);
    if (!pid_any_mail(&v->lapic->pid))
        return true;
    vlapic_unblock(v);
    return false;
}

void vlapic_unblock(struct vcpu *v)
{
    v->lapic->running = true;
    direct(v->lapic, running_vector(v->lapic));
}

bool vlapic_has_mail(const struct vcpu *v)
{
    return pid_has_mail(&v->lapic->pid) || level_mail(v->lapic);
}

void vlapic_use_posted(struct vcpu *v, bool on)
{
    v->lapic->posted = on;
    if (v->lapic->running)
        direct(v->lapic, running_vector(v->lapic));
}
