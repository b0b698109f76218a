/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/inject.h"
#include "arch/x86/cpu.h"
#include "core/base/panic.h"

#define EXCEPTIONS    32
#define BLOCKING_STEP (BLOCKING_STI | BLOCKING_MOV_SS)

/* Vectors by the SDM's table "Protected-Mode Exceptions and Interrupts". */
#define WITH_ERROR_CODE                                                                                    \
    (BIT(VECTOR_DF) | BIT(VECTOR_TS) | BIT(VECTOR_NP) | BIT(VECTOR_SS) | BIT(VECTOR_GP) | BIT(VECTOR_PF) | \
     BIT(VECTOR_AC))
#define NO_FAULTS \
    (BIT(VECTOR_DB) | BIT(VECTOR_NMI) | BIT(VECTOR_BP) | BIT(VECTOR_OF) | BIT(VECTOR_DF) | BIT(VECTOR_MC))

static bool is_among(uint32_t event, uint64_t vectors)
{
    return EVENT_TYPE(event) == EVENT_EXCEPTION && (vectors >> EVENT_VECTOR(event) & 1);
}

/* Real mode knows no error codes. */
static bool has_error_code(uint32_t event)
{
    return is_among(event, WITH_ERROR_CODE) && (vmcs_read(vmcs_guest_cr0) & CR0_PE);
}

/* "Instruction-Breakpoint Exception Condition": what a fault pushes has RF set, so that the instruction is
 * not stopped at again. What #DB pushes is known where it was found. */
static void set_resume_flag(const struct injection *i)
{
    if (!i->again && is_among(i->event, UINT32_MAX & ~NO_FAULTS))
        vmcs_write(vmcs_guest_rflags, vmcs_read(vmcs_guest_rflags) | RFLAGS_RF);
}

/*
 * In the shadow of STI or MOV SS an entry wants to see a single step that is still to come; the exit of a #DB
 * there does not leave one (INT1 behind MOV SS with TF set, by anybody in ring 3).
 */
static void keep_single_step(void)
{
    uint64_t pending = vmcs_read(vmcs_guest_pending_debug) & ~PENDING_STEP;

    if (!(vmcs_read(vmcs_guest_interruptibility) & BLOCKING_STEP))
        return;
    if ((vmcs_read(vmcs_guest_rflags) & RFLAGS_TF) && !(vmcs_read(vmcs_guest_debugctl) & DEBUGCTL_BTF))
        pending |= PENDING_STEP;
    vmcs_write(vmcs_guest_pending_debug, pending);
}

/* "Single-Stepping on Branches": the processor clears BTF when it generates a debug exception. */
static void end_branch_steps(void)
{
    uint64_t debugctl = vmcs_read(vmcs_guest_debugctl);

    if (debugctl & DEBUGCTL_BTF)
        vmcs_write(vmcs_guest_debugctl, debugctl & ~DEBUGCTL_BTF);
}

COLD void vmx_inject_checked(const struct injection *i)
{
    unsigned type = EVENT_TYPE(i->event), vector = EVENT_VECTOR(i->event);
    bool coded = has_error_code(i->event);

    ASSERT(type != EVENT_EXCEPTION || vector < EXCEPTIONS);
    ASSERT(type != EVENT_NMI || vector == VECTOR_NMI);
    if (vector == VECTOR_DB && (type == EVENT_EXCEPTION || type == EVENT_PRIVILEGED_SOFTWARE))
        end_branch_steps(); /* first: whether a single step is to come is looked at as it is then */
    keep_single_step();
    set_resume_flag(i);
    if (coded)
        vmcs_write(vmcs_entry_error_code, (uint16_t)i->error);
    if (type >= EVENT_SOFTWARE_INTERRUPT)
        vmcs_write(vmcs_entry_instruction_length, i->length);
    vmcs_write(vmcs_entry_interruption_info,
               EVENT_VALID | (coded ? EVENT_ERROR_CODE : 0) | (i->event & (EVENT_TYPE_MASK | 0xff)));
}
