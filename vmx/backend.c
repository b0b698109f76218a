/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX on and off on a CPU, and the operations core/ reaches us through. */
#include "vmx/backend.h"
#include "apic/pid.h"
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/msr.h"
#include "arch/x86/trap.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "vcpu/context.h"
#include "vcpu/guards.h"
#include "vcpu/life.h"
#include "vcpu/words.h"
#include "vmx/apicv.h"
#include "vmx/caps.h"
#include "vmx/cr3.h"
#include "vmx/ept.h"
#include "vmx/event.h"
#include "vmx/examine.h"
#include "vmx/guest.h"
#include "vmx/hv_timer.h"
#include "vmx/io_bitmap.h"
#include "vmx/life.h"
#include "vmx/run.h"
#include "vmx/selftest.h"
#include "vmx/setup.h"
#include "vmx/step.h"
#include "vmx/switch.h"
#include "vmx/switches.h"
#include "vmx/tlb.h"

/* The feature lock: firmware may have forbidden VMX; where it left the lock open, we close it with VMX on. */
static bool unlock(void)
{
    uint64_t control = rdmsr(IA32_FEATURE_CONTROL);

    if (!(control & FEATURE_CONTROL_LOCK)) {
        control |= FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
        wrmsr(IA32_FEATURE_CONTROL, control);
    }
    return control & FEATURE_CONTROL_VMX;
}

static bool probe(const char **missing)
{
    if (!feature_present(FEATURE_VMX))
        return false;
    if (!unlock()) {
        *missing = "VMX, which the firmware has switched off (IA32_FEATURE_CONTROL)";
        return false;
    }
    if (!vmx_caps_read(&vmx_caps, missing))
        return false;
    vmx_hv_timer_init();
    *missing = "four pages of memory for I/O bitmaps and local APIC";
    return vmx_io_bitmap_create();
}

static void explain(void)
{
    print("VMX revision %x, %u CR3 targets, preemption-timer shift %u\n", vmx_caps.revision,
          MISC_CR3_TARGETS(vmx_caps.misc), MISC_TIMER_SHIFT(vmx_caps.misc));
    vmx_caps_explain(&vmx_caps);
    guards_explain();
}

static void print_capabilities(void)
{
    vmx_caps_print(&vmx_caps);
}

static void explain_vm(const struct vm_config *c)
{
    vmx_rung_explain(c);
    print("    timers by the %s, I/O and MSRs closed\n",
          vmx_hv_timer_wanted(c) ? "preemption timer" : "host timer");
    kvm_explain(c, vmx_needless(c));
    guards_explain_vm(c);
    if (c->cr3_exits)
        print("    MOV to CR3 exits, but for %u registered values a vCPU\n", vmx_cr3_slots(c));
}

static bool can_run(const struct vm_config *c, unsigned *line, const char **why)
{
    *line = c->shared_line;
    *why = "shared needs second-level pages of 2 MiB, which this CPU does not have, expected a VM without it";
    if (c->shared_count && !(vmx_caps.ept_vpid & EPT_PAGES_2M))
        return false;
    *line = c->tsc_khz_line;
    *why = "tsc-khz needs TSC scaling, which this CPU does not have, expected the machine's own rate";
    return !c->tsc_khz || vmx_can(WORD_PROC2, PROC2_TSC_SCALING);
}

static bool cpu_enable(struct cpu *cpu, const char **why)
{
    struct vmx_caps caps;

    ASSERT(!cpu->virtualization && cpu == this_cpu());
    cpu->ndst = pid_encode_destination(cpu->apic_id, lapic_in_x2apic_mode());
    *why = "VMX is switched off on it";
    if (!unlock() || !vmx_caps_read(&caps, why) || !vmx_caps_match(&vmx_caps, &caps, why))
        return false;
    cpu->virtualization = memory_alloc_zeroed(&memory_host, MEMORY_CONTROL, 1);
    *why = "no memory for its VMXON region";
    if (!cpu->virtualization)
        return false;
    store_le(cpu->virtualization, vmx_caps.revision, 4);
    write_cr0((read_cr0() | vmx_caps.cr0_fixed0) & vmx_caps.cr0_fixed1);
    write_cr4((read_cr4() | vmx_caps.cr4_fixed0 | CR4_VMXE) & vmx_caps.cr4_fixed1);
    *why = "VMXON failed";
    if (!vmx_vmxon(cpu->virtualization)) {
        cpu->virtualization = NULL;
        return false;
    }
    vmx_flush_tlb();
    vmx_switch_enable();
    vcpu_context_enable();
    return true;
}

/* The vCPU that ran here has been through VMCLEAR when its run ended (vmx/run.c). */
static void cpu_disable(struct cpu *cpu)
{
    if (!cpu->virtualization)
        return;
    ASSERT(!cpu->active && cpu == this_cpu());
    vmx_flush_tlb();
    vmx_vmxoff();
    write_cr4(read_cr4() & ~CR4_VMXE);
    cpu->virtualization = NULL;
}

/* --- for vcpu/ --- */

static bool guest_may_use(enum guest_feature feature)
{
    static const uint32_t controls[] = {
        [GUEST_RDTSCP] = PROC2_RDTSCP, [GUEST_INVPCID] = PROC2_INVPCID, [GUEST_XSAVES] = PROC2_XSAVES};

    _Static_assert(ARRAY_SIZE(controls) == GUEST_XSAVES + 1, "each has its control");
    return feature == GUEST_HALT || vmx_has(WORD_PROC2, controls[feature]);
}

static uint64_t cr4_possible(void)
{
    return vmx_caps.cr4_fixed1;
}

static void exit_on_debug(struct vcpu *v, bool on)
{
    struct vmx_vcpu *x = vmx_of(v);

    x->proc = on ? x->proc | PROC_MOV_DR : x->proc & ~PROC_MOV_DR;
    vmx_write_proc_controls(x);
}

static void flush_linear(struct vcpu *v UNUSED)
{
    vmx_flush_vpid((uint16_t)vmcs_read(vmcs_vpid));
}

static void sync_tables(struct vcpu *v)
{
    vmx_ept_sync(v->vm);
}

const struct backend vmx_backend = {
    .name = "Intel VMX",
    .tables = "EPT",
    .control = "VMCS",
    .switches = (const char *const[]){VMX_SWITCHES, NULL},
    .probe = probe,
    .explain = explain,
    .explain_vm = explain_vm,
    .print_capabilities = print_capabilities,
    .cpu_enable = cpu_enable,
    .cpu_disable = cpu_disable,
    .can_run = can_run,
    .vm_create = vmx_vm_create,
    .vcpu_create = vmx_vcpu_create,
    .vcpu_reset = vmx_vcpu_reset,
    .vm_reset = second_level_unprotect,
    .vm_destroy = vcpu_forget_vm,
    .vm_shift_time = vmx_shift_time,
    .run = vmx_run,
    .block = vcpu_block,
    .unblock = vlapic_schedule_out,
    .has_mail = vlapic_has_mail,
    .get = vmx_get,
    .set = vmx_set,
    .get_mode = vmx_get_mode,
    .note_mode = vmx_note_mode,
    .is_mode = vmx_is_mode,
    .set_pdptes = vmx_set_pdptes,
    .flush_linear = flush_linear,
    .set_tsc_offset = vmx_write_tsc_offset,
    .skip = vmx_skip,
    .guest_may_use = guest_may_use,
    .cr4_possible = cr4_possible,
    .apic_mode_changed = vmx_apicv_configure,
    .deadline_moved = vmx_hv_timer_follow,
    .exit_on_debug = exit_on_debug,
    .deliver = vmx_deliver,
    .sync_tables = sync_tables,
    .init = vmx_vcpu_init,
    .startup = vmx_vcpu_startup,
    .exit_name = vmx_exit_name,
    .exit_words = vcpu_exit_words,
    .protect = second_level_protect,
    .map_range = second_level_map_range,
    .unmap_range = second_level_unmap_range,
    .map_window = second_level_map_window,
    .cr3_targets = vmx_cr3_targets,
    .set_cr3_target = vmx_set_cr3_target,
    .flush_counts = second_level_flush_counts,
    .self_test = vmx_self_test,
    .breakpoints_changed = vmx_breakpoints_changed,
    .step = vmx_step,
    .dump = vmx_dump,
    .dump_walk = vmx_dump_walk,
    .read_linear = vmx_read_linear,
    .instruction_pointer = vmx_instruction_pointer,
    .pdpte_reserved = UINT64_C(0xfff00000000001e6),
};
