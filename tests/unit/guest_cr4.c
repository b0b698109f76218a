/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest sees of its CR4, and what is really there; whether its mode is what it was. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_vmcs.h"

#include "vmx/caps.h"
#include "vmx/guest.c"

struct vmx_caps vmx_caps;

static const uint64_t guests[] = {0, CR4_PAE, CR4_MCE, CR4_PAE | CR4_MCE | CR4_PGE, CR4_OSXSAVE | CR4_SMEP};

static void set_up_vmcs(void)
{
    vmx_caps.cr4_fixed0 = CR4_VMXE;
    vmcs_write(vmcs_cr4_mask, vmx_cr4_mask(CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSXSAVE | CR4_SMEP));
}

static void it_sees_its_own(void **state)
{
    (void)state;
    set_up_vmcs();
    for (unsigned i = 0; i < ARRAY_SIZE(guests); i++) {
        vmx_set(NULL, GUEST_CR4, guests[i]);
        assert_int_equal(vmx_get(NULL, GUEST_CR4), guests[i]);
    }
}

/* A machine check is an exit only then. */
static void machine_checks_stay_on(void **state)
{
    (void)state;
    set_up_vmcs();
    for (unsigned i = 0; i < ARRAY_SIZE(guests); i++) {
        vmx_set(NULL, GUEST_CR4, guests[i]);
        assert_int_equal(vmcs_read(vmcs_guest_cr4), guests[i] | CR4_VMXE | CR4_MCE);
    }
    assert_true(vmcs_read(vmcs_cr4_mask) & CR4_MCE); /* MOV to CR4 that changes it exits */
    assert_false(vmcs_read(vmcs_cr4_mask) & CR4_PGE);
}

/* Each field by which an instruction is fetched and translated. */
static void a_mode_is_the_same_or_not(void **state)
{
    static const struct vmcs_field those[] = {
        vmcs_guest_cr0,       vmcs_guest_cr3,       vmcs_guest_cr4,     vmcs_guest_efer,
        vmcs_guest_cs_rights, vmcs_guest_ss_rights, vmcs_guest_cs_base,
    };
    struct mode_note note;

    (void)state;
    vmx_note_mode(NULL, &note);
    assert_true(vmx_is_mode(NULL, &note));
    for (unsigned i = 0; i < ARRAY_SIZE(those); i++) {
        uint64_t was = vmcs_read(those[i]);

        for (unsigned bit = 0; bit < 16; bit++) {
            vmcs_write(those[i], was ^ BIT(bit));
            assert_false(vmx_is_mode(NULL, &note));
        }
        vmcs_write(those[i], was);
        assert_true(vmx_is_mode(NULL, &note));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_sees_its_own),
        cmocka_unit_test(machine_checks_stay_on),
        cmocka_unit_test(a_mode_is_the_same_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
