/* SPDX-License-Identifier: BSD-2-Clause */
/* A row per exit reason, and the handlers that need no file of their own. */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "core/base/console.h"
#include "core/base/panic.h"
#include "hypercall/hypercall.h"
#include "vmx/apicv.h"
#include "vmx/debug.h"
#include "vmx/exited.h"

#define RIGHTS_LONG BIT(13) /* of a code segment: 64-bit code, as EFER.LMA is 1 then */

void vmx_skip_instruction(void)
{
    vmx_skip(vmcs_read(vmcs_exit_instruction_length));
}

void vmx_skip(uint64_t length)
{
    uint64_t blocking = vmcs_read(vmcs_guest_interruptibility);

    vmcs_write(vmcs_guest_rip, vmcs_read(vmcs_guest_rip) + length);
    if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS))
        vmcs_write(vmcs_guest_interruptibility, blocking & ~(BLOCKING_STI | BLOCKING_MOV_SS));
    if (vmcs_read(vmcs_guest_rflags) & RFLAGS_TF) /* a debugger in the guest steps over this instruction */
        vmcs_write(vmcs_guest_pending_debug, vmcs_read(vmcs_guest_pending_debug) | PENDING_STEP);
}

static COLD enum next crash(struct vcpu *v, const char *what)
{
    vm_request_end(v->vm, VM_END_CRASH, "%s at rip %llx (vcpu %u, cs %llx, cr3 %llx, qualification %llx)",
                   what, (unsigned long long)vmcs_read(vmcs_guest_rip), v->id,
                   (unsigned long long)vmcs_read(vmcs_guest_cs_selector),
                   (unsigned long long)vmcs_read(vmcs_guest_cr3),
                   (unsigned long long)vmcs_read(vmcs_exit_qualification));
    return NEXT_LEAVE;
}

/* #DB and #AC go back to the guest, with DR6 as the processor would have left it. */
static enum next handle_exception(struct vcpu *v)
{
    uint32_t info = (uint32_t)vmcs_read(vmcs_exit_interruption_info);
    unsigned vector = EVENT_VECTOR(info);

    vmx_reinject(v);
    if (EVENT_TYPE(info) == EVENT_NMI) {
        __asm__ volatile("int $2"); /* the host's own NMI */
        return NEXT_RESUME;
    }
    if (vector == VECTOR_MC)
        panic("machine check while a guest ran");
    if (vector == VECTOR_DB) {
        if (vmx_of(v)->watched)
            return vmx_watched_exception(v);
        vmx_load_debug(v);
        write_dr6((read_dr6() & ~UINT64_C(0xf)) | (vmcs_read(vmcs_exit_qualification) & 0x600f));
        vmcs_write(vmcs_guest_dr7, vmcs_read(vmcs_guest_dr7) & ~BIT(13));
        vmx_inject_exception(v, VECTOR_DB);
    } else if (info & EVENT_ERROR_CODE) {
        vmx_inject_fault(v, vector, (uint32_t)vmcs_read(vmcs_exit_interruption_error));
    } else { /* #BP: only a debugger asks for it */
        return vmx_handle_int3(v);
    }
    return NEXT_RESUME;
}

static enum next handle_external_interrupt(struct vcpu *v UNUSED)
{
    interrupt_dispatch(EVENT_VECTOR(vmcs_read(vmcs_exit_interruption_info)));
    return NEXT_RESUME;
}

static enum next handle_triple_fault(struct vcpu *v)
{
    return crash(v, "triple fault");
}

static enum next handle_window(struct vcpu *v)
{
    v->due |= DUE_IRQ;
    return NEXT_RESUME;
}

static enum next handle_timer(struct vcpu *v)
{
    console_pump();
    return vmx_timer_expired(v);
}

static enum next handle_task_switch(struct vcpu *v)
{
    return crash(v, "hardware task switch, which Skerry does not emulate,");
}

static enum next handle_hlt(struct vcpu *v UNUSED)
{
    return NEXT_HALT;
}

static enum next handle_pause(struct vcpu *v UNUSED)
{
    return NEXT_YIELD;
}

/* One instruction has been executed for the monitor (step.c). */
static enum next handle_trap_flag(struct vcpu *v UNUSED)
{
    return NEXT_LEAVE;
}

static enum next handle_undefined(struct vcpu *v)
{
    vmx_inject_exception(v, VECTOR_UD);
    return NEXT_RESUME;
}

static enum next handle_protected(struct vcpu *v)
{
    vmx_inject_fault(v, VECTOR_GP, 0);
    return NEXT_RESUME;
}

static enum next handle_nothing(struct vcpu *v UNUSED)
{
    return NEXT_SKIP_AND_RESUME;
}

static enum next handle_vmcall(struct vcpu *v)
{
    if (unlikely(v->vm->config->pv == PV_NONE))
        return handle_undefined(v);
    return hypercall_dispatch(v, vmcs_read(vmcs_guest_ss_rights) >> 5 & 3,
                              vmcs_read(vmcs_guest_cs_rights) & RIGHTS_LONG);
}

static enum next handle_bad_entry(struct vcpu *v)
{
    vmx_explain_failed_entry(v, 0, (uint32_t)vmcs_read(vmcs_exit_reason));
    return crash(v, "VM entry failed");
}

static enum next handle_ept_misconfig(struct vcpu *v)
{
    panic("EPT misconfiguration at guest-physical %llx",
          (unsigned long long)vmcs_read(vmcs_guest_physical_address));
    (void)v;
}

enum next vmx_handle_unexpected(struct vcpu *v)
{
    return crash(v, vmx_exit_name((unsigned)vmcs_read(vmcs_exit_reason) & 0xffff));
}

/* Later rows replace the first. */
#pragma GCC diagnostic ignored "-Woverride-init"
vmx_exit_handler *const vmx_exit_handlers[EXIT_REASONS] = {
    [0 ... EXIT_REASONS - 1] = vmx_handle_unexpected,
    [EXIT_EXCEPTION] = handle_exception,
    [EXIT_EXTERNAL_INTERRUPT] = handle_external_interrupt,
    [EXIT_TRIPLE_FAULT] = handle_triple_fault,
    [EXIT_INTERRUPT_WINDOW] = handle_window,
    [EXIT_NMI_WINDOW] = handle_window,
    [EXIT_TASK_SWITCH] = handle_task_switch,
    [EXIT_CPUID] = vmx_handle_cpuid,
    [EXIT_GETSEC] = handle_undefined,
    [EXIT_HLT] = handle_hlt,
    [EXIT_INVD] =
        handle_nothing, /* would lose other VMs' data: treated as WBINVD, which coherence makes a no-op */
    [EXIT_PAUSE] = handle_pause,
    [EXIT_RDPMC] = handle_protected,
    [EXIT_RSM] = handle_undefined,
    [EXIT_VMCALL] = handle_vmcall,
    [EXIT_VMCLEAR] = handle_undefined,
    [EXIT_VMLAUNCH] = handle_undefined,
    [EXIT_VMPTRLD] = handle_undefined,
    [EXIT_VMPTRST] = handle_undefined,
    [EXIT_VMREAD] = handle_undefined,
    [EXIT_VMRESUME] = handle_undefined,
    [EXIT_VMWRITE] = handle_undefined,
    [EXIT_VMXOFF] = handle_undefined,
    [EXIT_VMXON] = handle_undefined,
    [EXIT_CR_ACCESS] = vmx_handle_cr,
    [EXIT_MOV_DR] = vmx_handle_mov_dr,
    [EXIT_IO] = vmx_handle_io,
    [EXIT_RDMSR] = vmx_handle_rdmsr,
    [EXIT_WRMSR] = vmx_handle_wrmsr,
    [EXIT_INVALID_GUEST_STATE] = handle_bad_entry,
    [EXIT_MSR_LOADING] = handle_bad_entry,
    [EXIT_MTF] = handle_trap_flag,
    [EXIT_MWAIT] = handle_undefined, /* CPUID hides MONITOR and MWAIT */
    [EXIT_MONITOR] = handle_undefined,
    [EXIT_TPR_BELOW] = handle_window,
    [EXIT_APIC_ACCESS] = vmx_handle_apic_access,
    [EXIT_VIRTUAL_EOI] = vmx_handle_virtual_eoi,
    [EXIT_APIC_WRITE] = vmx_handle_apic_write,
    [EXIT_EPT_VIOLATION] = vmx_handle_ept_violation,
    [EXIT_EPT_MISCONFIG] = handle_ept_misconfig,
    [EXIT_PREEMPTION_TIMER] = handle_timer,
    [EXIT_INVEPT] = handle_undefined,
    [EXIT_INVVPID] = handle_undefined,
    [EXIT_WBINVD] = handle_nothing,
    [EXIT_XSETBV] = vmx_handle_xsetbv,
    [EXIT_VMFUNC] = handle_undefined,
    [EXIT_ENCLS] = handle_undefined,
};

const char *vmx_exit_name(unsigned reason)
{
    switch (reason) {
#define EXIT_CASE(name, number, text) \
    case number: return text;
        EXIT_NAMES(EXIT_CASE)
#undef EXIT_CASE
    default: return "unknown exit reason";
    }
}
