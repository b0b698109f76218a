/* SPDX-License-Identifier: BSD-2-Clause */
#include "apic/ipi.h"
#include "apic/registers.h"
#include "apic/vlapic_state.h"
#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "core/vm/part.h"

#define VERSION_VALUE 0x01050014u /* integrated, 6 LVT entries (none for CMCI), EOI broadcast suppression */
#define LVT_VALID     0x107ffu    /* delivery status is read-only */
#define BASE_MODES    (APIC_BASE_ENABLE | APIC_BASE_X2APIC)
#define ICR_BUSY      0x1000u /* delivery status: always idle again */

bool vlapic_x2apic_allowed(const struct vcpu *v)
{
    return v->vm->config->x2apic;
}

enum vlapic_mode vlapic_mode(const struct vcpu *v)
{
    const struct vlapic *a = v->lapic;

    if (!(a->base & APIC_BASE_ENABLE))
        return VLAPIC_OFF;
    return x2apic_mode(a) ? VLAPIC_X2APIC : VLAPIC_XAPIC;
}

gpa_t vlapic_base(const struct vcpu *v)
{
    return gpa(v->lapic->base & ~(PAGE_SIZE - 1));
}

hpa_t vlapic_page(const struct vcpu *v)
{
    return virt_to_phys(v->lapic->regs);
}

hpa_t vlapic_pid(const struct vcpu *v)
{
    return virt_to_phys(&v->lapic->pid);
}

NOINLINE int highest_vector(const struct vlapic *a, unsigned base)
{
    const uint8_t *words = a->regs + base;

#pragma GCC unroll 8
    for (unsigned i = 8; i-- > 0;) {
        uint32_t word = *(const uint32_t *)(words + i * 16);

        if (word)
            return (int)(i * 32 + 31) - __builtin_clz(word);
    }
    return -1;
}

uint32_t processor_priority(const struct vlapic *a)
{
    int in_service = highest_vector(a, REG_ISR);
    uint32_t tpr = get(a, REG_TPR), isrv = in_service > 0 ? (uint32_t)in_service & 0xf0 : 0;

    return (tpr & 0xf0) >= isrv ? tpr : isrv;
}

static void update_ppr(struct vlapic *a)
{
    set(a, REG_PPR, processor_priority(a));
}

/* --- creation and reset --- */

bool apic_create(struct vm *vm, const struct placement *p UNUSED)
{
    _Static_assert(PID_TABLE_SIZE == VM_MAX_VCPUS, "an entry for each");
    ASSERT(vm->config->vcpus > 0 && vm->config->vcpus <= PID_TABLE_SIZE);
    vm->pid_table = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);
    if (!vm->pid_table)
        return false;
    vm->pid_table->last = (uint16_t)(vm->config->vcpus - 1);
    return true;
}

bool vlapic_create(struct vcpu *v, const struct placement *p UNUSED)
{
    uint64_t pages = ALIGN_UP(sizeof(struct vlapic), PAGE_SIZE) / PAGE_SIZE;

    ASSERT(v->apic_id < PID_TABLE_SIZE);
    v->lapic = memory_alloc_zeroed(&v->vm->account, MEMORY_STATE, pages);
    return v->lapic != NULL;
}

/* It may hear other destinations from now on: routes that were found before are not true any more. */
static void note_change(const struct vcpu *v)
{
    __atomic_fetch_add(&v->vm->apic_changes, 1, __ATOMIC_SEQ_CST);
}

/* IPIs go straight into the mailbox as long as the local APIC takes them. */
static void publish(const struct vcpu *v)
{
    note_change(v);
    if (software_enabled(v->lapic))
        pid_table_set(v->vm->pid_table, v->apic_id, &v->lapic->pid);
    else
        pid_table_clear(v->vm->pid_table, v->apic_id);
    vlapic_fastpath_follow(v->lapic);
}

_Static_assert(VM_MAX_VCPUS <= 255, "an xAPIC ID is below that of all");

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

static void reset_apic_registers(struct vcpu *v)
{
    static const unsigned lvts[] = {LAPIC_LVT_TIMER, REG_LVT_THERM,   REG_LVT_PERF,
                                    LAPIC_LVT_LINT0, LAPIC_LVT_LINT1, LAPIC_LVT_ERROR};
    struct vlapic *a = v->lapic;

    memset(a->regs, 0, sizeof(a->regs));
    for (unsigned i = 0; i < ARRAY_SIZE(lvts); i++)
        set(a, lvts[i], LVT_MASKED);
    set(a, LAPIC_VERSION, VERSION_VALUE);
    set(a, LAPIC_SVR, 0xff);
    set(a, REG_DFR, UINT32_MAX);
    a->svr = 0xff;
    a->esr_pending = 0;
    v->due &= ~DUE_EOI; /* nothing is in service, and the word may be gone */
    vlapic_timer_reset(v);
    set_mode_registers(v);
    publish(v);
}

void vlapic_init(struct vcpu *v)
{
    vcpu_take(v, ASKED_NMIS);
    reset_apic_registers(v);
    vlapic_discard_mail(v);
    lapic_timer_set(TIMER_GUEST, 0);
}

void vlapic_reset(struct vcpu *v, const struct start_state *start UNUSED)
{
    struct vlapic *a = v->lapic;

    memset(a, 0, sizeof(*a));
    a->vcpu = v;
    a->base = VLAPIC_BASE | APIC_BASE_ENABLE | (v->id ? 0 : APIC_BASE_BSP);
    reset_apic_registers(v);
}

void vlapic_error(struct vlapic *a, uint32_t bit)
{
    uint32_t lvt = get(a, LAPIC_LVT_ERROR);

    a->esr_pending |= bit;
    if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= FIRST_VECTOR && software_enabled(a))
        request_vector(a, lvt & 0xff);
}

/* --- delivery --- */

void vlapic_update_priority(struct vcpu *v)
{
    if (v->lapic->tpr_shadow)
        update_ppr(v->lapic);
}

static NOINLINE void update(struct vcpu *v)
{
    settle_eoi(v);
    vlapic_timer_fire_if_due(v);
    vlapic_collect(v);
    vlapic_update_priority(v);
}

void vlapic_update(struct vcpu *v)
{
    const struct vlapic *a = v->lapic;

    if (a->expires || a->tpr_shadow || (v->due & DUE_EOI) || vlapic_has_mail(v))
        update(v);
}

bool vlapic_take_requested(struct vcpu *v)
{
    bool requested = v->lapic->requested;

    v->lapic->requested = false;
    return requested;
}

int vlapic_requested(const struct vcpu *v)
{
    int vector = highest_vector(v->lapic, REG_IRR);

    return vector < FIRST_VECTOR || !software_enabled(v->lapic) ? -1 : vector;
}

int vlapic_in_service(const struct vcpu *v)
{
    return highest_vector(v->lapic, REG_ISR);
}

int vlapic_pending(const struct vcpu *v)
{
    int vector = vlapic_requested(v);

    return vector >= 0 && ((uint32_t)vector & 0xf0) > (get(v->lapic, REG_PPR) & 0xf0) ? vector : -1;
}

void vlapic_accept(struct vcpu *v, unsigned vector)
{
    clear_vector(v->lapic, REG_IRR, vector);
    set_vector(v->lapic, REG_ISR, vector);
    update_ppr(v->lapic);
}

bool vlapic_level_changed(const struct vcpu *v)
{
    return v->lapic->level_changed;
}

void vlapic_level_vectors(struct vcpu *v, uint64_t out[4])
{
    v->lapic->level_changed = false;
    for (unsigned i = 0; i < 4; i++)
        out[i] = *vector_word(v->lapic, REG_TMR, i * 64) |
                 (uint64_t)*vector_word(v->lapic, REG_TMR, i * 64 + 32) << 32;
}

void vlapic_use_tpr_shadow(struct vcpu *v, bool on)
{
    v->lapic->tpr_shadow = on;
}

/* --- registers --- */

void vlapic_broadcast_eoi(struct vcpu *v, unsigned vector)
{
    if (test_vector(v->lapic, REG_TMR, vector) && !(v->lapic->svr & SVR_NO_BROADCAST))
        v->vm->eoi(v->vm, vector);
}

static inline void end_of_interrupt(struct vcpu *v)
{
    struct vlapic *a = v->lapic;
    int vector = highest_vector(a, REG_ISR);

    if (vector < 0)
        return;
    clear_vector(a, REG_ISR, (unsigned)vector);
    update_ppr(a);
    v->due |= DUE_IRQ;
    vlapic_broadcast_eoi(v, (unsigned)vector);
}

COLD void vlapic_end_of_interrupt(struct vcpu *v)
{
    end_of_interrupt(v);
}

static void write_lvt(struct vlapic *a, unsigned reg, uint32_t value)
{
    uint32_t valid = LVT_VALID;

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
    if (reg == LAPIC_LVT_TIMER)
        vlapic_timer_write_lvt(a, value);
}

static void write_svr(struct vcpu *v, uint32_t value)
{
    struct vlapic *a = v->lapic;

    a->svr = value & 0x11ff;
    set(a, LAPIC_SVR, a->svr);
    a->requested = true; /* what is requested counts from now on, or no longer */
    publish(v);
    if (value & SVR_ENABLED)
        return;
    _Static_assert(LAPIC_LVT_ERROR == LAPIC_LVT_TIMER + 5 * 16, "six of them, one behind the other");
    for (unsigned reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg += 16)
        set(a, reg, get(a, reg) | LVT_MASKED);
    a->lvt_timer |= LVT_MASKED;
    vlapic_fastpath_follow(a);
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
    case LAPIC_LVT_TIMER:
    case REG_LVT_THERM:
    case REG_LVT_PERF:
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1:
    case LAPIC_LVT_ERROR: return BOTH;
    default: return NONE;
    }
}

static uint32_t read_register(struct vlapic *a, unsigned reg)
{
    if (reg == REG_PPR && a->tpr_shadow)
        update_ppr(a);
    return reg == LAPIC_TIMER_CCR ? vlapic_timer_count(a) : get(a, reg);
}

static void write_register(struct vcpu *v, unsigned reg, uint32_t value)
{
    struct vlapic *a = v->lapic;

    switch (reg) {
    case LAPIC_ID: set_mode_registers(v); break; /* the ID of a virtual CPU is fixed */
    case REG_TPR:
        set(a, reg, value & 0xff);
        update_ppr(a);
        v->due |= DUE_IRQ;
        break;
    case LAPIC_EOI: end_of_interrupt(v); break;
    case REG_LDR:
        set(a, reg, value & 0xff000000);
        note_change(v);
        break;
    case REG_DFR:
        set(a, reg, value | 0x0fffffff);
        note_change(v);
        break;
    case LAPIC_SVR:
        write_svr(v, value);
        v->due |= DUE_IRQ;
        break;
    case REG_ESR:
        set(a, reg, a->esr_pending);
        a->esr_pending = 0;
        break;
    case LAPIC_ICR:
        set(a, reg, value & ~ICR_BUSY);
        vlapic_send_ipi(v, (uint64_t)get(a, LAPIC_ICR_HIGH) << 32 | (value & ~ICR_BUSY));
        break;
    case LAPIC_ICR_HIGH: set(a, reg, value & 0xff000000); break;
    case LAPIC_TIMER_ICR: vlapic_timer_write_initial(v, value); break;
    case LAPIC_TIMER_DCR: vlapic_timer_write_divide(v, value); break;
    case REG_SELF_IPI: vlapic_send_ipi(v, ICR_TO_SELF | (value & 0xff)); break;
    default: write_lvt(a, reg, value); break;
    }
}

/* In x2APIC mode the ICR is one register of 64 bits. */
static uint64_t *wide_icr(struct vlapic *a)
{
    return (uint64_t *)(a->regs + LAPIC_ICR);
}

static void write_wide_icr(struct vcpu *v, uint64_t value)
{
    *wide_icr(v->lapic) = value & ~(uint64_t)ICR_BUSY;
    vlapic_send_ipi(v, value & ~(uint64_t)ICR_BUSY);
}

void vlapic_page_written(struct vcpu *v, unsigned offset)
{
    if (x2apic_mode(v->lapic) && offset == LAPIC_ICR)
        write_wide_icr(v, *wide_icr(v->lapic));
    else if (allowed(v->lapic, offset) & WRITE)
        write_register(v, offset, get(v->lapic, offset));
}

bool vlapic_mmio_enabled(const struct vcpu *v)
{
    return (v->lapic->base & APIC_BASE_ENABLE) && !x2apic_mode(v->lapic);
}

uint32_t vlapic_mmio_read(struct vcpu *v, unsigned offset)
{
    settle_eoi(v);
    if (offset % 16 == 0 && (allowed(v->lapic, offset) & READ))
        return read_register(v->lapic, offset);
    if (offset % 16 == 0)
        vlapic_error(v->lapic, ESR_REGISTER);
    return 0;
}

void vlapic_mmio_write(struct vcpu *v, unsigned offset, uint32_t value)
{
    settle_eoi(v);
    if (offset % 16 == 0 && (allowed(v->lapic, offset) & WRITE))
        write_register(v, offset, value);
    else if (offset % 16 == 0)
        vlapic_error(v->lapic, ESR_REGISTER);
}

static uint32_t read_any(void *context, unsigned offset)
{
    return vlapic_mmio_read(context, offset);
}

static uint32_t peek_any(void *context, unsigned offset)
{
    return get(((const struct vcpu *)context)->lapic, offset);
}

static void write_any(void *context, unsigned offset, uint32_t value)
{
    vlapic_mmio_write(context, offset, value);
}

static const struct registers registers = {read_any, peek_any, write_any};

uint64_t vlapic_mmio_read_any(struct vcpu *v, unsigned offset, unsigned size)
{
    ASSERT(offset + size <= PAGE_SIZE);
    if (likely(registers_whole(offset, size)))
        return vlapic_mmio_read(v, offset);
    return registers_read(&registers, v, offset, size);
}

void vlapic_mmio_write_any(struct vcpu *v, unsigned offset, unsigned size, uint64_t value)
{
    ASSERT(offset + size <= PAGE_SIZE);
    if (likely(registers_whole(offset, size)))
        vlapic_mmio_write(v, offset, (uint32_t)value);
    else
        registers_write(&registers, v, offset, size, value);
}

/* "x2APIC state transitions": from disabled to x2APIC, and from x2APIC back to xAPIC, are #GP. */
static bool transition_allowed(const struct vcpu *v, uint64_t from, uint64_t to)
{
    if (to == APIC_BASE_X2APIC || ((to & APIC_BASE_X2APIC) && !vlapic_x2apic_allowed(v)))
        return false;
    return !(from == 0 && to == BASE_MODES) && !(from == BASE_MODES && to == APIC_BASE_ENABLE);
}

uint64_t vlapic_read_base(const struct vcpu *v)
{
    return v->lapic->base;
}

bool vlapic_write_base(struct vcpu *v, uint64_t value)
{
    struct vlapic *a = v->lapic;
    uint64_t from = a->base & BASE_MODES, to = value & BASE_MODES;
    uint64_t page = (BIT(cpu_physical_bits()) - 1) & ~(PAGE_SIZE - 1);

    if ((value & ~(BASE_MODES | APIC_BASE_BSP | page)) || !transition_allowed(v, from, to))
        return false;
    a->base = (value & page) | to | (a->base & APIC_BASE_BSP);
    if (from != to && !to) {
        vlapic_timer_disarm(a);
        reset_apic_registers(v);
    } else if (from != to) {
        set_mode_registers(v);
        publish(v);
    }
    return true;
}

static bool x2apic_register(uint32_t msr, unsigned *reg)
{
    *reg = (msr - IA32_X2APIC_BASE) * 16;
    return *reg < REG_END;
}

bool vlapic_read_x2apic(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    struct vlapic *a = v->lapic;
    unsigned reg;

    settle_eoi(v);
    if (!x2apic_register(msr, &reg) || !x2apic_mode(a) || !(allowed(a, reg) & READ))
        return false;
    *value = reg == LAPIC_ICR ? *wide_icr(a) : read_register(a, reg);
    return true;
}

/* Bits that must be 0 in a WRMSR, beyond the upper half of all but the ICR ("x2APIC register address space").
 */
static bool reserved_set(unsigned reg, uint64_t value)
{
    if (reg == LAPIC_ICR)
        return value & UINT64_C(0xfff32000);
    switch (reg) {
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

bool vlapic_write_x2apic(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct vlapic *a = v->lapic;
    unsigned reg;

    settle_eoi(v);
    if (!x2apic_register(msr, &reg) || !x2apic_mode(a) || reserved_set(reg, value))
        return false;
    if (reg == LAPIC_ICR) {
        write_wide_icr(v, value);
        return true;
    }
    if (!(allowed(a, reg) & WRITE))
        return false;
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
