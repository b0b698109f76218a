/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why did a VMRUN fail? The processor says VMEXIT_INVALID and no more; this walks the rules of APM volume 2,
 * "Canonicalization and consistency checks", and names each field that breaks one, with its value and the
 * rule.
 */
#include "svm/check.h"

#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/msr.h"
#include "core/base/log.h"
#include "svm/caps.h"
#include "svm/msr.h"
#include "vcpu/event.h"

#define EFER_DEFINED   (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | BIT(13) | BIT(14) | BIT(15))
#define LAST_EXCEPTION 31

static unsigned broken;

static void check(bool ok, const char *field, uint64_t value, const char *rule)
{
    if (ok)
        return;
    broken++;
    log_error("  %s = %llx: %s", field, (unsigned long long)value, rule);
}

static void check_controls(const struct vmcb *b)
{
    check(b->misc2 & MISC2_VMRUN, "intercepts 2", b->misc2, "VMRUN must be intercepted");
    check(b->asid && b->asid < svm_caps.asids, "ASID", b->asid, "must not be 0, and below what CPUID says");
    check(b->msr_map % PAGE_SIZE == 0 && !(b->msr_map >> cpu_physical_bits()), "MSR map", b->msr_map,
          "must be a page within the address width");
    check(b->io_map % PAGE_SIZE == 0 && !(b->io_map >> cpu_physical_bits()), "I/O map", b->io_map,
          "must be a page within the address width");
    check(b->nested_cr3 % PAGE_SIZE == 0 && !(b->nested_cr3 >> cpu_physical_bits()), "nested CR3",
          b->nested_cr3, "must be a page within the address width");
}

static void check_control_registers(const struct vmcb *b)
{
    bool wide = (b->efer & EFER_LME) && (b->cr0 & CR0_PG);

    check(b->efer & EFER_SVME, "EFER", b->efer, "SVME must be 1");
    check(!(b->efer & ~EFER_DEFINED), "EFER", b->efer, "reserved bits must be 0");
    check((b->cr0 & CR0_CD) || !(b->cr0 & CR0_NW), "CR0", b->cr0, "NW needs CD");
    check(!(b->cr0 >> 32), "CR0", b->cr0, "bits 63:32 must be 0");
    check(!(b->cr3 >> cpu_physical_bits()) || !wide, "CR3", b->cr3, "must be within the address width");
    check(!(b->cr4 >> 32), "CR4", b->cr4, "reserved bits must be 0");
    check(!(b->dr6 >> 32), "DR6", b->dr6, "bits 63:32 must be 0");
    check(!(b->dr7 >> 32), "DR7", b->dr7, "bits 63:32 must be 0");
    check(!wide || (b->cr4 & CR4_PAE), "CR4", b->cr4, "PAE must be 1 in long mode");
    check(!wide || (b->cr0 & CR0_PE), "CR0", b->cr0, "PE must be 1 in long mode");
    check(!wide || !(b->cs.attributes & ATTRIBUTE_L) || !(b->cs.attributes & ATTRIBUTE_D), "CS attributes",
          b->cs.attributes, "L and D must not both be 1 in long mode");
}

static void check_event(const struct vmcb *b)
{
    unsigned type = EVENT_TYPE(b->inject), vector = EVENT_VECTOR(b->inject);

    if (!(b->inject & EVENT_VALID))
        return;
    check(type == EVENT_EXTERNAL || (type >= EVENT_NMI && type <= EVENT_SOFTWARE_INTERRUPT), "event",
          b->inject, "the type must be 0, 2, 3 or 4");
    check(type != EVENT_EXCEPTION || (vector != VECTOR_NMI && vector <= LAST_EXCEPTION), "event", b->inject,
          "an exception has a vector up to 31, and not 2");
}

unsigned svm_explain_failed_entry(const struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);

    log_error("[vm %s] vcpu %u: VM entry failed", v->vm->config->name, v->id);
    broken = 0;
    check_controls(b);
    check_control_registers(b);
    check_event(b);
    if (!broken)
        log_error("  no rule that Skerry knows is broken");
    return broken;
}
