/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/apicv.h"

#include "apic/pid_table.h"
#include "apic/vlapic.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/msr.h"
#include "arch/x86/trap.h"
#include "vmx/caps.h"
#include "vmx/hv_timer.h"
#include "vmx/msr_bitmap.h"

#define WRITE_OFFSET(q) ((unsigned)(q)&0xfff)
#define X2APIC_MSR(reg) (IA32_X2APIC_BASE + (reg) / 16)
#define PLE_GAP         128  /* TSC ticks: PAUSEs further apart are no loop */
#define PLE_WINDOW      4096 /* ticks in a loop before it exits */
#define REG_TPR         0x080u
#define REG_SELF_IPI    0x3f0u

void vmx_apicv_open_msrs(uint8_t *bitmap, enum vmx_rung rung)
{
    /* Read from the page as it is; the timer's current count is not in it, and needs us. */
    static const uint16_t readable[] = {0x020, 0x030, 0x080, 0x0a0, 0x0d0, 0x0f0, 0x280, 0x300,
                                        0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0};

    ASSERT(rung >= RUNG_X2APIC);
    for (unsigned i = 0; i < ARRAY_SIZE(readable); i++)
        vmx_msr_open(bitmap, X2APIC_MSR(readable[i]), OPEN_READ);
    for (unsigned reg = 0x100; reg < 0x280; reg += 16) /* ISR, TMR, IRR */
        vmx_msr_open(bitmap, X2APIC_MSR(reg), OPEN_READ);
    vmx_msr_open(bitmap, X2APIC_MSR(REG_TPR), OPEN_WRITE);
    vmx_msr_open(bitmap, X2APIC_MSR(LAPIC_EOI), OPEN_WRITE);
    vmx_msr_open(bitmap, X2APIC_MSR(REG_SELF_IPI), OPEN_WRITE);
    if (rung >= RUNG_IPIV)
        vmx_msr_open(bitmap, X2APIC_MSR(LAPIC_ICR), OPEN_WRITE);
}

/* --- controls --- */

/* Whether the processor delivers interrupts in the mode that the guest's local APIC is in. */
static bool delivers(const struct vmx_vm *vm, enum vlapic_mode mode)
{
    return (mode == VLAPIC_XAPIC && vm->rung >= RUNG_APICV) ||
           (mode == VLAPIC_X2APIC && vm->rung >= RUNG_X2APIC);
}

static void write_pointers(const struct vcpu *v, const struct vmx_vm *vm)
{
    if (vm->rung >= RUNG_TPR_SHADOW) {
        vmcs_write(vmcs_virtual_apic_page, vlapic_page(v).value);
        vmcs_write(vmcs_apic_access_page, virt_to_phys(vm->apic_access).value);
        vmcs_write(vmcs_tpr_threshold, 0);
        vmx_of(v)->tpr_threshold = 0;
    }
    if (vm->rung >= RUNG_POSTED) {
        vmcs_write(vmcs_posted_interrupt_descriptor, vlapic_pid(v).value);
        vmcs_write(vmcs_posted_interrupt_vector, VECTOR_POSTED);
    }
    if (vm->rung >= RUNG_IPIV) {
        vmcs_write(vmcs_pid_table, virt_to_phys(v->vm->pid_table->entries).value);
        vmcs_write(vmcs_last_pid_index, v->vm->pid_table->last);
    }
}

void vmx_apicv_configure(struct vcpu *v)
{
    const struct vmx_vm *vm = v->vm->backend;
    struct vmx_vcpu *x = vmx_of(v);
    enum vlapic_mode mode = vlapic_mode(v);
    bool relocated = mode == VLAPIC_XAPIC && vlapic_base(v).value != VLAPIC_BASE;
    bool shadow = vm->rung >= RUNG_TPR_SHADOW, page = shadow && mode == VLAPIC_XAPIC && !relocated;
    uint64_t proc2 = vmx_caps.controls[WORD_PROC2], tertiary = 0;

    x->pin = vmx_caps.controls[WORD_PIN] | (vmx_hv_timer_wanted(v->vm->config) ? PIN_PREEMPTION_TIMER : 0);
    x->proc = vmx_caps.controls[WORD_PROC] | (x->state.debug && !x->state.watched ? 0 : PROC_MOV_DR);
    if (vcpu_halts_by_itself(v))
        x->proc &= ~(PROC_HLT | PROC_MWAIT | PROC_MONITOR);
    x->tpr_shadow = shadow;
    x->virtual_delivery = delivers(vm, mode) && !relocated;
    if (v->vm->config->cr3_exits)
        x->proc |= PROC_CR3_LOAD;
    if (shadow)
        x->proc = (x->proc | PROC_TPR_SHADOW) & ~(PROC_CR8_LOAD | PROC_CR8_STORE);
    if (page)
        proc2 |= PROC2_VIRTUALIZE_APIC;
    if (x->virtual_delivery) {
        proc2 |= PROC2_APIC_REGISTER | PROC2_VIRTUAL_DELIVERY | (mode == VLAPIC_X2APIC ? PROC2_X2APIC : 0);
        x->pin |= vm->rung >= RUNG_POSTED ? PIN_POSTED_INTERRUPTS : 0;
        tertiary = vm->rung >= RUNG_IPIV ? PROC3_IPI : 0;
    }
    if (v->sched && vmx_can(WORD_PROC2, PROC2_PAUSE_LOOP)) {
        proc2 |= PROC2_PAUSE_LOOP;
        vmcs_write(vmcs_ple_gap, PLE_GAP);
        vmcs_write(vmcs_ple_window, PLE_WINDOW);
    }
    if (v->vm->tsc_multiplier)
        proc2 |= PROC2_TSC_SCALING;
    if (tertiary)
        x->proc |= PROC_TERTIARY;
    x->interrupt_window = x->nmi_window = false;
    vmcs_write(vmcs_pin_controls, x->pin);
    vmcs_write(vmcs_proc_controls, x->proc);
    vmcs_write(vmcs_proc2_controls, proc2);
    if (vm->rung >= RUNG_IPIV)
        vmcs_write(vmcs_tertiary_controls, tertiary);
    vmcs_write(vmcs_ept_pointer, page ? vm->ept_pointer_apic : vm->ept_pointer);
    vmcs_write(vmcs_msr_bitmap,
               virt_to_phys(proc2 & PROC2_X2APIC ? vm->msr_bitmap_x2apic : vm->msr_bitmap).value);
    write_pointers(v, vm);
    v->fast.hv_timer = (x->pin & PIN_PREEMPTION_TIMER) != 0;
    v->fast.delivers = x->virtual_delivery;
    vlapic_use_tpr_shadow(v, shadow && !x->virtual_delivery);
    vlapic_use_posted(v, x->pin & PIN_POSTED_INTERRUPTS);
    x->handed_over = false;
    v->due |= DUE_IRQ | DUE_TIMER;
}

/* --- before an entry --- */

static NOINLINE void write_eoi_exits(struct vcpu *v)
{
    uint64_t level[4];

    _Static_assert(FIELD_eoi_exit_bitmap3 == FIELD_eoi_exit_bitmap0 + 2 * (ARRAY_SIZE(level) - 1),
                   "64 vectors each");
    vlapic_level_vectors(v, level);
    for (unsigned i = 0; i < 4; i++)
        vmcs_write((struct vmcs_field){vmcs_eoi_exit_bitmap0.encoding + 2 * i}, level[i]);
}

/* RVI is right as long as only the processor changes IRR. */
static NOINLINE void write_interrupt_status(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    uint64_t status = vmcs_read(vmcs_guest_interrupt_status);

    if (unlikely(vlapic_level_changed(v) || !x->handed_over))
        write_eoi_exits(v);
    if (unlikely(!x->handed_over))
        status = (uint64_t)MAX(vlapic_in_service(v), 0) << 8;
    x->handed_over = true;
    vmcs_write(vmcs_guest_interrupt_status, (status & 0xff00) | (uint64_t)MAX(vlapic_requested(v), 0));
}

void vmx_apicv_sync(struct vcpu *v)
{
    if (vlapic_take_requested(v) || !vmx_of(v)->handed_over)
        write_interrupt_status(v);
}

void vmx_apicv_request(unsigned vector)
{
    uint64_t status = vmcs_read(vmcs_guest_interrupt_status);

    if (vector > (status & 0xff))
        vmcs_write(vmcs_guest_interrupt_status, (status & 0xff00) | vector);
}

void vmx_apicv_set_threshold(struct vcpu *v, int vector)
{
    struct vmx_vcpu *x = vmx_of(v);
    unsigned threshold = 0;

    /* Held back by TPR alone: what is in service ends with an exit anyway. */
    if (vector >= 0 && (unsigned)vector >> 4 <= vlapic_tpr_class(v))
        threshold = (unsigned)vector >> 4;
    if (threshold == x->tpr_threshold)
        return;
    x->tpr_threshold = (uint8_t)threshold;
    vmcs_write(vmcs_tpr_threshold, threshold);
}

/* --- exits --- */

enum next vmx_handle_apic_write(struct vcpu *v)
{
    vlapic_page_written(v, WRITE_OFFSET(vmcs_read(vmcs_exit_qualification)) & ~15u);
    return NEXT_RESUME;
}

enum next vmx_handle_virtual_eoi(struct vcpu *v)
{
    vlapic_broadcast_eoi(v, (unsigned)vmcs_read(vmcs_exit_qualification) & 0xff);
    return NEXT_RESUME;
}
