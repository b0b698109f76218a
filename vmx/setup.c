/* SPDX-License-Identifier: BSD-2-Clause */
/* The contents of a VMCS, group by group as the SDM has them, and the guest state that no VMCS holds. */
#include "vmx/setup.h"

#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/layout.h"
#include "arch/x86/msr.h"
#include "arch/x86/selectors.h"
#include "arch/x86/string.h"
#include "core/base/memory.h"
#include "hypercall/kvm.h"
#include "vcpu/debug.h"
#include "vmx/apicv.h"
#include "vmx/caps.h"
#include "vmx/entry.h"
#include "vmx/examine.h"
#include "vmx/guest.h"
#include "vmx/hv_timer.h"
#include "vmx/io_bitmap.h"
#include "vmx/tlb.h"

#define RIGHTS_CODE16   0x009bu
#define RIGHTS_CODE32   0xc09bu
#define RIGHTS_CODE64   0xa09bu
#define RIGHTS_DATA16   0x0093u
#define RIGHTS_DATA32   0xc093u
#define RIGHTS_LDTR     0x0082u
#define RIGHTS_TSS_BUSY 0x008bu
#define START_CODE      0x10u
#define START_DATA      0x18u
#define PAT_RESET       UINT64_C(0x0007040600070406)
#define NO_LINK         UINT64_MAX
#define NOTIFY_WINDOW   0x20000u /* cycles without a place for an interrupt: no instruction takes so long */

/* CR0 bits the guest may not change by itself: NE must stay 1; CD and NW are the machine's caches. */
#define CR0_OWNED (CR0_NE | CR0_CD | CR0_NW)

bool vmx_vcpu_create(struct vcpu *v)
{
    struct vmx_vcpu *x = memory_alloc_zeroed(&v->vm->account, MEMORY_STATE, 1);
    void *vmcs = memory_alloc_zeroed(&v->vm->account, MEMORY_CONTROL, 1);

    _Static_assert(sizeof(*x) <= PAGE_SIZE, "one page");
    ASSERT((vmx_caps.basic >> 32 & 0x1fff) <= PAGE_SIZE); /* bytes of a VMCS region */
    ASSERT(!v->backend);
    if (!x || !vmcs)
        return false;
    v->backend = x;
    x->vmcs = virt_to_phys(vmcs);
    return true;
}

static void write_controls(const struct vcpu *v)
{
    const struct vmx_vm *vm = v->vm->backend;
    const struct vmx_vcpu *x = vmx_of(v);

    vmcs_write(vmcs_exit_controls, vmx_caps.controls[WORD_EXIT]);
    /* Reflected to the guest: both can loop in the processor's event delivery and would stall the CPU. */
    vmcs_write(vmcs_exception_bitmap,
               BIT(VECTOR_DB) | BIT(VECTOR_AC) | BIT(VECTOR_MC) | vmx_breakpoint_exceptions(v->vm));
    vmcs_write(vmcs_page_fault_mask, 0);
    vmcs_write(vmcs_page_fault_match, 0);
    vmcs_write(vmcs_cr3_target_count, 0);
    vmcs_write(vmcs_exit_msr_store_count, 0);
    vmcs_write(vmcs_exit_msr_load_count, 0);
    vmcs_write(vmcs_entry_msr_load_count, 0);
    vmcs_write(vmcs_entry_interruption_info, 0);
    vmcs_write(vmcs_io_bitmap_a, vmx_io_bitmap_a(v->vm->config).value);
    vmcs_write(vmcs_io_bitmap_b, vmx_io_bitmap_b().value);
    vmcs_write(vmcs_vpid, vm->first_vpid + v->id);
    if (v->vm->tsc_multiplier)
        vmcs_write(vmcs_tsc_multiplier, v->vm->tsc_multiplier);
    if (vmx_has(WORD_PROC2, PROC2_XSAVES))
        vmcs_write(vmcs_xss_exiting_bitmap, 0);
    if (vmx_has(WORD_PROC2, PROC2_ENCLS))
        vmcs_write(vmcs_encls_exiting_bitmap, UINT64_MAX);
    if (vmx_has(WORD_PROC2, PROC2_ENCLV))
        vmcs_write(vmcs_enclv_exiting_bitmap, UINT64_MAX);
    if (vmx_has(WORD_PROC2, PROC2_NOTIFY))
        vmcs_write(vmcs_notify_window, NOTIFY_WINDOW);
    vmcs_write(vmcs_cr0_mask, CR0_OWNED);
    vmcs_write(vmcs_cr4_mask, vmx_cr4_mask(x->state.cr4_allowed));
}

void vmx_load_host_state(const struct vcpu *v)
{
    struct cpu *cpu = this_cpu();
    struct table_pointer idtr;

    __asm__ volatile("sidt %0" : "=m"(idtr));
    vmcs_write(vmcs_host_cr0, read_cr0());
    vmcs_write(vmcs_host_cr3, read_cr3());
    vmcs_write(vmcs_host_cr4, read_cr4());
    vmcs_write(vmcs_host_cs_selector, SEL_CODE);
    vmcs_write(vmcs_host_ss_selector, SEL_DATA);
    vmcs_write(vmcs_host_ds_selector, SEL_DATA);
    vmcs_write(vmcs_host_es_selector, SEL_DATA);
    vmcs_write(vmcs_host_fs_selector, 0);
    vmcs_write(vmcs_host_gs_selector, 0);
    vmcs_write(vmcs_host_tr_selector, SEL_TSS);
    vmcs_write(vmcs_host_fs_base, 0);
    vmcs_write(vmcs_host_gs_base, (uint64_t)cpu);
    vmcs_write(vmcs_host_tr_base, (uint64_t)&cpu->tss);
    vmcs_write(vmcs_host_gdtr_base, (uint64_t)cpu->gdt);
    vmcs_write(vmcs_host_idtr_base, idtr.base);
    vmcs_write(vmcs_host_sysenter_cs, 0);
    vmcs_write(vmcs_host_sysenter_esp, 0);
    vmcs_write(vmcs_host_sysenter_eip, 0);
    vmcs_write(vmcs_host_pat, rdmsr(IA32_PAT));
    vmcs_write(vmcs_host_efer, rdmsr(IA32_EFER));
    vmcs_write(vmcs_host_rip, (uint64_t)vmx_of(v)->exit_point);
}

struct segment_state {
    uint16_t selector;
    uint32_t rights, limit;
    uint64_t base;
};

#define WRITE_SEGMENT(name, s)                                  \
    do {                                                        \
        vmcs_write(vmcs_guest_##name##_selector, (s).selector); \
        vmcs_write(vmcs_guest_##name##_rights, (s).rights);     \
        vmcs_write(vmcs_guest_##name##_limit, (s).limit);       \
        vmcs_write(vmcs_guest_##name##_base, (s).base);         \
    } while (0)

static void write_segments(unsigned mode)
{
    struct segment_state code = {0, RIGHTS_CODE16, 0xffff, 0}, data = {0, RIGHTS_DATA16, 0xffff, 0};
    const struct segment_state ldtr = {0, RIGHTS_LDTR, 0xffff, 0}, tr = {0, RIGHTS_TSS_BUSY, 0xffff, 0};

    ASSERT(mode == 16 || mode == 32 || mode == 64);
    if (mode != 16) {
        code = (struct segment_state){START_CODE, mode == 64 ? RIGHTS_CODE64 : RIGHTS_CODE32, UINT32_MAX, 0};
        data = (struct segment_state){START_DATA, RIGHTS_DATA32, UINT32_MAX, 0};
    }
    WRITE_SEGMENT(cs, code);
    WRITE_SEGMENT(ss, data);
    WRITE_SEGMENT(ds, data);
    WRITE_SEGMENT(es, data);
    WRITE_SEGMENT(fs, data);
    WRITE_SEGMENT(gs, data);
    WRITE_SEGMENT(ldtr, ldtr);
    WRITE_SEGMENT(tr, tr);
}

/* kept: bits of CR0 beyond the mode's. */
static void write_control_registers(const struct start_state *s, uint64_t kept)
{
    uint64_t cr0 = CR0_ET | (s->mode == 16 ? 0 : CR0_PE) | kept, cr4 = 0, efer = 0;
    uint64_t entry = vmx_caps.controls[WORD_ENTRY];

    if (s->mode == 64) {
        cr0 |= CR0_PG;
        cr4 = CR4_PAE;
        efer = EFER_LME | EFER_LMA;
        entry |= ENTRY_IA32E;
    }
    vmcs_write(vmcs_cr0_shadow, cr0);
    vmcs_write(vmcs_guest_cr0, (cr0 & ~kept) | CR0_NE);
    vmcs_write(vmcs_guest_cr3, s->cr3);
    vmcs_write(vmcs_cr4_shadow, cr4);
    vmcs_write(vmcs_guest_cr4, cr4 | vmx_cr4_forced());
    vmcs_write(vmcs_guest_efer, efer);
    vmcs_write(vmcs_entry_controls, entry);
}

/* What a reset and INIT write alike. */
static void write_guest_rest(const struct start_state *s)
{
    vmcs_write(vmcs_guest_gdtr_base, s->gdt_base);
    vmcs_write(vmcs_guest_gdtr_limit, s->gdt_base ? s->gdt_limit : 0xffff);
    vmcs_write(vmcs_guest_idtr_base, 0);
    vmcs_write(vmcs_guest_idtr_limit, s->mode == 16 ? 0xffff : 0);
    vmcs_write(vmcs_guest_rip, s->rip);
    vmcs_write(vmcs_guest_rsp, s->rsp);
    vmcs_write(vmcs_guest_rflags, RFLAGS_FIXED);
    vmcs_write(vmcs_guest_interruptibility, 0);
    vmcs_write(vmcs_guest_activity, 0);
    vmcs_write(vmcs_guest_pending_debug, 0);
    vmx_set_pdptes(NULL, (const uint64_t[4]){0});
}

static void write_guest_msrs(void)
{
    vmcs_write(vmcs_guest_dr7, DR7_RESET);
    vmcs_write(vmcs_guest_debugctl, 0);
    vmcs_write(vmcs_guest_pat, PAT_RESET);
    vmcs_write(vmcs_guest_sysenter_cs, 0);
    vmcs_write(vmcs_guest_sysenter_esp, 0);
    vmcs_write(vmcs_guest_sysenter_eip, 0);
    vmcs_write(vmcs_vmcs_link_pointer, NO_LINK);
}

void vmx_vcpu_startup(struct vcpu *v UNUSED, unsigned vector)
{
    vmcs_write(vmcs_guest_cs_selector, vector << 8);
    vmcs_write(vmcs_guest_cs_base, vector << 12);
    vmcs_write(vmcs_guest_rip, 0);
}

void vmx_vcpu_reset(struct vcpu *v, const struct start_state *start)
{
    struct vmx_vcpu *x = vmx_of(v);
    hpa_t vmcs = x->vmcs;

    ASSERT(vmcs.value && vmcs.value % PAGE_SIZE == 0);
    if (start)
        v->vm->tsc_started = false;
    else
        start = &vcpu_waits_for_sipi;
    vcpu_reset_general(v, start);
    memset(x, 0, sizeof(*x));
    x->vmcs = vmcs;
    x->enter = vmx_stubs_of(v)->enter;
    x->exit_point = vmx_stubs_of(v)->exit_point;
    x->fresh = true;
    v->fast.calls = v->vm->config->pv != PV_NONE;
    v->fast.deadline = 0;
    vcpu_state_reset(v);

    memory_zero(phys_to_virt(vmcs), 1);
    store_le(phys_to_virt(vmcs), vmx_caps.revision, 4);
    vmx_vmclear(x);
    vmx_vmptrld(x);
    vmx_verify_fields();
    write_controls(v);
    vmx_apicv_configure(v);
    vmx_hv_timer_reset(x);
    write_segments(start->mode);
    write_control_registers(start, 0);
    write_guest_rest(start);
    write_guest_msrs();
    vcpu_debug_follow(v);
    vmcs_write(vmcs_host_rsp, (uint64_t)&v->regs.host_rsp);
    vmx_vmclear(x); /* it may run on another CPU */
}

/*
 * INIT ("IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT"): the vector registers,
 * XCR0, the TSC, MTRRs and all other MSRs stay as they are, and of CR0 CD and NW. EFER is 0 in practice, as a
 * processor without paging is not in long mode. KVM's MSRs go as they do there.
 */
COLD void vmx_vcpu_init(struct vcpu *v)
{
    struct vcpu_state *x = state_of(v);

    ASSERT(vmx_of(v)->active_on == this_cpu());
    vcpu_reset_general(v, &vcpu_waits_for_sipi);
    x->event = 0;
    x->nmis = 0;
    kvm_reset(v);
    write_segments(vcpu_waits_for_sipi.mode);
    write_control_registers(&vcpu_waits_for_sipi, vmx_get(v, GUEST_CR0) & (CR0_CD | CR0_NW));
    write_guest_rest(&vcpu_waits_for_sipi);
    vcpu_debug_init(v);
    write_cr2(0);
    vmcs_write(vmcs_entry_interruption_info, 0);
    vmx_apicv_configure(v);
    vmx_flush_vpid((uint16_t)vmcs_read(vmcs_vpid));
}
