/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's registers in words, for the report of a crash. */
#include "vmx/dump.h"

#include "arch/x86/cpu.h"
#include "arch/x86/spinlock.h"
#include "core/base/log.h"
#include "vmx/run.h"

static unsigned long long dump_field(struct vmcs_field f)
{
    return vmcs_read(f);
}

void vmx_dump_general(const struct vcpu *v)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    uint64_t values[16];

    _Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(values) &&
                       ARRAY_SIZE(values) == ARRAY_SIZE(v->regs.by_number),
                   "by number");
    for (unsigned i = 0; i < 16; i++)
        values[i] = read_gpr(v, i);
    print("  vcpu %u: rip %016llx  rflags %08llx  last exit: %s, qualification %llx\n", v->id,
          dump_field(vmcs_guest_rip), dump_field(vmcs_guest_rflags),
          vmx_reason_name((unsigned)vmcs_read(vmcs_exit_reason) & 0xffff),
          dump_field(vmcs_exit_qualification));
    for (unsigned i = 0; i < 16; i += 4)
        print("  %s %016llx  %s %016llx  %s %016llx  %s %016llx\n", names[i], (unsigned long long)values[i],
              names[i + 1], (unsigned long long)values[i + 1], names[i + 2],
              (unsigned long long)values[i + 2], names[i + 3], (unsigned long long)values[i + 3]);
}

void vmx_dump_guest(const struct vcpu *v)
{
    static struct spinlock lock; /* one vCPU's block of lines after the other */

    spin_lock(&lock);
    vmx_dump_general(v);
    print("  cr0 %llx  cr2 %llx  cr3 %llx  cr4 %llx  efer %llx\n", dump_field(vmcs_guest_cr0),
          (unsigned long long)read_cr2(), dump_field(vmcs_guest_cr3), dump_field(vmcs_guest_cr4),
          dump_field(vmcs_guest_efer));
    print("  cs %04llx base %llx rights %llx  ss %04llx  gdtr %llx+%llx  idtr %llx+%llx\n",
          dump_field(vmcs_guest_cs_selector), dump_field(vmcs_guest_cs_base),
          dump_field(vmcs_guest_cs_rights), dump_field(vmcs_guest_ss_selector),
          dump_field(vmcs_guest_gdtr_base), dump_field(vmcs_guest_gdtr_limit),
          dump_field(vmcs_guest_idtr_base), dump_field(vmcs_guest_idtr_limit));
    spin_unlock(&lock);
}
