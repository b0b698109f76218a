/* SPDX-License-Identifier: BSD-2-Clause */
/* A row per exit reason, and the handlers that need no file of their own. */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "core/base/machine_errors.h"
#include "core/base/panic.h"
#include "hypercall/hypercall.h"
#include "sched/sched.h"
#include "sched/vm_run.h"
#include "vcpu/cpuid.h"
#include "vcpu/cr.h"
#include "vcpu/debug.h"
#include "vcpu/event.h"
#include "vcpu/io.h"
#include "vcpu/machine_check.h"
#include "vcpu/mmio.h"
#include "vcpu/msr.h"
#include "vmx/apicv.h"
#include "vmx/check.h"
#include "vmx/cr3.h"
#include "vmx/event.h"
#include "vmx/guest.h"
#include "vmx/qualification.h"
#include "vmx/run.h"
#include "vmx/task.h"

static COLD bool ends(struct vcpu *v, enum vm_end end, const char *what)
{
    return vm_request_end(v->vm, end, "%s at rip %llx (vcpu %u, cs %llx, cr3 %llx, qualification %llx)", what,
                          (unsigned long long)vmcs_read(vmcs_guest_rip), v->id,
                          (unsigned long long)vmcs_read(vmcs_guest_cs_selector),
                          (unsigned long long)vmcs_read(vmcs_guest_cr3),
                          (unsigned long long)vmcs_read(vmcs_exit_qualification));
}

static COLD enum next crash(struct vcpu *v, const char *what)
{
    ends(v, VM_END_CRASH, what);
    return NEXT_LEAVE;
}

/* If it is this VM that ends, its vCPU is asked to leave before it enters again. */
static COLD enum next handle_machine_check(struct vcpu *v)
{
    if (vcpu_survives_machine_check())
        return NEXT_RESUME;
    machine_errors_print();
    panic("machine check while [vm %s] ran", v->vm->config->name);
}

/* #DB and #AC go back to the guest, whose delivery of them may raise them again before any instruction. */
static enum next handle_exception(struct vcpu *v)
{
    uint32_t info = (uint32_t)vmcs_read(vmcs_exit_interruption_info);
    unsigned vector = EVENT_VECTOR(info);

    sched_look_around();
    if (vector != VECTOR_DF)
        vmx_block_nmi_again(info);
    vmx_reinject(v);
    if (EVENT_TYPE(info) == EVENT_NMI) {
        __asm__ volatile("int $2"); /* the host's own NMI */
        return NEXT_RESUME;
    }
    if (vector == VECTOR_MC)
        return handle_machine_check(v);
    if (vector == VECTOR_DB && EVENT_TYPE(info) == EVENT_PRIVILEGED_SOFTWARE) {
        vcpu_inject_int1(v, (unsigned)vmcs_read(vmcs_exit_instruction_length));
        return NEXT_RESUME;
    }
    if (vector == VECTOR_DB)
        return vcpu_debug_exception(v, vmcs_read(vmcs_exit_qualification));
    if (!(info & EVENT_ERROR_CODE)) /* #BP: only a debugger asks for it */
        return vcpu_int3(v, (unsigned)vmcs_read(vmcs_exit_instruction_length));
    vcpu_inject_error(v, vector, (uint32_t)vmcs_read(vmcs_exit_interruption_error));
    return NEXT_RESUME;
}

static enum next handle_external_interrupt(struct vcpu *v UNUSED)
{
    interrupt_dispatch(EVENT_VECTOR(vmcs_read(vmcs_exit_interruption_info)));
    return NEXT_RESUME;
}

static enum next handle_triple_fault(struct vcpu *v)
{
    const char *what;
    enum vm_end end = vm_triple_fault(v->vm, &what);

    ends(v, end, what);
    return NEXT_LEAVE;
}

static enum next handle_window(struct vcpu *v)
{
    v->due |= DUE_IRQ;
    return NEXT_RESUME;
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
    vcpu_inject(v, VECTOR_UD);
    return NEXT_RESUME;
}

static enum next handle_nothing(struct vcpu *v UNUSED)
{
    return NEXT_SKIP_AND_RESUME;
}

static enum next handle_vmcall(struct vcpu *v)
{
    if (unlikely(!v->fast.calls))
        return handle_undefined(v);
    return hypercall_dispatch(v, vmx_cpl(), vmcs_read(vmcs_guest_cs_rights) & RIGHTS_L);
}

static enum next handle_xsetbv(struct vcpu *v)
{
    return vcpu_xsetbv(v, vmx_cpl());
}

/* --- what the exit qualification says, for vcpu/ --- */

static COLD enum next handle_string(struct vcpu *v, uint64_t q)
{
    static const uint64_t masks[] = {UINT16_MAX, UINT32_MAX, UINT64_MAX};
    unsigned size = vmcs_read(vmcs_exit_instruction_info) >> 7 & 7;
    const struct string_io io = {
        .linear = vmcs_read(vmcs_guest_linear_address),
        .address_mask = masks[MIN(size, 2)],
        .port = QUALIFIED_PORT(q),
        .size = (uint8_t)QUALIFIED_SIZE(q),
        .in = q & QUALIFIED_IN,
        .rep = q & QUALIFIED_REP,
    };

    return vcpu_string_io(v, &io);
}

static enum next handle_io(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);

    if (unlikely(q & QUALIFIED_STRING))
        return handle_string(v, q);
    if (q & QUALIFIED_IN)
        return vcpu_in(v, QUALIFIED_PORT(q), QUALIFIED_SIZE(q));
    return vcpu_out(v, QUALIFIED_PORT(q), QUALIFIED_SIZE(q));
}

static enum next move_to_cr(struct vcpu *v, unsigned cr, uint64_t value)
{
    if (!(vmcs_read(vmcs_entry_controls) & ENTRY_IA32E))
        value = (uint32_t)value;
    switch (cr) {
    case 0: return vcpu_write_cr0(v, value);
    case 3: return vmx_write_cr3(v, value);
    case 4: return vcpu_write_cr4(v, value);
    case 8: return vcpu_write_cr8(v, value);
    default: return vcpu_protection_fault(v);
    }
}

static enum next handle_cr(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification), cr0;
    unsigned number = QUALIFIED_REGISTER(q);

    switch (QUALIFIED_ACCESS(q)) {
    case TO_CR: return move_to_cr(v, QUALIFIED_CR(q), read_gpr(v, number));
    case FROM_CR: write_gpr(v, number, vlapic_tpr_class(v)); return NEXT_SKIP_AND_RESUME; /* only CR8 exits */
    case CLTS: return vcpu_write_cr0(v, vmx_get(v, GUEST_CR0) & ~CR0_TS);
    default: /* LMSW cannot clear PE */
        cr0 = vmx_get(v, GUEST_CR0);
        return vcpu_write_cr0(v, (cr0 & ~UINT64_C(0xe)) | QUALIFIED_LMSW(q) | (cr0 & CR0_PE));
    }
}

static enum next handle_mov_dr(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);

    return vcpu_move_debug(v,
                           (struct debug_move){QUALIFIED_FROM_DR(q), QUALIFIED_DR(q), QUALIFIED_REGISTER(q)});
}

static NOINLINE enum next look_at_violation(struct vcpu *v, uint64_t q)
{
    gpa_t at = gpa(vmcs_read(vmcs_guest_physical_address));

    vmx_block_nmi_again(q);
    vmx_reinject(v);
    if (q & QUALIFIED_FETCH)
        return vcpu_memory_refused(v, at, "instruction fetch");
    if ((q & QUALIFIED_READABLE) && !guest_is_window(at)) /* all that is ever missing there is write access */
        return vcpu_protected_write(v, at);
    if (vmx_of(v)->state.event)
        return vcpu_memory_refused(v, at, "delivery of an exception or interrupt");
    if ((q & QUALIFIED_LINEAR) && !(q & QUALIFIED_FINAL))
        return vcpu_memory_refused(v, at, "page-table walk");
    return vcpu_device_memory(v, at, vmcs_read(vmcs_guest_rip));
}

/* Mostly an instruction's access to what has no page. */
static enum next handle_ept_violation(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);
    uint64_t plain = QUALIFIED_LINEAR | QUALIFIED_FINAL;

    if (unlikely((q & (plain | QUALIFIED_FETCH | QUALIFIED_READABLE | NMI_UNBLOCKED)) != plain ||
                 (vmcs_read(vmcs_idt_vectoring_info) & EVENT_VALID) || vmx_of(v)->state.event))
        return look_at_violation(v, q);
    return vcpu_device_memory(v, gpa(vmcs_read(vmcs_guest_physical_address)), vmcs_read(vmcs_guest_rip));
}

/* An access to the local APIC's page that the processor leaves to us. */
static enum next handle_apic_access(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);
    gpa_t at = gpa(VLAPIC_BASE + QUALIFIED_OFFSET(q));

    vmx_reinject(v);
    switch (q >> 12 & 15) {
    case 0:                                                              /* read, */
    case 1: return vcpu_device_memory(v, at, vmcs_read(vmcs_guest_rip)); /* write by a linear address */
    case 2: return vcpu_memory_refused(v, at, "instruction fetch");
    case 3: return vcpu_memory_refused(v, at, "delivery of an exception or interrupt");
    default: return vcpu_memory_refused(v, at, "page-table walk");
    }
}

static enum next handle_bad_entry(struct vcpu *v)
{
    if (ends(v, VM_END_CRASH, "VM entry failed") && v->vm->told)
        vmx_explain_failed_entry(v, 0, (uint32_t)vmcs_read(vmcs_exit_reason));
    return NEXT_LEAVE;
}

static enum next handle_ept_misconfig(struct vcpu *v)
{
    panic("EPT misconfiguration at guest-physical %llx",
          (unsigned long long)vmcs_read(vmcs_guest_physical_address));
    (void)v;
}

/* Behind the instruction: it counts, and takes longer. */
static COLD enum next handle_bus_lock(struct vcpu *v)
{
    vmx_reinject(v);
    return NEXT_RESUME;
}

/* The guest goes on where it can; what runs for so long exits again, and lets interrupts in on the way. */
static COLD enum next handle_notify(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);

    if (q & QUALIFIED_CONTEXT_LOST)
        return crash(v, "state lost where one instruction took too long");
    vmx_reinject(v);
    vmx_block_nmi_again(q);
    sched_look_around();
    return NEXT_RESUME;
}

enum next vmx_handle_unexpected(struct vcpu *v)
{
    return crash(v, vmx_reason_name((unsigned)vmcs_read(vmcs_exit_reason) & 0xffff));
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
    [EXIT_TASK_SWITCH] = vmx_switch_task,
    [EXIT_CPUID] = vcpu_cpuid,
    [EXIT_GETSEC] = handle_undefined,
    [EXIT_HLT] = handle_hlt,
    [EXIT_INVD] =
        handle_nothing, /* would lose other VMs' data: treated as WBINVD, which coherence makes a no-op */
    [EXIT_PAUSE] = handle_pause,
    [EXIT_MACHINE_CHECK] = handle_machine_check,
    [EXIT_RDPMC] = vcpu_protection_fault,
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
    [EXIT_CR_ACCESS] = handle_cr,
    [EXIT_MOV_DR] = handle_mov_dr,
    [EXIT_IO] = handle_io,
    [EXIT_RDMSR] = vcpu_rdmsr,
    [EXIT_WRMSR] = vcpu_wrmsr,
    [EXIT_INVALID_GUEST_STATE] = handle_bad_entry,
    [EXIT_MSR_LOADING] = handle_bad_entry,
    [EXIT_MTF] = handle_trap_flag,
    [EXIT_MWAIT] = handle_undefined, /* CPUID hides MONITOR and MWAIT */
    [EXIT_MONITOR] = handle_undefined,
    [EXIT_TPR_BELOW] = handle_window,
    [EXIT_APIC_ACCESS] = handle_apic_access,
    [EXIT_VIRTUAL_EOI] = vmx_handle_virtual_eoi,
    [EXIT_APIC_WRITE] = vmx_handle_apic_write,
    [EXIT_EPT_VIOLATION] = handle_ept_violation,
    [EXIT_EPT_MISCONFIG] = handle_ept_misconfig,
    [EXIT_PREEMPTION_TIMER] = vmx_timer_expired,
    [EXIT_INVEPT] = handle_undefined,
    [EXIT_INVVPID] = handle_undefined,
    [EXIT_WBINVD] = handle_nothing,
    [EXIT_XSETBV] = handle_xsetbv,
    [EXIT_VMFUNC] = handle_undefined,
    [EXIT_ENCLS] = handle_undefined,
    [EXIT_ENCLV] = handle_undefined,
    [EXIT_BUS_LOCK] = handle_bus_lock,
    [EXIT_NOTIFY] = handle_notify,
};

const uint8_t vmx_exit_kinds[EXIT_REASONS] = {[0 ... EXIT_REASONS - 1] = KIND_OTHER,
#define EXIT_KIND(name, number, text, kind) [number] = KIND_##kind,
                                              EXIT_NAMES(EXIT_KIND)
#undef EXIT_KIND
};

const char *vmx_reason_name(unsigned reason)
{
    switch (reason) {
#define EXIT_CASE(name, number, text, kind) \
    case number: return text;
        EXIT_NAMES(EXIT_CASE)
#undef EXIT_CASE
    default: return "unknown exit reason";
    }
}

/* The first reason of the kind, where it has but one name. */
const char *vmx_exit_name(unsigned kind)
{
    unsigned reason = 0;

    switch (kind) {
    case KIND_CACHES: return "INVD, WBINVD";
    case KIND_MWAIT: return "MONITOR, MWAIT";
    case KIND_VIRTUALIZATION: return "VMX instruction";
    case KIND_OTHER: return "other";
    default: break;
    }
    while (reason < EXIT_REASONS && vmx_exit_kinds[reason] != kind)
        reason++;
    return vmx_reason_name(reason);
}
