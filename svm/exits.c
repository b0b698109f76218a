/* SPDX-License-Identifier: BSD-2-Clause */
/* A row per exit code, and the handlers that need no file of their own. */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "core/base/machine_errors.h"
#include "hypercall/hypercall.h"
#include "sched/sched.h"
#include "sched/vm_run.h"
#include "svm/caps.h"
#include "svm/check.h"
#include "svm/event.h"
#include "svm/instruction.h"
#include "svm/run.h"
#include "vcpu/cpuid.h"
#include "vcpu/cr.h"
#include "vcpu/debug.h"
#include "vcpu/event.h"
#include "vcpu/io.h"
#include "vcpu/machine_check.h"
#include "vcpu/mmio.h"
#include "vcpu/mmio_access.h"
#include "vcpu/msr.h"

#define DR6_ACTIVE UINT64_C(0x600f) /* BS, BD, B3 to B0 */
#define OPCODE_INT 0xcd

typedef enum next handler(struct vcpu *v);

static COLD bool ends(struct vcpu *v, enum vm_end end, const char *what)
{
    const struct vmcb *b = vmcb_of(v);

    return vm_request_end(v->vm, end,
                          "%s at rip %llx (vcpu %u, cs %x, cr3 %llx, exit information %llx %llx, event %llx)",
                          what, (unsigned long long)b->rip, v->id, b->cs.selector, (unsigned long long)b->cr3,
                          (unsigned long long)b->exit_info1, (unsigned long long)b->exit_info2,
                          (unsigned long long)b->exit_event);
}

static COLD enum next unexpected(struct vcpu *v)
{
    ends(v, VM_END_CRASH, svm_code_name(vmcb_of(v)->exit_code));
    return NEXT_LEAVE;
}

static enum next undefined(struct vcpu *v)
{
    vcpu_inject(v, VECTOR_UD);
    return NEXT_RESUME;
}

static enum next nothing(struct vcpu *v UNUSED)
{
    return NEXT_SKIP_AND_RESUME;
}

/* --- the host's --- */

/* It is still pending: the host's own table takes it. */
static enum next host_interrupt(struct vcpu *v UNUSED)
{
    let_interrupts_in();
    return NEXT_RESUME;
}

/* It came when GIF was set again. */
static enum next host_nmi(struct vcpu *v UNUSED)
{
    return NEXT_RESUME;
}

/* --- exceptions --- */

static COLD enum next machine_check(struct vcpu *v)
{
    if (vcpu_survives_machine_check())
        return NEXT_RESUME;
    machine_errors_print();
    panic("machine check while [vm %s] ran", v->vm->config->name);
}

static enum next debug_exception(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);

    if (unlikely(svm_of(v)->steps_by_monitor))
        return NEXT_LEAVE;
    if (svm_iret_is_over(v))
        return NEXT_RESUME;
    return vcpu_debug_exception(v, b->dr6 & DR6_ACTIVE);
}

/* Another maker's instruction for a hypercall: VMCALL, 0F 01 C1. */
static enum next undefined_or_call(struct vcpu *v)
{
    const struct svm_instruction i = svm_decode(v);

    if (!v->fast.calls || i.length != 3 || !i.two_bytes || i.opcode != 0x01 || i.modrm != 0xc1)
        return undefined(v);
    vmcb_of(v)->next_rip = vmcb_of(v)->rip + i.length;
    v->stats->exits[KIND_EXCEPTION]--; /* what it has been counted as, before anybody knew */
    v->stats->exits[KIND_CALL]++;
    return hypercall_dispatch(v, vmcb_of(v)->cpl, vmcb_of(v)->cs.attributes & ATTRIBUTE_L);
}

static enum next exception(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);
    unsigned vector = (unsigned)b->exit_code - SVM_EXIT_EXCEPTION;

    sched_look_around();
    switch (vector) {
    case VECTOR_DB: return debug_exception(v);
    case VECTOR_BP: return vcpu_int3(v, svm_instruction_length(v)); /* only a debugger asks for it */
    case VECTOR_UD: return undefined_or_call(v);
    case VECTOR_MC: return machine_check(v);
    default: vcpu_inject_error(v, vector, (uint32_t)b->exit_info1); return NEXT_RESUME;
    }
}

/* INT n, which exits with INT3 for the monitor's sake: done by injection, with RIP behind it. */
static COLD enum next software_interrupt(struct vcpu *v)
{
    const struct svm_instruction i = svm_decode(v);
    struct vmcb *b = vmcb_of(v);

    if (i.opcode != OPCODE_INT)
        return vcpu_int3(v, i.length);
    b->rip += i.length;
    b->next_rip = b->rip;
    b->inject = EVENT_VALID | EVENT_SOFTWARE_INTERRUPT << 8 | i.vector;
    return NEXT_RESUME;
}

static enum next shutdown(struct vcpu *v)
{
    const char *what;
    enum vm_end end = vm_triple_fault(v->vm, &what);

    ends(v, end, what);
    return NEXT_LEAVE;
}

/* --- instructions --- */

static enum next halt(struct vcpu *v UNUSED)
{
    return NEXT_HALT;
}

static enum next pause_loop(struct vcpu *v UNUSED)
{
    return NEXT_YIELD;
}

static enum next vmmcall(struct vcpu *v)
{
    if (unlikely(!v->fast.calls))
        return undefined(v);
    return hypercall_dispatch(v, vmcb_of(v)->cpl, vmcb_of(v)->cs.attributes & ATTRIBUTE_L);
}

static enum next xsetbv_exit(struct vcpu *v)
{
    return vcpu_xsetbv(v, vmcb_of(v)->cpl);
}

static enum next msr(struct vcpu *v)
{
    return vmcb_of(v)->exit_info1 ? vcpu_wrmsr(v) : vcpu_rdmsr(v);
}

/* The processor does not tell the segment and, on some hosts, the address size. */
static COLD enum next string(struct vcpu *v, uint64_t info)
{
    const struct svm_instruction i = svm_decode(v);
    bool in = info & IO_IN;
    struct guest_mode m;
    uint64_t mask;

    if (!i.length)
        return undefined(v);
    svm_get_mode(v, &m);
    mask = mmio_masked(UINT64_MAX, i.address_size);
    return vcpu_string_io(v, &(const struct string_io){
                                 .linear = mmio_segment_base(v, &m, in ? SEGMENT_ES : i.segment) +
                                           ((in ? v->regs.rdi : v->regs.rsi) & mask),
                                 .address_mask = mask,
                                 .port = IO_PORT(info),
                                 .size = (uint8_t)IO_SIZE(info),
                                 .in = in,
                                 .rep = info & IO_REP,
                             });
}

/* EXITINFO2 is the RIP behind it. */
static enum next io(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);
    uint64_t info = b->exit_info1;

    b->next_rip = b->exit_info2;
    if (unlikely(info & IO_STRING))
        return string(v, info);
    if (info & IO_IN)
        return vcpu_in(v, IO_PORT(info), IO_SIZE(info));
    return vcpu_out(v, IO_PORT(info), IO_SIZE(info));
}

/* --- control and debug registers --- */

static enum next write_cr(struct vcpu *v, unsigned cr, uint64_t value)
{
    switch (cr) {
    case 0: return vcpu_write_cr0(v, value);
    case 4: return vcpu_write_cr4(v, value);
    case 8: return vcpu_write_cr8(v, value);
    default: return vcpu_protection_fault(v);
    }
}

/* LMSW cannot clear PE. */
static enum next load_machine_status(struct vcpu *v, const struct svm_instruction *i)
{
    uint64_t cr0 = svm_get(v, GUEST_CR0);

    if (!svm_in_registers(i))
        return undefined(v); /* from memory: not emulated */
    return vcpu_write_cr0(v, (cr0 & ~UINT64_C(0xe)) | (read_gpr(v, svm_modrm_rm(i)) & 0xf) | (cr0 & CR0_PE));
}

static bool is_wide(const struct vcpu *v)
{
    return (vmcb_of(v)->efer & EFER_LMA) && (vmcb_of(v)->cs.attributes & ATTRIBUTE_L);
}

static enum next move_to_cr(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);
    unsigned cr = b->exit_code == SVM_EXIT_CR0_SELECT ? 0 : (unsigned)b->exit_code - SVM_EXIT_WRITE_CR;
    const struct svm_instruction i = svm_decode(v);
    uint64_t value;

    if (!i.length)
        return undefined(v);
    if (i.opcode == 0x06)
        return vcpu_write_cr0(v, svm_get(v, GUEST_CR0) & ~CR0_TS);
    if (i.opcode == 0x01)
        return load_machine_status(v, &i);
    value = read_gpr(v, svm_modrm_rm(&i));
    return write_cr(v, cr, is_wide(v) ? value : (uint32_t)value);
}

/* CR4, and CR0 while a bit of it is not as the guest has it; a host may let others exit with these. */
static enum next move_from_cr(struct vcpu *v)
{
    static const enum guest_register which[] = {[0] = GUEST_CR0, [3] = GUEST_CR3, [4] = GUEST_CR4};
    unsigned cr = (unsigned)vmcb_of(v)->exit_code - SVM_EXIT_READ_CR;
    const struct svm_instruction i = svm_decode(v);
    uint64_t value;

    if (!i.length || i.opcode != 0x20 || cr > 8 || (cr > 4 && cr < 8))
        return unexpected(v); /* SMSW does not exit */
    value = cr == 8 ? vlapic_tpr_class(v) : cr == 2 ? read_cr2() : svm_get(v, which[cr]);
    write_gpr(v, svm_modrm_rm(&i), is_wide(v) ? value : (uint32_t)value);
    return NEXT_SKIP_AND_RESUME;
}

static enum next move_debug(struct vcpu *v)
{
    const struct svm_instruction i = svm_decode(v);

    if (!i.length)
        return undefined(v);
    return vcpu_move_debug(v, (struct debug_move){vmcb_of(v)->exit_code < SVM_EXIT_WRITE_DR,
                                                  (uint8_t)vmcb_of(v)->exit_code & 7,
                                                  (uint8_t)svm_modrm_rm(&i)});
}

/* --- memory --- */

static enum next nested_page_fault(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);
    gpa_t at = gpa(b->exit_info2);

    if (b->exit_info1 & NPF_FETCH)
        return vcpu_memory_refused(v, at, "instruction fetch");
    if ((b->exit_info1 & NPF_PRESENT) &&
        !guest_is_window(at)) /* all that is ever missing there is write access */
        return vcpu_protected_write(v, at);
    if (state_of(v)->event)
        return vcpu_memory_refused(v, at, "delivery of an exception or interrupt");
    if (b->exit_info1 & NPF_WALK)
        return vcpu_memory_refused(v, at, "page-table walk");
    return vcpu_device_memory(v, at, vmcb_of(v)->rip);
}

/* --- entries that failed --- */

/* A guest that runs gets there by itself where a host finds a bad CR3 only then, and no #GP before. */
static COLD enum next invalid(struct vcpu *v)
{
    if (ends(v, VM_END_CRASH, "VM entry failed") && v->vm->told)
        svm_explain_failed_entry(v);
    return NEXT_LEAVE;
}

static handler *const handlers[SVM_EXIT_CODES] = {
    [SVM_EXIT_READ_CR... SVM_EXIT_READ_CR + 15] = move_from_cr,
    [SVM_EXIT_WRITE_CR... SVM_EXIT_WRITE_CR + 15] = move_to_cr,
    [SVM_EXIT_READ_DR... SVM_EXIT_WRITE_DR + 15] = move_debug,
    [SVM_EXIT_EXCEPTION... SVM_EXIT_EXCEPTION + 31] = exception,
    [SVM_EXIT_INTR] = host_interrupt,
    [SVM_EXIT_NMI] = host_nmi,
    [SVM_EXIT_VINTR] = svm_handle_window,
    [SVM_EXIT_CR0_SELECT] = move_to_cr,
    [SVM_EXIT_RDPMC] = vcpu_protection_fault,
    [SVM_EXIT_CPUID] = vcpu_cpuid,
    [SVM_EXIT_RSM] = undefined,
    [SVM_EXIT_IRET] = svm_handle_iret,
    [SVM_EXIT_INTN] = software_interrupt,
    [SVM_EXIT_INVD] = nothing, /* would lose other VMs' data; coherence makes WBINVD a no-op */
    [SVM_EXIT_PAUSE] = pause_loop,
    [SVM_EXIT_HLT] = halt,
    [SVM_EXIT_INVLPGA] = undefined,
    [SVM_EXIT_IO] = io,
    [SVM_EXIT_MSR] = msr,
    [SVM_EXIT_SHUTDOWN] = shutdown,
    [SVM_EXIT_VMRUN] = undefined,
    [SVM_EXIT_VMMCALL] = vmmcall,
    [SVM_EXIT_VMLOAD] = undefined,
    [SVM_EXIT_VMSAVE] = undefined,
    [SVM_EXIT_STGI] = undefined,
    [SVM_EXIT_CLGI] = undefined,
    [SVM_EXIT_SKINIT] = undefined,
    [SVM_EXIT_WBINVD] = nothing,
    [SVM_EXIT_MONITOR] = undefined, /* CPUID hides them */
    [SVM_EXIT_MWAIT] = undefined,
    [SVM_EXIT_XSETBV] = xsetbv_exit,
    [SVM_EXIT_RDPRU] = undefined,
};

/* CR8 may have been written without an exit. */
static inline void take_tpr(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    unsigned tpr = x->vmcb->interrupts & VINTR_TPR;

    if (likely(tpr == x->tpr))
        return;
    x->tpr = (uint8_t)tpr;
    vlapic_set_tpr_class(v, tpr);
}

enum next svm_handle_exit(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);
    uint64_t code = b->exit_code;
    handler *handle;

    take_tpr(v);
    if (unlikely((b->exit_event & EVENT_VALID) && code != SVM_EXIT_SHUTDOWN))
        svm_reinject(v);
    if (unlikely(code >= SVM_EXIT_CODES)) {
        if (code == SVM_EXIT_NPF)
            return nested_page_fault(v);
        return (uint32_t)code == SVM_EXIT_INVALID ? invalid(v) : unexpected(v);
    }
    handle = handlers[code];
    return likely(handle) ? handle(v) : unexpected(v);
}

/* --- in words --- */

static const uint8_t kinds[SVM_EXIT_CODES] = {
    [0 ... SVM_EXIT_READ_DR - 1] = KIND_CONTROL_REGISTER,
    [SVM_EXIT_READ_DR... SVM_EXIT_EXCEPTION - 1] = KIND_DEBUG_REGISTER,
    [SVM_EXIT_EXCEPTION + 1 ... SVM_EXIT_EXCEPTION + 31] = KIND_EXCEPTION,
#define EXIT_KIND(name, number, text, kind) [number] = KIND_##kind,
    SVM_EXITS(EXIT_KIND)
#undef EXIT_KIND
};

unsigned svm_exit_kind(const struct vmcb *b)
{
    if (b->exit_code == SVM_EXIT_NPF)
        return KIND_MEMORY;
    if (b->exit_code >= SVM_EXIT_CODES)
        return (uint32_t)b->exit_code == SVM_EXIT_INVALID ? KIND_FAILED_ENTRY : KIND_OTHER;
    return b->exit_code == SVM_EXIT_MSR && b->exit_info1 ? KIND_WRMSR : kinds[b->exit_code];
}

const char *svm_code_name(uint64_t code)
{
    switch (code) {
#define EXIT_CASE(name, number, text, kind) \
    case number: return text;
        SVM_EXITS(EXIT_CASE)
#undef EXIT_CASE
    case SVM_EXIT_NPF: return "nested page fault";
    default: break;
    }
    if (code < SVM_EXIT_READ_DR)
        return "access to a control register";
    if (code < SVM_EXIT_EXCEPTION)
        return "access to a debug register";
    if (code < SVM_EXIT_EXCEPTION + 32)
        return "exception";
    return (uint32_t)code == SVM_EXIT_INVALID ? "failed entry" : "unknown exit code";
}

const char *svm_exit_name(unsigned kind)
{
    static const char *const names[KINDS_IN_USE] = {
        [KIND_EXCEPTION] = "exception",
        [KIND_HOST_INTERRUPT] = "interrupt of the host",
        [KIND_TRIPLE_FAULT] = "triple fault",
        [KIND_INTERRUPT_WINDOW] = "interrupt window",
        [KIND_NMI_WINDOW] = "IRET",
        [KIND_CPUID] = "CPUID",
        [KIND_HLT] = "HLT",
        [KIND_PAUSE] = "PAUSE",
        [KIND_MWAIT] = "MONITOR, MWAIT",
        [KIND_CACHES] = "INVD, WBINVD",
        [KIND_RDPMC] = "RDPMC",
        [KIND_CALL] = "VMMCALL",
        [KIND_VIRTUALIZATION] = "SVM instruction",
        [KIND_CONTROL_REGISTER] = "CR access",
        [KIND_DEBUG_REGISTER] = "MOV DR",
        [KIND_IO] = "I/O port",
        [KIND_RDMSR] = "RDMSR",
        [KIND_WRMSR] = "WRMSR",
        [KIND_XSETBV] = "XSETBV",
        [KIND_MEMORY] = "nested page fault",
        [KIND_FAILED_ENTRY] = "failed entry",
    };
    const char *name = kind < KINDS_IN_USE ? names[kind] : NULL;

    return name ? name : "other";
}
