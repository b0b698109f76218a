/* SPDX-License-Identifier: BSD-2-Clause */
/* Nothing of the machine is open to a guest without an exit, but what is switched with it. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "arch/x86/msr.h"
#include "vmx/io_bitmap.c"
#include "vmx/msr_bitmap.c"

#include <string.h>

struct account memory_host;
struct vmx_caps vmx_caps;

void *memory_alloc_zeroed(struct account *account, enum memory_kind kind UNUSED, uint64_t count)
{
    assert_ptr_equal(account, &memory_host);
    assert_int_equal(count, 3);
    return memset(phys_to_virt(hpa(PAGE_SIZE)), 0, count * PAGE_SIZE);
}

static int set_up(void **state UNUSED)
{
    return fake_memory_create(4 * PAGE_SIZE) && vmx_io_bitmap_create() ? 0 : -1;
}

static unsigned open_ports(const struct vm_config *c, unsigned ports[], unsigned most)
{
    const uint8_t *halves[] = {phys_to_virt(vmx_io_bitmap_a(c)), phys_to_virt(vmx_io_bitmap_b())};
    unsigned count = 0;

    for (unsigned port = 0; port < 0x10000; port++) {
        if (halves[port >> 15][(port & 0x7fff) / 8] >> (port & 7) & 1)
            continue;
        assert_true(count < most);
        ports[count++] = port;
    }
    return count;
}

static void ports_are_closed(void **state UNUSED)
{
    const struct vm_config c = {.pass_io_delay = false};
    unsigned ports[2];

    assert_int_equal(open_ports(&c, ports, 2), 0);
}

static void two_ports_on_request(void **state UNUSED)
{
    const struct vm_config c = {.pass_io_delay = true};
    unsigned ports[2];

    assert_int_equal(open_ports(&c, ports, 2), 2);
    assert_int_equal(ports[0], 0x80);
    assert_int_equal(ports[1], 0xed);
    ports_are_closed(NULL);
}

/* The VMCS has it (guest-state area), an entry adds the guest's offset, or vcpu/context.c loads and saves it.
 */
static const struct {
    uint32_t msr;
    bool write;
} switched[] = {
    {IA32_TSC, false},     {IA32_SYSENTER_CS, true}, {IA32_SYSENTER_ESP, true}, {IA32_SYSENTER_EIP, true},
    {IA32_EFER, false},    {IA32_STAR, false},       {IA32_LSTAR, false},       {IA32_CSTAR, false},
    {IA32_FMASK, false},   {IA32_FS_BASE, true},     {IA32_GS_BASE, true},      {IA32_KERNEL_GS_BASE, true},
    {IA32_TSC_AUX, false},
};

static bool may_be_open(uint32_t msr, bool write)
{
    for (unsigned i = 0; i < ARRAY_SIZE(switched); i++) {
        if (switched[i].msr == msr)
            return !write || switched[i].write;
    }
    return false;
}

static struct vm vm;
static bool spec_ctrl, commands;

bool guards_open_spec_ctrl(const struct vm *of)
{
    assert_ptr_equal(of, &vm);
    return spec_ctrl;
}

bool guards_open_pred_cmd(const struct vm *of UNUSED)
{
    return commands;
}

bool guards_open_flush_cmd(const struct vm *of UNUSED)
{
    return commands;
}

static bool is_open(const uint8_t *bitmap, uint32_t msr, bool write)
{
    return !(bitmap[(write ? 2048 : 0) + msr / 8] >> (msr & 7) & 1);
}

/* Those that the stubs switch, and commands, which can be written alone. */
static void speculation(void **state UNUSED)
{
    static uint8_t bitmap[PAGE_SIZE];

    for (unsigned i = 0; i < 4; i++) {
        spec_ctrl = i & 1;
        commands = i & 2;
        vmx_msr_bitmap_init(bitmap, &vm);
        for (unsigned write = 0; write < 2; write++) {
            assert_int_equal(is_open(bitmap, IA32_SPEC_CTRL, write), spec_ctrl);
            assert_int_equal(is_open(bitmap, IA32_PRED_CMD, write), commands && write);
            assert_int_equal(is_open(bitmap, IA32_FLUSH_CMD, write), commands && write);
            assert_false(is_open(bitmap, IA32_ARCH_CAPABILITIES, write));
        }
    }
    spec_ctrl = commands = false;
}

static void msrs_are_closed(void **state UNUSED)
{
    static uint8_t bitmap[PAGE_SIZE];

    vmx_caps.controls[WORD_PROC2] = vmx_caps.allowed1[WORD_PROC2] = UINT32_MAX;
    vmx_msr_bitmap_init(bitmap, &vm);
    for (unsigned i = 0; i < 4 * 0x2000; i++) {
        uint32_t msr = (i & 0x2000 ? 0xc0000000u : 0) + (i & 0x1fff);

        if (!(bitmap[i / 8] >> (i & 7) & 1))
            assert_true(may_be_open(msr, i & 0x4000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_closed),
        cmocka_unit_test(two_ports_on_request),
        cmocka_unit_test(msrs_are_closed),
        cmocka_unit_test(speculation),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
