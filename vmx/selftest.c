/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot option "selftest": entries that must fail, in every way one can. The path behind a failed VMLAUNCH or
 * VMRESUME runs with the guest's registers (vmx/entry.asm), so it is taken on purpose here: the stub must
 * come back with the right verdict, the host's registers and none of the guest's, and each reason must be
 * named.
 */
#include "vmx/selftest.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "vmx/check.h"
#include "vmx/entry.h"
#include "vmx/setup.h"
#include "vmx/switch.h"

#define GUEST_PATTERN           UINT64_C(0x6775657374000000) /* "guest" in every register of the guest */
#define ERROR_RESUME_UNLAUNCHED 5
#define ERROR_CONTROLS          7

static void fill_registers(struct vcpu *v)
{
    for (unsigned i = 0; i < ARRAY_SIZE(v->regs.by_number); i++)
        v->regs.by_number[i] = GUEST_PATTERN + i;
}

/* Enters with known callee-saved values around the stub; panics when one is lost. */
static bool stop_at_exit(struct vcpu *v UNUSED, uint32_t reason UNUSED)
{
    return false;
}

static enum vmx_entry enter_once(struct vcpu *v, bool launched)
{
    register uint64_t rbx __asm__("rbx") = 0x11, r12 __asm__("r12") = 0x12, r15 __asm__("r15") = 0x15;
    enum vmx_entry result;

    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r15));
    result = vmx_of(v)->enter(v, launched, stop_at_exit);
    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r15));
    ASSERT(rbx == 0x11 && r12 == 0x12 && r15 == 0x15);
    return result;
}

static void verdict(const char *name, bool ok)
{
    if (!ok)
        panic("selftest: %s: wrong outcome", name);
    log_info("selftest: %s: ok", name);
}

static const char *stub_name(unsigned guards)
{
    static const char *const names[GUARD_STUBS] = {"stubs without guards",  "stubs with L1D flush",
                                                   "stubs with VERW",       "stubs with L1D flush, VERW",
                                                   "stubs with IBRS",       "stubs with IBRS, L1D flush",
                                                   "stubs with IBRS, VERW", "stubs with all guards"};

    return names[guards];
}

static void test_no_current_vmcs(struct vcpu *v)
{
    vmx_vmclear(vmx_of(v));
    verdict("entry without a current VMCS is VMfailInvalid", enter_once(v, false) == VMX_FAIL_INVALID);
    vmx_vmptrld(vmx_of(v));
}

static void test_resume_unlaunched(struct vcpu *v)
{
    bool failed = enter_once(v, true) == VMX_FAIL_VALID;

    verdict("VMRESUME of a clear VMCS is VMfailValid",
            failed && vmcs_read(vmcs_instruction_error) == ERROR_RESUME_UNLAUNCHED);
}

/* One control field with a value that no processor takes. */
static void test_bad_control(struct vcpu *v)
{
    uint64_t good = vmcs_read(vmcs_vpid), error;
    bool failed, named;

    vmcs_write(vmcs_vpid, 0);
    failed = enter_once(v, false) == VMX_FAIL_VALID;
    error = vmcs_read(vmcs_instruction_error);
    named = vmx_explain_failed_entry(v, (uint32_t)error, 0);
    vmcs_write(vmcs_vpid, good);
    verdict("VPID 0 is refused as an invalid control", failed && named && error == ERROR_CONTROLS);
}

/* One guest field after the other that breaks its rule: the entry "exits" with the failure bit. */
static void test_bad_guest_state(struct vcpu *v)
{
    static const struct {
        struct vmcs_field field;
        uint64_t bad;
    } cases[] = {
        {vmcs_guest_rflags, 0},          {vmcs_guest_tr_rights, BIT(16)}, {vmcs_guest_cs_rights, 0x1009b},
        {vmcs_vmcs_link_pointer, 0x123}, {vmcs_guest_activity, 9},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t good = vmcs_read(cases[i].field), reason;
        bool exited, named;

        vmcs_write(cases[i].field, cases[i].bad);
        exited = enter_once(v, false) == VMX_EXITED;
        reason = vmcs_read(vmcs_exit_reason);
        named = vmx_explain_failed_entry(v, 0, (uint32_t)reason);
        vmcs_write(cases[i].field, good);
        verdict(vmcs_field_name(cases[i].field),
                exited && named && reason == (EXIT_ENTRY_FAILED | EXIT_INVALID_GUEST_STATE));
    }
}

/* Both ways back of each pair of stubs that this processor can execute. */
static void test_stubs(struct vcpu *v)
{
    struct vmx_vcpu *x = vmx_of(v);
    uint64_t good = vmcs_read(vmcs_guest_rflags), exit_point = vmcs_read(vmcs_host_rip);
    vmx_stub *const own = x->enter;

    for (unsigned guards = 0; guards < GUARD_STUBS; guards++) {
        bool failed, exited;

        if (guards & ~guards_of_stubs())
            continue;
        x->enter = vmx_stubs[guards].enter;
        vmcs_write(vmcs_host_rip, (uint64_t)vmx_stubs[guards].exit_point);
        failed = enter_once(v, true) == VMX_FAIL_VALID;
        vmcs_write(vmcs_guest_rflags, 0);
        exited = enter_once(v, false) == VMX_EXITED;
        vmcs_write(vmcs_guest_rflags, good);
        verdict(stub_name(guards), failed && exited);
    }
    if (guards_of_stubs() & GUARD_IBRS)
        wrmsr(IA32_SPEC_CTRL, guards_host_spec_ctrl());
    x->enter = own;
    vmcs_write(vmcs_host_rip, exit_point);
}

void vmx_self_test(struct vcpu *v)
{
    struct guest_regs saved = v->regs;

    ASSERT(!this_cpu()->active && !vmx_of(v)->active_on);
    fill_registers(v);
    vmx_vmptrld(vmx_of(v));
    vmx_load_host_state(v);
    test_no_current_vmcs(v);
    test_resume_unlaunched(v);
    test_bad_control(v);
    test_bad_guest_state(v);
    test_stubs(v);
    for (unsigned i = 0; i < ARRAY_SIZE(v->regs.by_number); i++)
        ASSERT(i == 4 || v->regs.by_number[i] == GUEST_PATTERN + i);
    vmx_vmclear(vmx_of(v));
    v->regs = saved;
    log_info("selftest: all passed");
}
