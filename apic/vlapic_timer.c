/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's timer (SDM volume 3, "APIC timer"). Its input clock is the guest's TSC: CPUID 15h says so.
 */
#include "apic/vlapic_state.h"
#include "arch/x86/cpu.h"
#include "core/base/machine.h"

#define MOST_TICKS                                                                                         \
    5000 /* of a periodic timer a second: one with less between them would leave no time for anything else \
          */

static unsigned divide_shift(uint32_t dcr)
{
    unsigned code = (dcr & 3) | (dcr >> 1 & 4);

    return code == 7 ? 0 : code + 1;
}

static void arm(struct vlapic *a, uint64_t host_tsc)
{
    a->expires = host_tsc;
    if (!a->hv_timer)
        lapic_timer_set(TIMER_GUEST, host_tsc);
}

void vlapic_timer_disarm(struct vlapic *a)
{
    a->deadline = 0;
    arm(a, 0);
}

void vlapic_timer_reset(struct vcpu *v)
{
    struct vlapic *a = v->lapic;

    a->deadline = a->expires = a->period = 0;
    a->lvt_timer = get(a, LAPIC_LVT_TIMER);
    a->divide = get(a, LAPIC_TIMER_DCR);
    vlapic_fastpath_follow(a);
}

static bool deadline_mode(const struct vlapic *a)
{
    return (a->lvt_timer & LVT_MODE) == LVT_DEADLINE;
}

void vlapic_fastpath_follow(const struct vlapic *a)
{
    struct fastpath *f = &a->vcpu->fast;
    unsigned vector = a->lvt_timer & 0xff;

    f->deadline_mode = deadline_mode(a) && !a->tsc.multiplier;
    f->vector_open = !(a->lvt_timer & LVT_MASKED) && vector >= FIRST_VECTOR && software_enabled(a);
    f->vector = (uint8_t)vector;
    f->irr = (uint16_t)(REG_IRR + vector / 32 * 16);
    f->irr_bit = (uint32_t)BIT(vector % 32);
    f->x2apic = x2apic_mode(a) && software_enabled(a);
    f->mailboxes = a->vcpu->vm->pid_table;
}

/* now + ticks, as late as can be said. */
static uint64_t after(uint64_t now, uint64_t ticks)
{
    return now + MIN(ticks, UINT64_MAX - now);
}

static uint64_t host_ticks(const struct vlapic *a, uint32_t count)
{
    return guest_tsc_unscale(&a->tsc, (uint64_t)count << divide_shift(a->divide));
}

/* The count register may say less. */
static uint64_t period_of(const struct vlapic *a, uint32_t initial)
{
    uint64_t ticks = host_ticks(a, initial);

    if (!initial || (a->lvt_timer & LVT_MODE) != LVT_PERIODIC)
        return ticks;
    return MAX(ticks, machine.tsc_hz / MOST_TICKS);
}

static void set_deadline(struct vlapic *a, uint64_t guest_tsc, uint64_t now)
{
    uint64_t guest_now = guest_tsc_at(&a->tsc, now);
    uint64_t ahead = guest_tsc > guest_now ? guest_tsc_unscale(&a->tsc, guest_tsc - guest_now) : 0;

    a->deadline = guest_tsc;
    arm(a, guest_tsc ? after(now, ahead) : 0);
}

uint32_t vlapic_timer_count(const struct vlapic *a)
{
    uint64_t now = rdtsc();

    if (deadline_mode(a) || !a->expires || a->expires <= now)
        return 0;
    return (uint32_t)MIN(guest_tsc_scale(&a->tsc, a->expires - now) >> divide_shift(a->divide),
                         get(a, LAPIC_TIMER_ICR));
}

static NOINLINE unsigned timer_fires(struct vcpu *v, uint64_t now)
{
    struct vlapic *a = v->lapic;
    uint32_t lvt = a->lvt_timer;

    a->deadline = 0;
    if ((lvt & LVT_MODE) == LVT_PERIODIC && a->period) {
        uint64_t next = a->expires + a->period;

        /* Ticks that nobody could take are not made up for. */
        arm(a, next > now ? next : now + a->period - (now - a->expires) % a->period);
    } else {
        a->expires = 0;
    }
    if ((lvt & LVT_MASKED) || !software_enabled(a))
        return 0;
    if ((lvt & 0xff) < FIRST_VECTOR) {
        vlapic_error(a, ESR_RECEIVE_VECTOR);
        return 0;
    }
    set_vector(a, REG_IRR, lvt & 0xff);
    a->requested = true;
    return lvt & 0xff;
}

static INLINED unsigned expire(struct vcpu *v, uint64_t now)
{
    /* Not armed is 0, which is never that much later than now. */
    return unlikely(v->lapic->expires - 1 < now) ? timer_fires(v, now) : 0;
}

unsigned vlapic_timer_expire(struct vcpu *v)
{
    return expire(v, rdtsc());
}

void vlapic_timer_fire_if_due(struct vcpu *v)
{
    if (v->lapic->expires && vlapic_timer_expire(v))
        v->due |= DUE_IRQ;
}

/* --- registers --- */

void vlapic_timer_write_initial(struct vcpu *v, uint32_t value)
{
    struct vlapic *a = v->lapic;

    if (deadline_mode(a)) {
        set(a, LAPIC_TIMER_ICR, 0);
        return;
    }
    vlapic_timer_fire_if_due(v);
    set(a, LAPIC_TIMER_ICR, value);
    a->period = period_of(a, value);
    arm(a, value ? after(rdtsc(), a->period) : 0);
    v->due |= DUE_TIMER;
}

void vlapic_timer_write_divide(struct vcpu *v, uint32_t value)
{
    struct vlapic *a = v->lapic;
    uint32_t left;

    vlapic_timer_fire_if_due(v);
    left = vlapic_timer_count(a);
    a->divide = value & 0xb;
    set(a, LAPIC_TIMER_DCR, a->divide);
    a->period = period_of(a, get(a, LAPIC_TIMER_ICR));
    if (left)
        arm(a, after(rdtsc(), host_ticks(a, left)));
    v->due |= DUE_TIMER;
}

void vlapic_timer_write_lvt(struct vlapic *a, uint32_t value)
{
    bool disarm = (a->lvt_timer ^ value) & LVT_DEADLINE;

    a->lvt_timer = value;
    a->period = period_of(a, get(a, LAPIC_TIMER_ICR));
    vlapic_fastpath_follow(a);
    if (!disarm)
        return;
    /* "Local APIC timer modes": switching into or out of TSC-deadline mode disarms */
    set(a, LAPIC_TIMER_ICR, 0);
    vlapic_timer_disarm(a);
    a->vcpu->due |= DUE_TIMER;
}

uint64_t vlapic_read_deadline(struct vcpu *v)
{
    vlapic_timer_fire_if_due(v);
    return deadline_mode(v->lapic) ? v->lapic->deadline : 0;
}

void vlapic_write_deadline(struct vcpu *v, uint64_t guest_tsc)
{
    uint64_t now = rdtsc();

    if (!deadline_mode(v->lapic))
        return;
    if (expire(v, now))
        v->due |= DUE_IRQ;
    set_deadline(v->lapic, guest_tsc, now);
    if (expire(v, now)) /* it was in the past */
        v->due |= DUE_IRQ;
}

/* --- what watches the deadline --- */

void vlapic_use_hv_timer(struct vcpu *v, bool on)
{
    struct vlapic *a = v->lapic;

    if (on && !a->hv_timer)
        lapic_timer_set(TIMER_GUEST, 0);
    a->hv_timer = on;
    if (!on)
        lapic_timer_set(TIMER_GUEST, a->expires);
}

uint64_t vlapic_expires(const struct vcpu *v)
{
    return v->lapic->expires;
}

uint64_t vlapic_backend_deadline(const struct vcpu *v)
{
    return v->lapic->hv_timer ? v->lapic->expires : 0;
}

void vlapic_timer_to_host(struct vcpu *v)
{
    if (v->lapic->hv_timer && v->lapic->expires)
        lapic_timer_set(TIMER_GUEST, v->lapic->expires);
}

void vlapic_timer_from_host(struct vcpu *v)
{
    if (v->lapic->hv_timer)
        lapic_timer_set(TIMER_GUEST, 0);
}

void vlapic_set_tsc(struct vcpu *v, const struct guest_tsc *tsc)
{
    struct vlapic *a = v->lapic;

    a->tsc = *tsc;
    vlapic_fastpath_follow(a);
    v->due |= DUE_TIMER;
    if (deadline_mode(a) && a->deadline)
        set_deadline(a, a->deadline, rdtsc());
}

uint64_t vlapic_tsc(const struct vcpu *v)
{
    return guest_tsc_at(&v->lapic->tsc, rdtsc());
}

void vlapic_shift_time(struct vcpu *v, const struct guest_tsc *tsc, uint64_t host_ticks)
{
    struct vlapic *a = v->lapic;

    a->tsc = *tsc;
    if (a->expires)
        a->expires = after(a->expires, host_ticks);
}
