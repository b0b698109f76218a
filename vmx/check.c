/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why did a VM entry fail? The processor says only "invalid control field" or "invalid guest state"; this
 * walks the rules of SDM volume 3, "Checks on VMX controls and host-state area" and "Checking and loading
 * guest state", over the current VMCS and names each field that breaks one, with its value and the rule.
 */
#include "vmx/check.h"
#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/msr.h"
#include "core/base/log.h"
#include "vcpu/event.h"
#include "vmx/caps.h"

#define UNUSABLE        BIT(16)
#define RIGHTS_RESERVED UINT64_C(0xfffe0f00)
#define EVENT_RESERVED  UINT64_C(0x7ffff000)
#define EVENT_OTHER     7 /* a monitor trap, which Skerry does not inject */
#define BLOCKING_STEP   (BLOCKING_STI | BLOCKING_MOV_SS)

static unsigned broken;

static void check(bool ok, struct vmcs_field f, const char *rule)
{
    if (ok)
        return;
    broken++;
    log_error("  %s (%04x) = %llx: %s", vmcs_field_name(f), f.encoding, (unsigned long long)vmcs_read(f),
              rule);
}

#define CHECK(field, condition, rule)         \
    do {                                      \
        uint64_t x = vmcs_read(vmcs_##field); \
        check(condition, vmcs_##field, rule); \
    } while (0)

static bool physical_page(uint64_t address)
{
    return address % PAGE_SIZE == 0 && !(address >> cpu_physical_bits());
}

/* The bits that Skerry switches at run time are not among those it always sets. */
static bool control_ok(enum control_word word, uint64_t value)
{
    uint64_t must = vmx_caps.controls[word];

    if (word == WORD_PROC && (value & PROC_TPR_SHADOW))
        must &= ~(PROC_CR8_LOAD | PROC_CR8_STORE);
    return !(value & ~vmx_caps.allowed1[word]) && !(must & ~value);
}

static void check_controls(void)
{
    CHECK(pin_controls, control_ok(WORD_PIN, x), "bits must be allowed by IA32_VMX_PINBASED_CTLS");
    CHECK(proc_controls, control_ok(WORD_PROC, x), "bits must be allowed by IA32_VMX_PROCBASED_CTLS");
    CHECK(proc2_controls, control_ok(WORD_PROC2, x), "bits must be allowed by IA32_VMX_PROCBASED_CTLS2");
    CHECK(exit_controls, control_ok(WORD_EXIT, x), "bits must be allowed by IA32_VMX_EXIT_CTLS");
    CHECK(entry_controls, control_ok(WORD_ENTRY, x), "bits must be allowed by IA32_VMX_ENTRY_CTLS");
    CHECK(cr3_target_count, x <= MISC_CR3_TARGETS(vmx_caps.misc), "at most as many as IA32_VMX_MISC says");
    CHECK(io_bitmap_a, physical_page(x), "must be a page address");
    CHECK(io_bitmap_b, physical_page(x), "must be a page address");
    CHECK(msr_bitmap, physical_page(x), "must be a page address");
    CHECK(vpid, x != 0, "must not be 0 with VPID enabled");
    CHECK(ept_pointer, (x & 7) == 6 || (x & 7) == 0, "memory type must be UC or WB");
    CHECK(ept_pointer, (x >> 3 & 7) == 3, "page-walk length must be 4");
    CHECK(ept_pointer, physical_page(x & ~UINT64_C(0xfff)) && !(x & 0xf80), "reserved bits must be 0");
}

/* By the table "Protected-Mode Exceptions and Interrupts". */
static bool coded_vector(unsigned vector)
{
    return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) || vector == VECTOR_AC;
}

/* "VM-Entry Control Fields": the fields of event injection. */
static void check_event(uint64_t event)
{
    unsigned type = EVENT_TYPE(event), vector = EVENT_VECTOR(event);
    bool coded = type == EVENT_EXCEPTION && coded_vector(vector) && (vmcs_read(vmcs_guest_cr0) & CR0_PE);

    CHECK(entry_interruption_info, EVENT_TYPE(x) != 1 && EVENT_TYPE(x) != EVENT_OTHER,
          "types 1 and 7 are reserved");
    CHECK(entry_interruption_info, EVENT_TYPE(x) != EVENT_NMI || EVENT_VECTOR(x) == VECTOR_NMI,
          "an NMI has vector 2");
    CHECK(entry_interruption_info, EVENT_TYPE(x) != EVENT_EXCEPTION || EVENT_VECTOR(x) <= 31,
          "an exception has a vector up to 31");
    CHECK(entry_interruption_info, !(x & EVENT_RESERVED), "bits 30:12 must be 0");
    CHECK(entry_interruption_info, !(x & EVENT_ERROR_CODE) || coded,
          "an error code is for exceptions that have one, and not in real mode");
    CHECK(entry_interruption_info,
          (x & EVENT_ERROR_CODE) || !coded || (vmx_caps.basic & BASIC_ANY_ERROR_CODE),
          "the exception has an error code");
    CHECK(entry_error_code, !(event & EVENT_ERROR_CODE) || !(x >> 16), "bits 31:16 must be 0");
    CHECK(entry_instruction_length,
          type < EVENT_SOFTWARE_INTERRUPT || (x >= (vmx_caps.misc & MISC_NO_LENGTH ? 0 : 1) && x <= 15),
          "must be 1 to 15 for a software interrupt or exception");
}

/* "VM-Execution Control Fields": what the controls of APIC virtualization ask of each other. */
static void check_apic_controls(void)
{
    uint64_t pin = vmcs_read(vmcs_pin_controls), proc = vmcs_read(vmcs_proc_controls);
    bool shadow = proc & PROC_TPR_SHADOW, posted = pin & PIN_POSTED_INTERRUPTS;
    const uint64_t needs_shadow = PROC2_X2APIC | PROC2_APIC_REGISTER | PROC2_VIRTUAL_DELIVERY;

    CHECK(proc2_controls, shadow || !(x & needs_shadow),
          "x2APIC mode, APIC registers and virtual delivery need the TPR shadow");
    CHECK(proc2_controls, !(x & PROC2_VIRTUALIZE_APIC) || !(x & PROC2_X2APIC),
          "APIC accesses and x2APIC mode are virtualized one or the other");
    CHECK(proc2_controls, !(x & PROC2_VIRTUAL_DELIVERY) || (pin & PIN_EXTERNAL_INTERRUPT),
          "virtual delivery needs external-interrupt exiting");
    CHECK(proc2_controls, !posted || (x & PROC2_VIRTUAL_DELIVERY), "posted interrupts need virtual delivery");
    CHECK(exit_controls, !posted || (x & EXIT_ACK_INTERRUPT),
          "posted interrupts need acknowledge interrupt on exit");
    if (shadow) {
        CHECK(virtual_apic_page, physical_page(x), "must be a page address");
        CHECK(tpr_threshold, !(x >> 4), "bits 31:4 must be 0");
    }
    if (vmcs_read(vmcs_proc2_controls) & PROC2_VIRTUALIZE_APIC)
        CHECK(apic_access_page, physical_page(x), "must be a page address");
    if (posted) {
        CHECK(posted_interrupt_descriptor, x % 64 == 0 && !(x >> cpu_physical_bits()),
              "must be a multiple of 64");
        CHECK(posted_interrupt_vector, x <= 255, "must be a vector");
    }
    if (!(proc & PROC_TERTIARY))
        return;
    CHECK(tertiary_controls, !(x & ~vmx_caps.allowed1[WORD_PROC3]),
          "bits must be allowed by IA32_VMX_PROCBASED_CTLS3");
    CHECK(tertiary_controls, !(x & PROC3_IPI) || shadow, "IPI virtualization needs the TPR shadow");
    if (vmcs_read(vmcs_tertiary_controls) & PROC3_IPI)
        CHECK(pid_table, x % 8 == 0 && !((x + 8 * vmcs_read(vmcs_last_pid_index)) >> cpu_physical_bits()),
              "must be a multiple of 8, and its last entry an address");
}

static void print_controls(void)
{
    static const struct {
        enum control_word word;
        struct vmcs_field field;
    } words[] = {{WORD_PIN, vmcs_pin_controls},
                 {WORD_PROC, vmcs_proc_controls},
                 {WORD_PROC2, vmcs_proc2_controls},
                 {WORD_EXIT, vmcs_exit_controls},
                 {WORD_ENTRY, vmcs_entry_controls}};

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        vmx_controls_print(words[i].word, vmcs_read(words[i].field));
    if (vmcs_read(vmcs_proc_controls) & PROC_TERTIARY)
        vmx_controls_print(WORD_PROC3, vmcs_read(vmcs_tertiary_controls));
}

static void check_host(void)
{
    CHECK(host_cr0, (x & vmx_caps.cr0_fixed0) == vmx_caps.cr0_fixed0, "bits fixed to 1 in VMX operation");
    CHECK(host_cr4, (x & vmx_caps.cr4_fixed0) == vmx_caps.cr4_fixed0, "bits fixed to 1 in VMX operation");
    CHECK(host_cr4, x & CR4_PAE, "PAE must be 1 in a 64-bit host");
    CHECK(host_cs_selector, x && !(x & 7), "must not be null, RPL and TI 0");
    CHECK(host_tr_selector, x && !(x & 7), "must not be null, RPL and TI 0");
    CHECK(host_ss_selector, !(x & 7), "RPL and TI must be 0");
    CHECK(host_fs_base, canonical(x), "must be canonical");
    CHECK(host_gs_base, canonical(x), "must be canonical");
    CHECK(host_tr_base, canonical(x), "must be canonical");
    CHECK(host_gdtr_base, canonical(x), "must be canonical");
    CHECK(host_idtr_base, canonical(x), "must be canonical");
    CHECK(host_rip, canonical(x), "must be canonical");
    CHECK(host_efer, (x & (EFER_LMA | EFER_LME)) == (EFER_LMA | EFER_LME),
          "LMA and LME must be 1 in a 64-bit host");
}

static void check_control_registers(bool long_mode)
{
    uint64_t fixed = vmx_caps.cr0_fixed0 & ~(CR0_PE | CR0_PG);

    CHECK(guest_cr0, (x & fixed) == fixed, "bits fixed to 1 in VMX operation (but PE and PG)");
    CHECK(guest_cr0, !(x & CR0_PG) || (x & CR0_PE), "PG needs PE");
    CHECK(guest_cr0, !long_mode || (x & CR0_PG), "a 64-bit guest needs PG");
    CHECK(guest_cr4, (x & vmx_caps.cr4_fixed0) == vmx_caps.cr4_fixed0, "bits fixed to 1 in VMX operation");
    CHECK(guest_cr4, !(x & ~vmx_caps.cr4_fixed1), "bits fixed to 0 in VMX operation");
    CHECK(guest_cr4, !long_mode || (x & CR4_PAE), "a 64-bit guest needs PAE");
    CHECK(guest_cr4, long_mode || !(x & CR4_PCIDE), "PCIDE needs a 64-bit guest");
    CHECK(guest_cr3, !(x >> cpu_physical_bits()), "must be within the physical-address width");
    CHECK(guest_efer, !!(x & EFER_LMA) == long_mode, "LMA must equal the entry control 'IA-32e mode guest'");
    CHECK(guest_efer, !(vmcs_read(vmcs_guest_cr0) & CR0_PG) || !!(x & EFER_LMA) == !!(x & EFER_LME),
          "LME must equal LMA while PG is 1");
}

#define SAME_PLACE(field)                                                 \
    _Static_assert(FIELD_guest_tr_##field - FIELD_guest_es_##field ==     \
                       FIELD_guest_tr_selector - FIELD_guest_es_selector, \
                   "8 registers, in the same order in each group")
SAME_PLACE(rights);
SAME_PLACE(limit);
SAME_PLACE(base);

static void check_segment(struct vmcs_field selector, bool virtual8086)
{
    /* The fields of one register are at the same distance in every group of segment fields. */
    uint32_t i = selector.encoding - vmcs_guest_es_selector.encoding;
    struct vmcs_field rights = {vmcs_guest_es_rights.encoding + i},
                      limit = {vmcs_guest_es_limit.encoding + i};
    uint64_t r = vmcs_read(rights), l = vmcs_read(limit);

    if (r & UNUSABLE)
        return;
    check(!(r & RIGHTS_RESERVED), rights, "reserved bits must be 0");
    check(r & BIT(7), rights, "P must be 1 in a usable register");
    check((l & 0xfff) == 0xfff || !(r & BIT(15)), limit,
          "G must be 0 unless bits 11:0 of the limit are all 1");
    check(!(l >> 20) || (r & BIT(15)), limit, "G must be 1 when the limit is above 1 MiB");
    if (virtual8086)
        check(r == 0xf3, rights, "must be f3h in virtual-8086 mode");
}

static void check_segments(bool long_mode)
{
    bool v8086 = vmcs_read(vmcs_guest_rflags) & RFLAGS_VM;
    static const struct vmcs_field registers[] = {
        vmcs_guest_es_selector, vmcs_guest_cs_selector, vmcs_guest_ss_selector,   vmcs_guest_ds_selector,
        vmcs_guest_fs_selector, vmcs_guest_gs_selector, vmcs_guest_ldtr_selector, vmcs_guest_tr_selector};

    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        check_segment(registers[i], v8086 && i < 6);
    CHECK(guest_cs_rights, v8086 || (x & 0x1b) == 0x1b || (x & 0x1b) == 0x19 || (x & 0xf) == 3,
          "must be accessed code (or data type 3 in real mode)");
    CHECK(guest_cs_rights, !long_mode || !(x & BIT(13)) || !(x & BIT(14)), "D must be 0 when L is 1");
    CHECK(guest_cs_rights, !(x & UNUSABLE), "CS must be usable");
    CHECK(guest_tr_rights, !(x & UNUSABLE), "TR must be usable");
    CHECK(guest_tr_rights, (x & 0xf) == 11 || (!long_mode && (x & 0xf) == 3), "type must be a busy TSS");
    CHECK(guest_tr_selector, !(x & 4), "TI must be 0");
    CHECK(guest_tr_base, canonical(x), "must be canonical");
    CHECK(guest_fs_base, canonical(x), "must be canonical");
    CHECK(guest_gs_base, canonical(x), "must be canonical");
    CHECK(guest_gdtr_base, canonical(x), "must be canonical");
    CHECK(guest_idtr_base, canonical(x), "must be canonical");
    CHECK(guest_gdtr_limit, !(x >> 16), "bits 31:16 must be 0");
    CHECK(guest_idtr_limit, !(x >> 16), "bits 31:16 must be 0");
}

enum activity_state { IS_ACTIVE, IS_HALTED, IS_SHUT_DOWN, IS_WAITING };

/* Which events each state of activity takes. */
static bool state_takes(uint64_t state, unsigned type, unsigned vector)
{
    bool wakes = type == EVENT_NMI || (type == EVENT_EXCEPTION && vector == VECTOR_MC);

    if (state == IS_HALTED)
        return wakes || type == EVENT_EXTERNAL || (type == EVENT_EXCEPTION && vector == VECTOR_DB);
    return state == IS_ACTIVE || (state == IS_SHUT_DOWN && wakes);
}

/* "Checks on Guest Non-Register State", with the event that comes on top of it. */
static void check_activity(uint64_t event)
{
    CHECK(guest_activity, x <= IS_WAITING, "must be 0 to 3");
    CHECK(guest_activity, x == IS_ACTIVE || !(vmcs_read(vmcs_guest_interruptibility) & BLOCKING_STEP),
          "must be active under STI or MOV SS blocking");
    CHECK(guest_activity, x != IS_HALTED || !(vmcs_read(vmcs_guest_ss_rights) >> 5 & 3), "HLT is for ring 0");
    CHECK(guest_activity, !(event & EVENT_VALID) || state_takes(x, EVENT_TYPE(event), EVENT_VECTOR(event)),
          "must be one that takes the event that is injected");
}

static void check_blocking(uint64_t event, uint64_t flags)
{
    bool valid = event & EVENT_VALID;
    unsigned type = EVENT_TYPE(event);

    CHECK(guest_interruptibility, !(x & ~UINT64_C(0x1f)) && (x & BLOCKING_STEP) != BLOCKING_STEP,
          "reserved bits 0; not both STI and MOV SS");
    CHECK(guest_interruptibility, (flags & RFLAGS_IF) || !(x & BLOCKING_STI), "STI blocking needs IF");
    CHECK(guest_interruptibility, !valid || type != EVENT_EXTERNAL || !(x & BLOCKING_STEP),
          "STI and MOV SS block external interrupts");
    CHECK(guest_interruptibility, !valid || type != EVENT_NMI || !(x & (BLOCKING_MOV_SS | BLOCKING_NMI)),
          "MOV SS and an NMI block NMIs");
    CHECK(guest_rflags, !valid || type != EVENT_EXTERNAL || (x & RFLAGS_IF),
          "IF must be 1 when an external interrupt is injected");
}

/* B0 to B3, enabled breakpoint, BS; RTM has no guest. */
static void check_pending_debug(uint64_t flags)
{
    bool waits = (vmcs_read(vmcs_guest_interruptibility) & BLOCKING_STEP) ||
                 vmcs_read(vmcs_guest_activity) == IS_HALTED;
    bool steps = (flags & RFLAGS_TF) && !(vmcs_read(vmcs_guest_debugctl) & DEBUGCTL_BTF);

    CHECK(guest_pending_debug, !(x & ~UINT64_C(0x500f)), "reserved bits must be 0");
    CHECK(guest_pending_debug, !waits || !!(x & PENDING_STEP) == steps,
          "under STI or MOV SS blocking and in HLT, BS must be 1 with TF and without BTF, else 0");
}

static void check_rest(bool long_mode)
{
    bool wide = long_mode && (vmcs_read(vmcs_guest_cs_rights) & BIT(13));
    uint64_t event = vmcs_read(vmcs_entry_interruption_info), flags = vmcs_read(vmcs_guest_rflags);

    if (event & EVENT_VALID)
        check_event(event);
    check_activity(event);
    check_blocking(event, flags);
    check_pending_debug(flags);
    CHECK(guest_rip, wide ? canonical(x) : !(x >> 32), "must fit the code segment's mode");
    CHECK(guest_rflags, (x & RFLAGS_FIXED) && !(x & ~UINT64_C(0x3f7fd7)), "bit 1 must be 1, reserved bits 0");
    CHECK(guest_rflags, !long_mode || !(x & RFLAGS_VM), "VM must be 0 in a 64-bit guest");
    CHECK(vmcs_link_pointer, x == UINT64_MAX, "must be all ones without VMCS shadowing");
    CHECK(guest_dr7, !(x >> 32), "bits 63:32 must be 0");
}

unsigned vmx_explain_failed_entry(const struct vcpu *v, uint32_t error, uint32_t reason)
{
    bool long_mode = vmcs_read(vmcs_entry_controls) & ENTRY_IA32E;

    log_error("[vm %s] vcpu %u: VM entry failed: instruction error %u, exit reason %x, qualification %llx",
              v->vm->config->name, v->id, error, reason,
              reason ? (unsigned long long)vmcs_read(vmcs_exit_qualification) : 0);
    broken = 0;
    print_controls();
    check_controls();
    check_apic_controls();
    check_host();
    check_control_registers(long_mode);
    check_segments(long_mode);
    check_rest(long_mode);
    if (!broken)
        log_error("  no rule that Skerry knows is broken");
    return broken;
}
