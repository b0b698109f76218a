/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/prepare.h"
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "sched/sched.h"
#include "sched/vm_run.h"
#include "vcpu/msr.h"
#include "vcpu/state.h"

/* Behind these the backend may have to watch for another deadline. */
#define MOVES_DEADLINE ((uint64_t)(DUE_RUN | DUE_INACTIVE | DUE_TIMER) << 32 | ASKED_RESCHED | ASKED_INIT)

#define MOST_NMIS 2u

static bool must_leave(const struct vcpu *v)
{
    return !vm_may_run(v->vm) || this_cpu()->leave || this_cpu()->work;
}

/* False, for the caller to hand on: the run ends, for this reason. */
bool vcpu_end_run(struct vcpu *v, enum run_end end)
{
    state_of(v)->end = end;
    return false;
}

static bool leave_if_asked(struct vcpu *v)
{
    return !must_leave(v) || vcpu_end_run(v, RUN_LEFT);
}

static bool flush(struct vcpu *v)
{
    vcpu_take(v, ASKED_FLUSH);
    backend.sync_tables(v);
    return true;
}

static bool work_for_devices(struct vcpu *v)
{
    vcpu_take(v, ASKED_DEVICES);
    v->vm->device_work(v->vm);
    return true;
}

/* --- waiting --- */

/* Who has changed the tables waits until this CPU has seen it: the kick for that may have come already. */
static void idle_until_kick(struct vcpu *v)
{
    bool in_guest;

    if (v->asked & ASKED_FLUSH)
        flush(v);
    if ((v->asked & ASKED_WAKES) || !vlapic_block(v)) {
        sched_look_around();
        return;
    }
    in_guest = v->cpu->timer_in_guest;
    vlapic_timer_to_host(v);
    vcpu_console_time(v->cpu, false);
    if (!v->cpu->id)
        console_idle();
    wait_for_interrupt();
    vcpu_console_time(v->cpu, in_guest);
    vlapic_timer_from_host(v);
    vlapic_unblock(v);
}

/* KVM's PV_UNHALT: for this HLT, or one before which it came. */
static bool take_unhalt(struct vcpu *v)
{
    bool unhalted = v->pv.unhalted;

    if (v->asked & ASKED_UNHALT) {
        vcpu_take(v, ASKED_UNHALT);
        unhalted = true;
    }
    v->pv.unhalted = false;
    return unhalted;
}

/* HLT: until something ends it. False when the vCPU must leave instead, as it does to wait on a shared CPU.
 */
static bool wait_for_event(struct vcpu *v, bool interrupts)
{
    for (;;) {
        if (unlikely(v->dead && (v->asked & (ASKED_NMI | ASKED_INIT | ASKED_UNHALT))))
            v->dead = false; /* before the note is taken: a mate that looks sees one of both */
        if (v->asked & (ASKED_LEAVE | ASKED_MAIL))
            vcpu_take(v, ASKED_LEAVE | ASKED_MAIL); /* both are looked at from here on */
        if (must_leave(v))
            return vcpu_end_run(v, RUN_LEFT);
        if (v->asked & ASKED_DEVICES)
            work_for_devices(v);
        vlapic_update(v);
        if ((interrupts && vlapic_pending(v) >= 0) || (v->asked & (ASKED_NMI | ASKED_INIT)) ||
            state_of(v)->nmis || take_unhalt(v))
            return true;
        if (!interrupts && !v->dead)
            vcpu_dead(v);
        else if (v->sched)
            return vcpu_end_run(v, RUN_BLOCKED);
        else
            idle_until_kick(v);
    }
}

NOINLINE bool vcpu_halt(struct vcpu *v)
{
    v->activity = HALTED;
    if (!wait_for_event(v, backend.get(v, GUEST_RFLAGS) & RFLAGS_IF))
        return false;
    v->activity = ACTIVE;
    v->dead = false;
    v->due = (v->due & ~DUE_TIMER) | DUE_IRQ; /* the timer has been looked at */
    backend.deadline_moved(v);
    state_of(v)->exit_tsc = rdtsc(); /* the wait is not our time */
    return true;
}

/* The TSCs of a VM show the same: each vCPU begins with the offset that vCPU 0 began with. */
COLD void vcpu_start_tsc(struct vcpu *v)
{
    struct vm *vm = v->vm;

    if (v->id == 0) {
        vm->tsc_started = true;
        vm->tsc_offset = -guest_tsc_scale(&state_of(v)->tsc, rdtsc());
    }
    state_of(v)->tsc_started = true;
    vcpu_set_tsc_offset(v, vm->tsc_offset);
}

static COLD void report_first_entry(void)
{
    static bool reported;

    if (__atomic_exchange_n(&reported, true, __ATOMIC_RELAXED))
        return;
    log_info("first guest entry %llu TSC ticks after the Multiboot2 entry",
             (unsigned long long)(rdtsc() - machine.entry_tsc));
}

COLD void vcpu_begin_life(struct vcpu *v)
{
    report_first_entry();
    if (v->id == 0 && !v->vm->tsc_started)
        vcpu_start_tsc(v); /* the others begin behind SIPI */
}

/* One and one more. Of those that came during the first, all but one are lost. */
static bool take_nmi(struct vcpu *v)
{
    uint32_t asked = vcpu_take(v, ASKED_NMIS);
    unsigned came = (asked & ASKED_NMI ? 1u : 0) + (asked == ASKED_NMIS ? 1u : 0);

    if (!came)
        return true;
    state_of(v)->nmis = (uint8_t)MIN(state_of(v)->nmis + came, MOST_NMIS);
    v->due |= DUE_EVENT;
    return true;
}

static void take_init(struct vcpu *v)
{
    if (v->activity == WAIT_FOR_SIPI)
        return; /* there it means nothing */
    if (v->id == 0) {
        vm_request_end(v->vm, VM_END_RESET, "has reset itself by INIT");
        return;
    }
    vlapic_init(v);
    backend.init(v);
    v->activity = WAIT_FOR_SIPI;
}

static void start_up(struct vcpu *v, unsigned vector)
{
    backend.startup(v, vector);
    if (!state_of(v)->tsc_started)
        vcpu_start_tsc(v);
    v->dead = false;
    v->activity = ACTIVE;
}

/* INIT, and the wait for SIPI behind it. False when the vCPU must leave. */
static bool take_init_and_startup(struct vcpu *v)
{
    do {
        uint32_t asked;

        if (v->asked & ASKED_STARTUP)
            v->dead = false; /* as in wait_for_event() */
        asked =
            __atomic_fetch_and(&v->asked, ~(ASKED_LEAVE | ASKED_INIT | ASKED_STARTUP_BITS), __ATOMIC_SEQ_CST);

        if (asked & ASKED_INIT)
            take_init(v);
        if (must_leave(v))
            return vcpu_end_run(v, RUN_LEFT);
        if (v->activity != WAIT_FOR_SIPI)
            break; /* to a CPU that runs SIPI means nothing */
        if (v->asked & ASKED_DEVICES)
            work_for_devices(v);
        vcpu_take(v, ASKED_MAIL | ASKED_UNHALT); /* it hears nothing else, but for an NMI behind SIPI */
        take_nmi(v);
        if (asked & ASKED_STARTUP)
            start_up(v, ASKED_VECTOR(asked));
        else if (!v->dead)
            vcpu_dead(v);
        else if (v->sched)
            return vcpu_end_run(v, RUN_BLOCKED);
        else
            idle_until_kick(v);
    } while (v->activity == WAIT_FOR_SIPI);
    return true;
}

/* While it waited, tables may have changed: FLUSH has had its turn, and its kick has come. */
static COLD bool become_active(struct vcpu *v)
{
    v->due &= ~DUE_INACTIVE;
    if (!take_init_and_startup(v) || (v->activity == HALTED && !vcpu_halt(v)))
        return false;
    return !(v->asked & ASKED_FLUSH) || flush(v);
}

/* --- a step for each bit --- */

static bool leave_step(struct vcpu *v)
{
    vcpu_take(v, ASKED_LEAVE);
    return leave_if_asked(v);
}

static bool reschedule(struct vcpu *v)
{
    vcpu_take(v, ASKED_RESCHED);
    return !v->sched || !sched_look() || vcpu_end_run(v, RUN_PREEMPTED);
}

/* Not in HLT: the next one does not begin. */
static bool keep_unhalt(struct vcpu *v)
{
    v->pv.unhalted = take_unhalt(v);
    return true;
}

static bool collect_mail(struct vcpu *v)
{
    vcpu_take(v, ASKED_MAIL);
    vlapic_collect(v);
    return true;
}

/* Nobody had to leave a note while it did not run. */
static bool first_entry(struct vcpu *v)
{
    v->due &= ~DUE_RUN;
    return leave_if_asked(v);
}

static bool settle_eoi_step(struct vcpu *v)
{
    vlapic_settle_eoi(v);
    return true;
}

static bool look_at_timer(struct vcpu *v)
{
    v->due &= ~DUE_TIMER;
    vlapic_timer_fire_if_due(v);
    return true;
}

static bool deliver_step(struct vcpu *v)
{
    v->due &= ~(DUE_IRQ | DUE_EVENT);
    backend.deliver(v);
    return true;
}

#define ASKED(bit) [__builtin_ctz(ASKED_##bit)]
#define DUE(bit)   [32 + __builtin_ctz(DUE_##bit)]

/* False: the run ends. In the order of the bits; a step may make a later one due. */
static bool (*const steps[])(struct vcpu *v) = {
    ASKED(LEAVE) = leave_step,
    ASKED(FLUSH) = flush,
    ASKED(RESCHED) = reschedule,
    ASKED(INIT) = become_active,
    ASKED(STARTUP) = become_active,
    ASKED(UNHALT) = keep_unhalt,
    ASKED(DEVICES) = work_for_devices,
    ASKED(MAIL) = collect_mail,
    ASKED(NMI) = take_nmi,
    [__builtin_ctz(ASKED_NMIS & ~ASKED_NMI)] = take_nmi,
    DUE(RUN) = first_entry,
    DUE(INACTIVE) = become_active,
    DUE(EOI) = settle_eoi_step,
    DUE(TIMER) = look_at_timer,
    DUE(IRQ) = deliver_step,
    DUE(EVENT) = deliver_step,
};

_Static_assert(ARRAY_SIZE(steps) == 32 + __builtin_ctz(DUE_EVENT) + 1 && DUE_ALL < 2 * DUE_EVENT,
               "the last bit has the last one");
_Static_assert((ASKED_LEAVE | ASKED_FLUSH | ASKED_RESCHED | ASKED_INIT | ASKED_STARTUP | ASKED_UNHALT |
                ASKED_DEVICES | ASKED_MAIL | ASKED_NMIS) == 0x3ff,
               "each has its own");

/* Each bit once at most: what becomes due behind its step is for the exit after this entry (an EOI that is
 * offered). */
NOINLINE bool vcpu_prepare(struct vcpu *v, uint64_t which)
{
    uint64_t taken = 0, now;

    while ((now = v->pending & which)) {
        unsigned bit = (unsigned)__builtin_ctzll(now);

        taken |= now;
        which &= (UINT64_MAX - 1) << bit;
        if (!steps[bit](v))
            return false;
    }
    if (taken & MOVES_DEADLINE)
        backend.deadline_moved(v);
    return true;
}
