/* SPDX-License-Identifier: BSD-2-Clause */
#include "apic/vlapic.h"

#include "apic/pid.h"
#include "apic/vioapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"
#include "core/backend.h"
#include "core/log.h"

/* Registers beyond those the host driver uses. */
#define REG_TPR       0x080u
#define REG_PPR       0x0a0u
#define REG_LDR       0x0d0u
#define REG_DFR       0x0e0u
#define REG_ISR       0x100u
#define REG_TMR       0x180u
#define REG_IRR       0x200u
#define REG_ESR       0x280u
#define REG_LVT_CMCI  0x2f0u
#define REG_LVT_THERM 0x330u
#define REG_LVT_PERF  0x340u
#define REG_SELF_IPI  0x3f0u
#define REG_END       0x400u

#define VERSION_VALUE      0x01050014u /* integrated, 6 LVT entries, EOI broadcast suppression */
#define SVR_ENABLED        0x100u
#define SVR_NO_BROADCAST   0x1000u
#define LVT_MASKED         0x10000u
#define LVT_MODE           0x60000u
#define LVT_PERIODIC       0x20000u
#define LVT_DEADLINE       0x40000u
#define LVT_VALID          0x107ffu /* delivery status is read-only */
#define ESR_SEND_VECTOR    0x20u
#define ESR_RECEIVE_VECTOR 0x40u
#define ESR_REGISTER       0x80u
#define FIRST_VECTOR       16

#define ICR_VECTOR(x)    ((unsigned)(x)&0xff)
#define ICR_MODE(x)      ((unsigned)((x) >> 8) & 7)
#define ICR_LOGICAL      BIT(11)
#define ICR_ASSERTED     BIT(14)
#define ICR_LEVEL        BIT(15)
#define ICR_TO_SELF      0x40000u
#define ICR_SHORTHAND(x) ((unsigned)((x) >> 18) & 3)
enum shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };
enum delivery { FIXED, LOWEST, SMI, RESERVED_MODE, NMI, INIT, STARTUP, EXTINT };

struct vlapic {
    uint8_t regs[PAGE_SIZE] ALIGNED(4096); /* the virtual-APIC page */
    struct pid pid;
    uint64_t level[4]; /* vectors posted as level-triggered, not yet seen by vlapic_update */
    uint64_t base;     /* IA32_APIC_BASE */
    uint64_t tsc_offset;
    uint64_t deadline;    /* TSC-deadline mode: guest TSC, 0 disarmed */
    uint64_t expires;     /* host TSC when the timer fires, in any mode; 0 disarmed */
    uint64_t period;      /* TSC ticks, periodic mode */
    uint32_t esr_pending; /* shown by the next write to ESR */
    bool nmi;
    bool hv_timer; /* the backend watches the deadline */
};

_Static_assert(offsetof(struct vlapic, regs) == 0, "the page comes first");

static uint32_t get(const struct vlapic *a, unsigned reg)
{
    return *(const uint32_t *)(a->regs + reg);
}

static void set(struct vlapic *a, unsigned reg, uint32_t value)
{
    *(uint32_t *)(a->regs + reg) = value;
}

/* IRR, ISR and TMR: 32 bits in every 16 bytes. */
static bool test_vector(const struct vlapic *a, unsigned base, unsigned vector)
{
    return get(a, base + vector / 32 * 16) >> vector % 32 & 1;
}

static void change_vector(struct vlapic *a, unsigned base, unsigned vector, bool on)
{
    unsigned reg = base + vector / 32 * 16;
    uint32_t bit = (uint32_t)BIT(vector % 32);

    set(a, reg, on ? get(a, reg) | bit : get(a, reg) & ~bit);
}

static int highest_vector(const struct vlapic *a, unsigned base)
{
    for (int i = 7; i >= 0; i--) {
        uint32_t word = get(a, base + (unsigned)i * 16);

        if (word)
            return i * 32 + 31 - __builtin_clz(word);
    }
    return -1;
}

static bool x2apic_mode(const struct vlapic *a)
{
    return a->base & APIC_BASE_X2APIC;
}

static bool software_enabled(const struct vlapic *a)
{
    return (a->base & APIC_BASE_ENABLE) && (get(a, LAPIC_SVR) & SVR_ENABLED);
}

bool vlapic_x2apic_allowed(const struct vcpu *v)
{
    return v->vm->config->x2apic;
}

bool vlapic_hardware_enabled(const struct vcpu *v)
{
    return v->lapic->base & APIC_BASE_ENABLE;
}

static void update_ppr(struct vlapic *a)
{
    int in_service = highest_vector(a, REG_ISR);
    uint32_t tpr = get(a, REG_TPR), isrv = in_service > 0 ? (uint32_t)in_service & 0xf0 : 0;

    set(a, REG_PPR, (tpr & 0xf0) >= isrv ? tpr : isrv);
}

/* --- creation and reset --- */

bool vlapic_create(struct vcpu *v)
{
    uint64_t pages = ALIGN_UP(sizeof(struct vlapic), PAGE_SIZE) / PAGE_SIZE;

    v->lapic = memory_alloc_zeroed(&v->vm->account, MEMORY_STATE, pages);
    return v->lapic != NULL;
}

static uint32_t x2apic_ldr(const struct vcpu *v)
{
    return v->apic_id >> 4 << 16 | (uint32_t)BIT(v->apic_id & 15);
}

static void set_mode_registers(const struct vcpu *v)
{
    struct vlapic *a = v->lapic;

    set(a, LAPIC_ID, x2apic_mode(a) ? v->apic_id : v->apic_id << 24);
    if (x2apic_mode(a))
        set(a, REG_LDR, x2apic_ldr(v));
}

static void reset_registers(const struct vcpu *v)
{
    static const unsigned lvts[] = {REG_LVT_CMCI,    LAPIC_LVT_TIMER, REG_LVT_THERM,  REG_LVT_PERF,
                                    LAPIC_LVT_LINT0, LAPIC_LVT_LINT1, LAPIC_LVT_ERROR};
    struct vlapic *a = v->lapic;

    memset(a->regs, 0, sizeof(a->regs));
    for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
        set(a, lvts[i], LVT_MASKED);
    set(a, LAPIC_VERSION, VERSION_VALUE);
    set(a, LAPIC_SVR, 0xff);
    set(a, REG_DFR, UINT32_MAX);
    a->deadline = a->expires = a->period = 0;
    a->esr_pending = 0;
    set_mode_registers(v);
}

void vlapic_init(struct vcpu *v)
{
    uint64_t discarded[4];

    pid_collect(&v->lapic->pid, discarded);
    memset(v->lapic->level, 0, sizeof(v->lapic->level));
    v->lapic->nmi = false;
    reset_registers(v);
    lapic_timer_arm(0);
}

void vlapic_reset(struct vcpu *v)
{
    struct vlapic *a = v->lapic;

    memset(a, 0, sizeof(*a));
    a->base = VLAPIC_BASE | APIC_BASE_ENABLE | (v->id ? 0 : APIC_BASE_BSP);
    reset_registers(v);
}

/* --- errors --- */

/* "Error handling": the bit shows with the next write to the ESR; the LVT error entry interrupts at once. */
static void set_error(struct vlapic *a, uint32_t bit)
{
    uint32_t lvt = get(a, LAPIC_LVT_ERROR);

    a->esr_pending |= bit;
    if (!(lvt & LVT_MASKED) && ICR_VECTOR(lvt) >= FIRST_VECTOR && software_enabled(a))
        change_vector(a, REG_IRR, ICR_VECTOR(lvt), true);
}

/* --- delivery --- */

void vlapic_post(struct vcpu *v, unsigned vector, bool level)
{
    struct vlapic *a = v->lapic;

    if (level)
        __atomic_fetch_or(&a->level[vector / 64], BIT(vector % 64), __ATOMIC_RELEASE);
    if (pid_post(&a->pid, vector))
        vcpu_kick(v);
}

void vlapic_post_nmi(struct vcpu *v)
{
    __atomic_store_n(&v->lapic->nmi, true, __ATOMIC_RELEASE);
    vcpu_kick(v);
}

bool vlapic_nmi_pending(const struct vcpu *v)
{
    return v->lapic->nmi;
}

bool vlapic_take_nmi(struct vcpu *v)
{
    return __atomic_exchange_n(&v->lapic->nmi, false, __ATOMIC_ACQ_REL);
}

static bool matches_xapic_logical(const struct vlapic *a, uint32_t destination)
{
    uint32_t id = get(a, REG_LDR) >> 24;

    if (get(a, REG_DFR) >> 28 == 0xf)
        return id & destination & 0xff;
    return (id & 0xf0) == (destination & 0xf0) && (id & destination & 0xf);
}

bool vlapic_matches(const struct vcpu *v, uint32_t destination, bool logical)
{
    const struct vlapic *a = v->lapic;
    uint32_t ldr;

    if (!(a->base & APIC_BASE_ENABLE))
        return false;
    if (!x2apic_mode(a)) {
        if (!logical)
            return (destination & 0xff) == 0xff || (destination & 0xff) == v->apic_id;
        return matches_xapic_logical(a, destination);
    }
    if (destination == UINT32_MAX)
        return true;
    if (!logical)
        return destination == v->apic_id;
    ldr = get(a, REG_LDR);
    return ldr >> 16 == destination >> 16 && (ldr & destination & 0xffff);
}

/* True when the target took it. */
static bool deliver_to(struct vcpu *target, unsigned mode, unsigned vector, bool level)
{
    switch (mode) {
    case FIXED:
    case LOWEST:
        if (vector < FIRST_VECTOR)
            target->lapic->esr_pending |= ESR_RECEIVE_VECTOR;
        else if (software_enabled(target->lapic))
            vlapic_post(target, vector, level);
        return vector >= FIRST_VECTOR && software_enabled(target->lapic);
    case NMI: vlapic_post_nmi(target); return true;
    case INIT: vcpu_send_init(target); return true;
    case STARTUP: vcpu_send_startup(target, vector); return true;
    default: return false; /* SMI and ExtINT have no source here */
    }
}

/* Among several, the one with the lowest processor priority. */
static struct vcpu *lowest_priority(struct vm *vm, uint32_t destination, bool logical)
{
    struct vcpu *best = NULL;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        if (!vlapic_matches(v, destination, logical) || !software_enabled(v->lapic))
            continue;
        if (!best || get(v->lapic, REG_PPR) < get(best->lapic, REG_PPR))
            best = v;
    }
    return best;
}

bool vm_deliver(struct vm *vm, uint32_t destination, bool logical, unsigned mode, unsigned vector, bool level)
{
    bool taken = false;

    if (mode == LOWEST) {
        struct vcpu *target = lowest_priority(vm, destination, logical);

        return target && deliver_to(target, mode, vector, level);
    }
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (vlapic_matches(vm->vcpus[i], destination, logical))
            taken |= deliver_to(vm->vcpus[i], mode, vector, level);
    }
    return taken;
}

static void send_ipi(struct vcpu *v, uint64_t icr)
{
    uint32_t destination = x2apic_mode(v->lapic) ? (uint32_t)(icr >> 32) : (uint32_t)(icr >> 56);
    unsigned mode = ICR_MODE(icr), vector = ICR_VECTOR(icr);

    if (mode == INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERTED))
        return; /* "INIT level de-assert" does nothing on processors of today */
    if ((mode == FIXED || mode == LOWEST) && vector < FIRST_VECTOR) {
        set_error(v->lapic, ESR_SEND_VECTOR);
        return;
    }
    switch (ICR_SHORTHAND(icr)) {
    case TO_DESTINATION: vm_deliver(v->vm, destination, icr & ICR_LOGICAL, mode, vector, false); break;
    case TO_SELF: deliver_to(v, FIXED, vector, false); break;
    default:
        for (unsigned i = 0; i < v->vm->vcpu_count; i++) {
            if (v->vm->vcpus[i] != v || ICR_SHORTHAND(icr) == TO_ALL)
                deliver_to(v->vm->vcpus[i], mode, vector, false);
        }
    }
}

/* --- timer --- */

static unsigned divide_shift(const struct vlapic *a)
{
    uint32_t dcr = get(a, LAPIC_TIMER_DCR);

    return ((dcr & 3) | (dcr >> 1 & 4)) == 7 ? 0 : ((dcr & 3) | (dcr >> 1 & 4)) + 1;
}

/* The timer's input clock is the TSC: CPUID leaf 15h tells the guest so. */
static void arm(struct vlapic *a, uint64_t host_tsc)
{
    a->expires = host_tsc;
    if (!a->hv_timer)
        lapic_timer_arm(host_tsc);
}

static bool deadline_mode(const struct vlapic *a)
{
    return (get(a, LAPIC_LVT_TIMER) & LVT_MODE) == LVT_DEADLINE;
}

static void start_count(struct vlapic *a)
{
    uint64_t ticks = (uint64_t)get(a, LAPIC_TIMER_ICR) << divide_shift(a);

    a->period = ticks;
    arm(a, ticks ? rdtsc() + ticks : 0);
}

static void set_deadline(struct vlapic *a, uint64_t guest_tsc)
{
    uint64_t now = rdtsc(), ahead = guest_tsc - (now + a->tsc_offset);

    if (guest_tsc <= now + a->tsc_offset)
        ahead = 0;
    a->deadline = guest_tsc;
    arm(a, guest_tsc ? now + MIN(ahead, UINT64_MAX - now) : 0);
}

static uint32_t current_count(const struct vlapic *a)
{
    uint64_t now = rdtsc();

    if (deadline_mode(a) || !a->expires || a->expires <= now)
        return 0;
    return (uint32_t)((a->expires - now) >> divide_shift(a));
}

static void fire_timer(struct vcpu *v)
{
    struct vlapic *a = v->lapic;
    uint32_t lvt = get(a, LAPIC_LVT_TIMER);
    uint64_t now = rdtsc();

    a->deadline = 0;
    if ((lvt & LVT_MODE) == LVT_PERIODIC && a->period) {
        uint64_t next = a->expires + a->period;

        /* Ticks that nobody could take are not made up for. */
        arm(a, next > now ? next : now + a->period - (now - a->expires) % a->period);
    } else {
        a->expires = 0;
    }
    if ((lvt & LVT_MASKED) || !software_enabled(a))
        return;
    if (ICR_VECTOR(lvt) < FIRST_VECTOR)
        set_error(a, ESR_RECEIVE_VECTOR);
    else
        change_vector(a, REG_IRR, ICR_VECTOR(lvt), true);
}

static void fire_if_due(struct vcpu *v)
{
    if (v->lapic->expires && rdtsc() >= v->lapic->expires)
        fire_timer(v);
}

void vlapic_use_hv_timer(struct vcpu *v, bool on)
{
    v->lapic->hv_timer = on;
}

uint64_t vlapic_backend_deadline(const struct vcpu *v)
{
    return v->lapic->hv_timer ? v->lapic->expires : 0;
}

void vlapic_timer_to_host(struct vcpu *v)
{
    if (v->lapic->hv_timer && v->lapic->expires)
        lapic_timer_arm(v->lapic->expires);
}

void vlapic_timer_from_host(struct vcpu *v)
{
    if (v->lapic->hv_timer)
        lapic_timer_arm(0);
}

void vlapic_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
    struct vlapic *a = v->lapic;

    a->tsc_offset = offset;
    v->kicked = true;
    if (deadline_mode(a) && a->deadline)
        set_deadline(a, a->deadline);
}

static void collect_mail(struct vlapic *a)
{
    uint64_t mail[4];

    pid_collect(&a->pid, mail);
    for (unsigned i = 0; i < 4; i++) {
        /* Only the flags of what is collected: another poster may have set its flag and not yet its PIR bit.
         */
        uint64_t level = mail[i] ? __atomic_fetch_and(&a->level[i], ~mail[i], __ATOMIC_ACQ_REL) & mail[i] : 0;

        while (mail[i]) {
            unsigned bit = (unsigned)__builtin_ctzll(mail[i]);

            change_vector(a, REG_TMR, i * 64 + bit, level >> bit & 1);
            change_vector(a, REG_IRR, i * 64 + bit, true);
            mail[i] &= mail[i] - 1;
        }
    }
}

void vlapic_update(struct vcpu *v)
{
    struct vlapic *a = v->lapic;

    fire_if_due(v);
    if (pid_has_mail(&a->pid))
        collect_mail(a);
}

int vlapic_pending(const struct vcpu *v)
{
    const struct vlapic *a = v->lapic;
    int vector = highest_vector(a, REG_IRR);

    if (vector < FIRST_VECTOR || !software_enabled(a) ||
        ((uint32_t)vector & 0xf0) <= (get(a, REG_PPR) & 0xf0))
        return -1;
    return vector;
}

void vlapic_accept(struct vcpu *v, unsigned vector)
{
    change_vector(v->lapic, REG_IRR, vector, false);
    change_vector(v->lapic, REG_ISR, vector, true);
    update_ppr(v->lapic);
}

/* --- registers --- */

static void end_of_interrupt(struct vcpu *v)
{
    struct vlapic *a = v->lapic;
    int vector = highest_vector(a, REG_ISR);

    if (vector < 0)
        return;
    change_vector(a, REG_ISR, (unsigned)vector, false);
    update_ppr(a);
    v->kicked = true;
    if (test_vector(a, REG_TMR, (unsigned)vector) && !(get(a, LAPIC_SVR) & SVR_NO_BROADCAST))
        pc_eoi(v->vm, (unsigned)vector);
}

static void write_lvt(struct vlapic *a, unsigned reg, uint32_t value)
{
    uint32_t valid = LVT_VALID, old = get(a, reg);

    if (reg == LAPIC_LVT_TIMER)
        valid = 0x700ff;
    if (reg == LAPIC_LVT_LINT0 || reg == LAPIC_LVT_LINT1)
        valid |= 0xa000;
    if (reg == LAPIC_LVT_ERROR)
        valid = 0x100ff;
    value &= valid;
    if (!software_enabled(a))
        value |= LVT_MASKED;
    set(a, reg, value);
    if (reg == LAPIC_LVT_TIMER && ((old ^ value) & LVT_DEADLINE)) {
        a->deadline = 0; /* "Local APIC timer modes": switching into or out of TSC-deadline mode disarms */
        arm(a, 0);
    }
}

static void write_svr(struct vlapic *a, uint32_t value)
{
    set(a, LAPIC_SVR, value & 0x11ff);
    if (value & SVR_ENABLED)
        return;
    for (unsigned reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg += 16)
        set(a, reg, get(a, reg) | LVT_MASKED);
    set(a, REG_LVT_CMCI, get(a, REG_LVT_CMCI) | LVT_MASKED);
}

static void change_divide(struct vlapic *a, uint32_t value)
{
    uint32_t left = current_count(a);

    set(a, LAPIC_TIMER_DCR, value & 0xb);
    if (left)
        arm(a, rdtsc() + ((uint64_t)left << divide_shift(a)));
    a->period = (uint64_t)get(a, LAPIC_TIMER_ICR) << divide_shift(a);
}

enum access { NONE = 0, READ = 1, WRITE = 2, BOTH = 3 };

/* What a register offset allows; everything else is an illegal register. */
static unsigned allowed(const struct vlapic *a, unsigned reg)
{
    if (reg >= REG_ISR && reg < REG_ISR + 0x180)
        return READ;
    switch (reg) {
    case LAPIC_ID: return x2apic_mode(a) ? READ : BOTH;
    case LAPIC_VERSION:
    case REG_PPR:
    case LAPIC_TIMER_CCR: return READ;
    case REG_LDR: return x2apic_mode(a) ? READ : BOTH;
    case REG_DFR:
    case LAPIC_ICR_HIGH: return x2apic_mode(a) ? NONE : BOTH;
    case LAPIC_EOI: return WRITE;
    case REG_SELF_IPI: return x2apic_mode(a) ? WRITE : NONE;
    case REG_TPR:
    case LAPIC_SVR:
    case REG_ESR:
    case LAPIC_ICR:
    case LAPIC_TIMER_ICR:
    case LAPIC_TIMER_DCR:
    case REG_LVT_CMCI:
    case LAPIC_LVT_TIMER:
    case REG_LVT_THERM:
    case REG_LVT_PERF:
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1:
    case LAPIC_LVT_ERROR: return BOTH;
    default: return NONE;
    }
}

static uint32_t read_register(const struct vlapic *a, unsigned reg)
{
    return reg == LAPIC_TIMER_CCR ? current_count(a) : get(a, reg);
}

static void write_register(struct vcpu *v, unsigned reg, uint32_t value)
{
    struct vlapic *a = v->lapic;

    switch (reg) {
    case LAPIC_ID: break; /* the ID of a virtual CPU is fixed */
    case REG_TPR:
        set(a, reg, value & 0xff);
        update_ppr(a);
        break;
    case LAPIC_EOI: end_of_interrupt(v); break;
    case REG_LDR: set(a, reg, value & 0xff000000); break;
    case REG_DFR: set(a, reg, value | 0x0fffffff); break;
    case LAPIC_SVR: write_svr(a, value); break;
    case REG_ESR:
        set(a, reg, a->esr_pending);
        a->esr_pending = 0;
        break;
    case LAPIC_ICR:
        set(a, reg, value & ~0x1000u);
        send_ipi(v, (uint64_t)get(a, LAPIC_ICR_HIGH) << 32 | value);
        break;
    case LAPIC_ICR_HIGH: set(a, reg, value & 0xff000000); break;
    case LAPIC_TIMER_ICR:
        if (deadline_mode(a))
            break;
        fire_if_due(v);
        set(a, reg, value);
        start_count(a);
        break;
    case LAPIC_TIMER_DCR: change_divide(a, value); break;
    case REG_SELF_IPI: send_ipi(v, ICR_TO_SELF | (value & 0xff)); break;
    default: write_lvt(a, reg, value); break;
    }
    v->kicked = true;
}

bool vlapic_mmio_enabled(const struct vcpu *v)
{
    return (v->lapic->base & APIC_BASE_ENABLE) && !x2apic_mode(v->lapic);
}

uint32_t vlapic_mmio_read(struct vcpu *v, unsigned offset)
{
    if (offset % 16 == 0 && (allowed(v->lapic, offset) & READ))
        return read_register(v->lapic, offset);
    if (offset % 16 == 0)
        set_error(v->lapic, ESR_REGISTER);
    return 0;
}

void vlapic_mmio_write(struct vcpu *v, unsigned offset, uint32_t value)
{
    if (offset % 16 == 0 && (allowed(v->lapic, offset) & WRITE))
        write_register(v, offset, value);
    else if (offset % 16 == 0)
        set_error(v->lapic, ESR_REGISTER);
}

/* "x2APIC state transitions": from disabled to x2APIC, and from x2APIC back to xAPIC, are #GP. */
static bool write_base(struct vcpu *v, uint64_t value)
{
    struct vlapic *a = v->lapic;
    uint64_t modes = APIC_BASE_ENABLE | APIC_BASE_X2APIC, from = a->base & modes, to = value & modes;

    if ((value & ~(modes | APIC_BASE_BSP)) != VLAPIC_BASE || to == APIC_BASE_X2APIC)
        return false;
    if ((to & APIC_BASE_X2APIC) && !vlapic_x2apic_allowed(v))
        return false;
    if ((from == 0 && to == modes) || (from == modes && to == APIC_BASE_ENABLE))
        return false;
    a->base = VLAPIC_BASE | to | (a->base & APIC_BASE_BSP);
    if (from != to && !to) {
        arm(a, 0);
        reset_registers(v);
    } else if (from != to) {
        set_mode_registers(v);
    }
    return true;
}

static bool x2apic_register(uint32_t msr, unsigned *reg)
{
    *reg = (msr - IA32_X2APIC_BASE) * 16;
    return msr >= IA32_X2APIC_BASE && *reg < REG_END;
}

bool vlapic_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    struct vlapic *a = v->lapic;
    unsigned reg;

    if (msr == IA32_APIC_BASE || msr == IA32_TSC_DEADLINE) {
        vlapic_update(v);
        *value = msr == IA32_APIC_BASE ? a->base : deadline_mode(a) ? a->deadline : 0;
        return true;
    }
    if (!x2apic_register(msr, &reg) || !x2apic_mode(a) || !(allowed(a, reg) & READ))
        return false;
    *value = read_register(a, reg);
    if (reg == LAPIC_ICR)
        *value |= (uint64_t)get(a, LAPIC_ICR_HIGH) << 32;
    return true;
}

/* Bits that must be 0 in a WRMSR, beyond the upper half of all but the ICR ("x2APIC register address space").
 */
static bool reserved_set(unsigned reg, uint64_t value)
{
    switch (reg) {
    case LAPIC_ICR: return value & UINT64_C(0xfff32000);
    case REG_TPR:
    case REG_SELF_IPI: return value & ~UINT64_C(0xff);
    case LAPIC_EOI:
    case REG_ESR: return value;
    case LAPIC_SVR: return value & ~UINT64_C(0x11ff);
    case LAPIC_TIMER_DCR: return value & ~UINT64_C(0xb);
    case LAPIC_LVT_TIMER: return value & ~UINT64_C(0x710ff);
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1: return value & ~UINT64_C(0x1f7ff);
    case LAPIC_LVT_ERROR: return value & ~UINT64_C(0x110ff);
    case LAPIC_TIMER_ICR: return value >> 32;
    default: return value & ~UINT64_C(0x117ff);
    }
}

bool vlapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct vlapic *a = v->lapic;
    unsigned reg;

    if (msr == IA32_APIC_BASE)
        return write_base(v, value);
    if (msr == IA32_TSC_DEADLINE) {
        if (deadline_mode(a)) {
            fire_if_due(v);
            set_deadline(a, value);
            v->kicked = true;
        }
        return true;
    }
    if (!x2apic_register(msr, &reg) || !x2apic_mode(a) || !(allowed(a, reg) & WRITE) ||
        reserved_set(reg, value))
        return false;
    if (reg == LAPIC_ICR) {
        set(a, LAPIC_ICR_HIGH, (uint32_t)(value >> 32));
        set(a, LAPIC_ICR, (uint32_t)value & ~0x1000u);
        send_ipi(v, value);
        return true;
    }
    write_register(v, reg, (uint32_t)value);
    return true;
}

unsigned vlapic_tpr_class(const struct vcpu *v)
{
    return get(v->lapic, REG_TPR) >> 4;
}

void vlapic_set_tpr_class(struct vcpu *v, unsigned priority_class)
{
    write_register(v, REG_TPR, priority_class << 4);
}
