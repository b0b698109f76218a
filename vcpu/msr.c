/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's MSRs, as far as they exit: a row each, and what has no row gives #GP. Those that only concern the
 * guest and are switched with it are opened by the backend.
 */
#include "vcpu/msr.h"
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "hypercall/kvm.h"
#include "hypercall/kvm_abi.h"
#include "vcpu/context.h"
#include "vcpu/event.h"
#include "vcpu/guards.h"
#include "vcpu/state.h"

#define MTRRCAP_WC BIT(10) /* no fixed and no variable ranges: all memory is of the default type */
#define LOW_MSRS   0x800
#define EFER_GUEST (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

/* --- MSRs with a row; false is #GP --- */

static bool read_zero(struct vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t *value)
{
    *value = 0;
    return true;
}

static bool ignore(struct vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t value UNUSED)
{
    return true;
}

static bool only_zero(struct vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t value)
{
    return value == 0;
}

static bool read_feature_control(struct vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t *value)
{
    *value = FEATURE_CONTROL_LOCK;
    return true;
}

void vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset)
{
    struct vcpu_state *x = state_of(v);

    x->tsc.offset = offset;
    backend.set_tsc_offset(v, offset);
    vlapic_set_tsc(v, &x->tsc);
    kvm_clock_set_stamp(v, offset - v->vm->tsc_offset);
}

static bool read_tsc(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = vlapic_tsc(v);
    return true;
}

/* A write to the TSC moves IA32_TSC_ADJUST by the same amount, and the other way round. */
static bool write_tsc(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    struct vcpu_state *x = state_of(v);
    uint64_t offset = value - guest_tsc_scale(&x->tsc, rdtsc());

    x->tsc_adjust += offset - x->tsc.offset;
    vcpu_set_tsc_offset(v, offset);
    return true;
}

static bool read_tsc_adjust(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = state_of(v)->tsc_adjust;
    return true;
}

static bool write_tsc_adjust(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    struct vcpu_state *x = state_of(v);

    vcpu_set_tsc_offset(v, x->tsc.offset + (value - x->tsc_adjust));
    x->tsc_adjust = value;
    return true;
}

static bool read_mtrrcap(struct vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t *value)
{
    *value = MTRRCAP_WC;
    return true;
}

static bool read_mtrr_default(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = state_of(v)->mtrr_def_type;
    return true;
}

static bool valid_type(uint64_t type)
{
    return type == CACHE_UC || type == CACHE_WC || (type >= CACHE_WT && type <= CACHE_WB);
}

static bool write_mtrr_default(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    if ((value & ~UINT64_C(0xcff)) || !valid_type(value & 0xff))
        return false;
    state_of(v)->mtrr_def_type = value;
    return true;
}

static bool read_misc_enable(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = state_of(v)->misc_enable;
    return true;
}

static bool write_misc_enable(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    state_of(v)->misc_enable = value;
    return true;
}

static bool read_pat(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = backend.get(v, GUEST_PAT);
    return true;
}

static bool write_pat(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        uint64_t type = value >> 8 * i & 0xff;

        if (!valid_type(type) && type != 7) /* 7: UC- */
            return false;
    }
    backend.set(v, GUEST_PAT, value);
    return true;
}

static bool read_efer(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = backend.get(v, GUEST_EFER);
    return true;
}

static bool write_efer(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    uint64_t old = backend.get(v, GUEST_EFER);

    if (value & ~EFER_GUEST)
        return false;
    if (((old ^ value) & EFER_LME) && (backend.get(v, GUEST_CR0) & CR0_PG))
        return false;
    backend.set(v, GUEST_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
    return true;
}

static bool read_debugctl(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = backend.get(v, GUEST_DEBUGCTL);
    return true;
}

static bool write_debugctl(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    if (value & ~UINT64_C(2)) /* BTF; branch records are not offered */
        return false;
    backend.set(v, GUEST_DEBUGCTL, value);
    return true;
}

static bool write_xss(struct vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t value)
{
    return value == 0 && backend.guest_may_use(GUEST_XSAVES);
}

static bool read_xss(struct vcpu *v UNUSED, uint32_t msr UNUSED, uint64_t *value)
{
    *value = 0;
    return backend.guest_may_use(GUEST_XSAVES);
}

/* A new deadline goes right into the preemption timer. */
static bool write_deadline(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    vlapic_write_deadline(v, value);
    backend.deadline_moved(v);
    return true;
}

static bool read_deadline(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = vlapic_read_deadline(v);
    return true;
}

static bool read_apic_base(struct vcpu *v, uint32_t msr UNUSED, uint64_t *value)
{
    *value = vlapic_read_base(v);
    return true;
}

static bool write_apic_base(struct vcpu *v, uint32_t msr UNUSED, uint64_t value)
{
    if (!vlapic_write_base(v, value))
        return false;
    backend.apic_mode_changed(v);
    return true;
}

enum { ROW_NONE, ROW_X2APIC };

static const struct row {
    uint32_t first, last;
    bool (*read)(struct vcpu *v, uint32_t msr, uint64_t *value);
    bool (*write)(struct vcpu *v, uint32_t msr, uint64_t value);
} rows[] = {
    [ROW_NONE] = {0, 0, NULL, NULL},
    [ROW_X2APIC] = {IA32_X2APIC_BASE, IA32_X2APIC_LAST, vlapic_read_x2apic, vlapic_write_x2apic},
    {IA32_TSC, IA32_TSC, read_tsc, write_tsc},
    {MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, kvm_read_msr, kvm_write_msr},
    {0x017, 0x017, read_zero, NULL}, /* IA32_PLATFORM_ID */
    {IA32_APIC_BASE, IA32_APIC_BASE, read_apic_base, write_apic_base},
    {IA32_FEATURE_CONTROL, IA32_FEATURE_CONTROL, read_feature_control, NULL},
    {IA32_TSC_ADJUST, IA32_TSC_ADJUST, read_tsc_adjust, write_tsc_adjust},
    {IA32_SPEC_CTRL, IA32_SPEC_CTRL, guards_read_spec_ctrl, guards_write_spec_ctrl},
    {IA32_ARCH_CAPABILITIES, IA32_ARCH_CAPABILITIES, guards_read_capabilities, NULL},
    {IA32_BIOS_UPDT_TRIG, IA32_BIOS_UPDT_TRIG, NULL, ignore},
    {IA32_BIOS_SIGN_ID, IA32_BIOS_SIGN_ID, read_zero, ignore},
    {IA32_MTRRCAP, IA32_MTRRCAP, read_mtrrcap, NULL},
    {IA32_MCG_CAP, IA32_MCG_CAP, read_zero, NULL}, /* no banks */
    {IA32_MCG_STATUS, IA32_MCG_STATUS, read_zero, only_zero},
    {IA32_MISC_ENABLE, IA32_MISC_ENABLE, read_misc_enable, write_misc_enable},
    {0x1d9, 0x1d9, read_debugctl, write_debugctl}, /* IA32_DEBUGCTL */
    {IA32_PAT, IA32_PAT, read_pat, write_pat},
    {IA32_MTRR_DEF_TYPE, IA32_MTRR_DEF_TYPE, read_mtrr_default, write_mtrr_default},
    {IA32_TSC_DEADLINE, IA32_TSC_DEADLINE, read_deadline, write_deadline},
    {IA32_XSS, IA32_XSS, read_xss, write_xss},
    {IA32_EFER, IA32_EFER, read_efer, write_efer},
    {IA32_STAR, IA32_FMASK, NULL, vcpu_write_switched_msr},
    {IA32_TSC_AUX, IA32_TSC_AUX, NULL, vcpu_write_switched_msr},
    {MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_POLL_CONTROL, kvm_read_msr, kvm_write_msr},
};

_Static_assert(ARRAY_SIZE(rows) <= UINT8_MAX + 1 && ROW_NONE == 0, "a byte holds any place");
_Static_assert(LOW_MSRS <= IA32_X2APIC_BASE && LOW_MSRS > IA32_TSC_DEADLINE && !(LOW_MSRS & (LOW_MSRS - 1)),
               "what guests write all the time is low");
_Static_assert(IA32_FMASK == IA32_STAR + 3 && MSR_KVM_SYSTEM_TIME == MSR_KVM_WALL_CLOCK + 1,
               "a row for neighbours");

/*
 * The rows of low MSRs by number. Most exits are for these and the local APIC. The number comes from the
 * guest: it is cut to the size of the table before it is compared, so that nothing beyond is read, not even
 * ahead of time by a processor that guesses the comparison (docs/security.md).
 */
static uint8_t low[LOW_MSRS];

void vcpu_msr_init(void)
{
    for (unsigned i = ROW_NONE + 1; i < ARRAY_SIZE(rows); i++) {
        ASSERT(rows[i].first <= rows[i].last && (rows[i].read || rows[i].write));
        for (uint32_t msr = rows[i].first; msr <= rows[i].last && msr < LOW_MSRS; msr++) {
            ASSERT(!low[msr] || low[msr] == i); /* one row each */
            low[msr] = (uint8_t)i;
        }
    }
}

static const struct row *find_high(uint32_t msr)
{
    if (msr >= IA32_X2APIC_BASE && msr <= IA32_X2APIC_LAST)
        return &rows[ROW_X2APIC];
    for (unsigned i = ROW_NONE + 1; i < ARRAY_SIZE(rows); i++) {
        if (msr >= rows[i].first && msr <= rows[i].last)
            return &rows[i];
    }
    return &rows[ROW_NONE];
}

static inline const struct row *find_row(uint32_t msr)
{
    uint32_t index = msr & (LOW_MSRS - 1);

    return likely(index == msr) ? &rows[low[index]] : find_high(msr);
}

static COLD enum next deny(struct vcpu *v)
{
    v->stats->counts[COUNT_MSR_DENIED]++;
    vcpu_inject_error(v, VECTOR_GP, 0);
    return NEXT_RESUME;
}

enum next vcpu_rdmsr(struct vcpu *v)
{
    uint32_t msr = (uint32_t)v->regs.rcx;
    const struct row *row = find_row(msr);
    uint64_t value;

    if (!row->read || !row->read(v, msr, &value))
        return deny(v);
    v->regs.rax = (uint32_t)value;
    v->regs.rdx = value >> 32;
    return NEXT_SKIP_AND_RESUME;
}

enum next vcpu_wrmsr(struct vcpu *v)
{
    uint32_t msr = (uint32_t)v->regs.rcx;
    const struct row *row = find_row(msr);

    if (!row->write || !row->write(v, msr, (uint32_t)v->regs.rax | v->regs.rdx << 32))
        return deny(v);
    return NEXT_SKIP_AND_RESUME;
}
