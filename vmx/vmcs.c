/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/vmcs.h"
#include "arch/x86/layout.h"
#include "core/base/panic.h"
#include "vmx/caps.h"
#include "vmx/state.h"

static const struct {
    uint32_t encoding;
    const char *name;
} names[] = {
#define VMCS_NAME(name, code) {code, #name},
    VMCS_FIELDS(VMCS_NAME)
#undef VMCS_NAME
};

const char *vmcs_field_name(struct vmcs_field f)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].encoding == f.encoding)
            return names[i].name;
    }
    return "unknown field";
}

/* Fields that come with a control ("Field encoding in VMCS"): used only where the control is. */
static bool optional(uint32_t encoding)
{
    static const struct vmcs_field fields[] = {
        vmcs_posted_interrupt_vector,
        vmcs_last_pid_index,
        vmcs_guest_interrupt_status,
        vmcs_virtual_apic_page,
        vmcs_apic_access_page,
        vmcs_posted_interrupt_descriptor,
        vmcs_eoi_exit_bitmap0,
        vmcs_eoi_exit_bitmap1,
        vmcs_eoi_exit_bitmap2,
        vmcs_eoi_exit_bitmap3,
        vmcs_xss_exiting_bitmap,
        vmcs_encls_exiting_bitmap,
        vmcs_enclv_exiting_bitmap,
        vmcs_notify_window,
        vmcs_tsc_multiplier,
        vmcs_tertiary_controls,
        vmcs_pid_table,
        vmcs_tpr_threshold,
        vmcs_preemption_timer_value,
        vmcs_ple_gap,
        vmcs_ple_window,
        vmcs_cr3_target0,
        vmcs_cr3_target1,
        vmcs_cr3_target2,
        vmcs_cr3_target3,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        if (fields[i].encoding == encoding)
            return true;
    }
    return false;
}

static bool read_checked(uint32_t encoding, uint64_t *value)
{
    bool failed;

    shadow_access();
    *value = 0;
    __asm__ volatile("vmread %q2, %0" : "+r"(*value), "=@ccbe"(failed) : "r"((uint64_t)encoding));
    return !failed;
}

void vmcs_each_field(unsigned area, vmcs_visitor *visit)
{
    ASSERT(area < 4);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t value;

        if ((names[i].encoding >> 10 & 3) == area) {
            bool there = read_checked(names[i].encoding, &value);

            visit(names[i].name, names[i].encoding, there, value);
        }
    }
}

void vmx_verify_fields(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t value;

        if (!read_checked(names[i].encoding, &value) && !optional(names[i].encoding))
            panic("VMCS field %s (%04x) cannot be read", names[i].name, names[i].encoding);
    }
}

bool vmx_vmxon(void *region)
{
    const hpa_t at = virt_to_phys(region);

    ASSERT(at.value % PAGE_SIZE == 0);
    return POINTER_INSTRUCTION("vmxon", at);
}

void vmx_vmxoff(void)
{
    shadow_vmxoff();
    __asm__ volatile("vmxoff" ::: "cc", "memory");
}
