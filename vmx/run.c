/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a CPU while it runs one vCPU: enter, exit, handle, again. Interrupts are off throughout. */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "core/console.h"
#include "core/log.h"
#include "core/machine.h"
#include "vmx/vmx.h"

static bool must_leave(const struct vcpu *v)
{
    return v->vm->ending != VM_END_NONE || this_cpu()->leave || !v->vm->live;
}

static void failed_entry(struct vcpu *v, enum vmx_entry result)
{
    uint32_t error = result == VMX_FAIL_VALID ? (uint32_t)vmcs_read(vmcs_instruction_error) : 0;

    vmx_explain_failed_entry(v, error, 0);
    vm_request_end(v->vm, VM_END_CRASH, "VM entry failed with error %u", error);
}

/* HLT: until there is something to deliver. False when the vCPU must leave instead. */
static bool wait_for_event(struct vcpu *v)
{
    while (!must_leave(v)) {
        vlapic_update(v);
        if (vlapic_pending(v) >= 0 || vlapic_nmi_pending(v))
            return true;
        if (!v->kicked && !console_pump())
            wait_for_interrupt();
        v->kicked = false;
    }
    return false;
}

static bool halt(struct vcpu *v)
{
    bool go_on;

    if (!(vmcs_read(vmcs_guest_rflags) & RFLAGS_IF) && v->vm->vcpu_count == 1) {
        vm_request_end(v->vm, VM_END_OFF, "has halted with interrupts off");
        return false;
    }
    vmx_skip_instruction();
    v->halted = true;
    go_on = wait_for_event(v);
    v->halted = false;
    v->kicked = true;
    return go_on;
}

/* Acts on what the handler said; false: back to the scheduler. */
static bool after_exit(struct vcpu *v, enum next next)
{
    switch (next) {
    case NEXT_RESUME: return true;
    case NEXT_SKIP_AND_RESUME: vmx_skip_instruction(); return true;
    case NEXT_HALT: return halt(v);
    default: return false;
    }
}

static void report_first_entry(void)
{
    static bool reported;

    if (__atomic_exchange_n(&reported, true, __ATOMIC_RELAXED))
        return;
    log_info("first guest entry %llu TSC ticks after the Multiboot2 entry",
             (unsigned long long)(rdtsc() - machine.entry_tsc));
}

static void start_tsc(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);

    if (x->tsc_started)
        return;
    x->tsc_started = true;
    vmx_set_tsc_offset(v, -rdtsc());
}

void vmx_run(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    enum vmx_entry result;
    uint32_t reason;

    vmx_vmptrld(x->vmcs);
    vmx_load_host_state();
    vmx_load_guest_registers(v);
    vmx_flush_tlb(); /* what an earlier life of this VPID left behind */
    report_first_entry();
    start_tsc(v);
    v->kicked = true;
    for (;;) {
        if (v->kicked) {
            v->kicked = false;
            if (must_leave(v))
                break;
            vmx_prepare_entry(v);
        }
        result = vmx_enter(&v->regs, x->launched);
        if (result != VMX_EXITED) {
            failed_entry(v, result);
            break;
        }
        reason = (uint32_t)vmcs_read(vmcs_exit_reason);
        x->launched |= !(reason & EXIT_ENTRY_FAILED);
        if (!after_exit(v, vmx_handle_exit(v, reason)))
            break;
    }
    if (v->vm->ending == VM_END_CRASH)
        vmx_dump_guest(v);
    vmx_vmclear(x->vmcs);
    x->launched = false;
}
