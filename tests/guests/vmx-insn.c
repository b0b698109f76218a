/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions of hypervisors, of both makers: a guest has none of them but VMCALL, which answers to
 * unknown numbers too, and on AMD VMMCALL. */
#include "hypercall/abi.h"
#include "lib/guest.h"

const char guest_name[] = "vmx-insn";

static uint64_t region[512] ALIGNED(4096);
static struct {
    uint32_t address, zero[3];
} operand;

#define INSTRUCTION(name, text)                                                   \
    static void do_##name(void *argument)                                         \
    {                                                                             \
        (void)argument;                                                           \
        __asm__ volatile(text : : "m"(operand), "a"(0), "c"(0) : "memory", "cc"); \
    }
INSTRUCTION(vmxon, "vmxon %0")
INSTRUCTION(vmxoff, "vmxoff")
INSTRUCTION(vmlaunch, "vmlaunch")
INSTRUCTION(vmresume, "vmresume")
INSTRUCTION(vmptrld, "vmptrld %0")
INSTRUCTION(vmptrst, "vmptrst %0")
INSTRUCTION(vmclear, "vmclear %0")
INSTRUCTION(vmread, "vmread %%eax, %%eax")
INSTRUCTION(vmwrite, "vmwrite %%eax, %%eax")
INSTRUCTION(invept, "invept %0, %%eax")
INSTRUCTION(invvpid, "invvpid %0, %%eax")
INSTRUCTION(vmfunc, "vmfunc")
INSTRUCTION(vmmcall, "vmmcall")
INSTRUCTION(vmrun, "vmrun")
INSTRUCTION(vmload, "vmload")
INSTRUCTION(vmsave, "vmsave")
INSTRUCTION(stgi, "stgi")
INSTRUCTION(clgi, "clgi")
INSTRUCTION(skinit, "skinit")
INSTRUCTION(invlpga, "invlpga")
INSTRUCTION(getsec, "getsec")
INSTRUCTION(rsm, "rsm")
INSTRUCTION(monitor, "monitor")
INSTRUCTION(mwait, "mwait")
INSTRUCTION(encls, ".byte 0x0f, 0x01, 0xcf")

#define ROW(name)        \
    {                    \
#name, do_##name \
    }
static const struct {
    const char *name;
    trap_function *function;
} rows[] = {
    ROW(vmxon),   ROW(vmxoff), ROW(vmlaunch), ROW(vmresume), ROW(vmptrld), ROW(vmptrst),
    ROW(vmclear), ROW(vmread), ROW(vmwrite),  ROW(invept),   ROW(invvpid), ROW(vmfunc),
    ROW(vmrun),   ROW(vmload), ROW(vmsave),   ROW(stgi),     ROW(clgi),    ROW(skinit),
    ROW(invlpga), ROW(getsec), ROW(rsm),      ROW(monitor),  ROW(mwait),   ROW(encls),
};

#define EFER        0xc0000080u
#define EFER_SVME   BIT(12)
#define VM_CR       0xc0010114u
#define VM_HSAVE_PA 0xc0010117u

static bool is_amd(void)
{
    return cpuid(0, 0).ebx == 0x68747541; /* "Auth" */
}

static void undefined(const char *name, trap_function *function)
{
    int kernel = trap_call(function, NULL), user = trap_call_user(function, NULL);

    check(kernel == UD, "%s in ring 0 gives vector %d", name, kernel);
    /* RSM and the like are undefined everywhere; what ring 3 may not do at all may also be #GP. */
    check(user == UD || user == GP, "%s in ring 3 gives vector %d", name, user);
}

static void no_svm(void)
{
    uint64_t efer = rdmsr(EFER), value = 0;

    check(!is_amd() || !(cpuid(0x80000001, 0).ecx & BIT(2)), "CPUID offers no SVM");
    check(try_wrmsr(EFER, efer | EFER_SVME) == GP && !(rdmsr(EFER) & EFER_SVME), "EFER.SVME gives #GP");
    check(try_wrmsr(VM_HSAVE_PA, (uint32_t)region) == GP, "VM_HSAVE_PA gives #GP");
    /* SVMDIS, or no such register */
    check(try_rdmsr(VM_CR, &value) == GP || (value & BIT(4)), "VM_CR allows no SVM");
}

static int32_t call_result;

static void do_vmcall(void *argument)
{
    __asm__ volatile("vmcall"
                     : "=a"(call_result)
                     : "a"(*(uint32_t *)argument), "b"(1), "c"(2), "d"(3)
                     : "memory");
}

static void try_vmcalls(void)
{
    static uint32_t numbers[] = {0, 2,  3,  4,          6,          7,          8,
                                 9, 12, 13, 0x534affff, 0x534b000b, 0x7fffffff, 0xffffffff};
    bool enosys = true, eperm = true;

    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        enosys = trap_call(do_vmcall, &numbers[i]) == NO_TRAP && call_result == SKERRY_ENOSYS && enosys;
        eperm = trap_call_user(do_vmcall, &numbers[i]) == NO_TRAP && call_result == SKERRY_EPERM && eperm;
    }
    check(enosys, "vmcall in ring 0 gives %d", SKERRY_ENOSYS);
    check(eperm, "vmcall in ring 3 gives %d", SKERRY_EPERM);
}

static void set_vmxe(void *argument)
{
    (void)argument;
    write_cr4(read_cr4() | BIT(13));
}

void guest_main(const struct boot_info *info)
{
    uint64_t value;

    (void)info;
    operand.address = (uint32_t)region;
    check(!(cpuid(1, 0).ecx & BIT(5)), "CPUID offers no VMX");
    check(trap_call(set_vmxe, NULL) == GP, "CR4.VMXE gives #GP");
    check(try_rdmsr(0x480, &value) == GP, "IA32_VMX_BASIC gives #GP");
    check(try_rdmsr(0x3a, &value) != NO_TRAP || !(value & 4), "IA32_FEATURE_CONTROL allows no VMX");
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        undefined(rows[i].name, rows[i].function);
    if (!is_amd())
        undefined("vmmcall", do_vmmcall);
    no_svm();
    try_vmcalls();
}
