/* SPDX-License-Identifier: BSD-2-Clause */
/* SVM on and off on a CPU, and the operations that the others reach us through. */
#include "svm/backend.h"

#include "apic/pid.h"
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/lapic.h"
#include "arch/x86/msr.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "hypercall/kvm.h"
#include "svm/asid.h"
#include "svm/caps.h"
#include "svm/dump.h"
#include "svm/event.h"
#include "svm/msr.h"
#include "svm/npt.h"
#include "svm/run.h"
#include "svm/selftest.h"
#include "svm/setup.h"
#include "svm/step.h"
#include "vcpu/context.h"
#include "vcpu/guards.h"
#include "vcpu/life.h"
#include "vcpu/words.h"

/* The firmware may have switched it off, and locked that. */
static bool unlock(void)
{
    uint64_t value = rdmsr(VM_CR);

    if (!(value & VM_CR_SVMDIS))
        return true;
    if (value & VM_CR_LOCK)
        return false;
    wrmsr(VM_CR, value & ~VM_CR_SVMDIS);
    return true;
}

static bool probe(const char **missing)
{
    if (!svm_caps_read(&svm_caps))
        return false;
    *missing = "SVM, which the firmware has switched off (VM_CR.SVMDIS)";
    if (!unlock())
        return false;
    *missing = svm_caps_missing(&svm_caps);
    if (*missing)
        return false;
    *missing = "six pages of memory for I/O maps";
    return svm_io_maps_create();
}

static void explain(void)
{
    print("SVM revision %u, %u ASIDs\n", svm_caps.revision, svm_caps.asids);
    svm_caps_explain();
    guards_explain();
}

static void explain_vm(const struct vm_config *c)
{
    print("    interrupts by software local APIC (%s), timers by the host timer, I/O and MSRs closed\n",
          c->x2apic ? "xAPIC and x2APIC" : "xAPIC only");
    kvm_explain(c, (struct kvm_needless){0});
    guards_explain_vm(c);
}

static bool can_run(const struct vm_config *c, unsigned *line, const char **why)
{
    *line = c->tsc_khz_line;
    *why = "tsc-khz needs a TSC ratio, which this CPU does not have, expected the machine's own rate";
    return !c->tsc_khz || svm_can(SVM_TSC_RATIO);
}

/* Its own pages, and what VMRUN does not switch of this CPU. */
static struct svm_cpu *create_cpu(void)
{
    struct svm_cpu *x = memory_alloc_zeroed(&memory_host, MEMORY_STATE, 1);
    void *host = memory_alloc_zeroed(&memory_host, MEMORY_CONTROL, 2);

    if (!x || !host)
        return NULL;
    x->host_state = virt_to_phys(host);
    x->save_area = hpa(x->host_state.value + PAGE_SIZE);
    return x;
}

static bool cpu_enable(struct cpu *cpu, const char **why)
{
    struct svm_caps caps;
    struct svm_cpu *x;

    ASSERT(!cpu->virtualization && cpu == this_cpu());
    cpu->ndst = pid_encode_destination(cpu->apic_id, lapic_in_x2apic_mode());
    *why = "SVM is switched off on it";
    if (!svm_caps_read(&caps) || !unlock())
        return false;
    *why = svm_caps_mismatch(&svm_caps, &caps);
    if (*why)
        return false;
    svm_caps.asids = MIN(svm_caps.asids, caps.asids);
    *why = "no memory for what SVM needs of it";
    x = create_cpu();
    if (!x)
        return false;
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_SVME);
    wrmsr(VM_HSAVE_PA, x->save_area.value);
    __asm__ volatile("vmsave" ::"a"(x->host_state.value) : "memory");
    cpu->virtualization = x;
    vcpu_context_enable();
    return true;
}

static void cpu_disable(struct cpu *cpu)
{
    if (!cpu->virtualization)
        return;
    ASSERT(!cpu->active && cpu == this_cpu());
    if (svm_can(SVM_TSC_RATIO))
        wrmsr(TSC_RATIO, UINT64_C(1) << 32);
    wrmsr(VM_HSAVE_PA, 0);
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) & ~EFER_SVME);
    cpu->virtualization = NULL;
}

static void shift_time(struct vm *vm, uint64_t ticks)
{
    for (unsigned i = 0, moves = vcpu_time_moves(vm); moves && i < vm->vcpu_count; i++)
        vcpu_shift_time(vm->vcpus[i], ticks);
}

/* --- for vcpu/ --- */

/* There is no control that a processor without it would have. */
static bool guest_may_use(enum guest_feature feature)
{
    static const enum cpu_feature features[] = {
        [GUEST_RDTSCP] = FEATURE_RDTSCP, [GUEST_XSAVES] = FEATURE_XSAVES};

    if (feature == GUEST_HALT) /* an interrupt that is not the guest's would end its HLT, too */
        return false;
    return feature == GUEST_INVPCID || feature_present(features[feature]);
}

static uint64_t cr4_possible(void)
{
    return UINT64_MAX;
}

static void apic_mode_changed(struct vcpu *v)
{
    v->due |= DUE_IRQ | DUE_TIMER;
}

/* --- what SVM has not --- */

static unsigned no_cr3_targets(const struct vm *vm UNUSED)
{
    return 0;
}

static void set_no_cr3_target(struct vcpu *v UNUSED, unsigned slot UNUSED, const uint64_t *value UNUSED)
{
}

const struct backend svm_backend = {
    .name = "AMD SVM",
    .tables = "NPT",
    .control = "VMCB",
    .switches = (const char *const[]){NULL},
    .probe = probe,
    .explain = explain,
    .explain_vm = explain_vm,
    .print_capabilities = svm_caps_print,
    .cpu_enable = cpu_enable,
    .cpu_disable = cpu_disable,
    .can_run = can_run,
    .vm_create = svm_vm_create,
    .vcpu_create = svm_vcpu_create,
    .vcpu_reset = svm_vcpu_reset,
    .vm_reset = second_level_unprotect,
    .vm_destroy = vcpu_forget_vm,
    .vm_shift_time = shift_time,
    .run = svm_run,
    .block = vcpu_block,
    .unblock = vlapic_schedule_out,
    .has_mail = vlapic_has_mail,
    .get = svm_get,
    .set = svm_set,
    .get_mode = svm_get_mode,
    .note_mode = svm_note_mode,
    .is_mode = svm_is_mode,
    .set_pdptes = svm_set_pdptes,
    .flush_linear = svm_new_asid,
    .set_tsc_offset = svm_set_tsc_offset,
    .skip = svm_skip,
    .guest_may_use = guest_may_use,
    .cr4_possible = cr4_possible,
    .apic_mode_changed = apic_mode_changed,
    .deadline_moved = svm_deadline_moved,
    .exit_on_debug = svm_exit_on_debug,
    .deliver = svm_deliver,
    .sync_tables = svm_sync,
    .init = svm_vcpu_init,
    .startup = svm_vcpu_startup,
    .exit_name = svm_exit_name,
    .exit_words = vcpu_exit_words,
    .protect = second_level_protect,
    .map_range = second_level_map_range,
    .unmap_range = second_level_unmap_range,
    .map_window = second_level_map_window,
    .cr3_targets = no_cr3_targets,
    .set_cr3_target = set_no_cr3_target,
    .flush_counts = second_level_flush_counts,
    .self_test = svm_self_test,
    .breakpoints_changed = svm_breakpoints_changed,
    .step = svm_step,
    .dump = svm_dump,
    .dump_walk = svm_dump_walk,
    .read_linear = svm_read_linear,
    .instruction_pointer = svm_instruction_pointer,
    .host_slices = true,
};
